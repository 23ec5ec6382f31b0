"""Tasks that make kits of what other systems have: the Hugging Face Hub, MLflow."""

from __future__ import annotations

import os
from collections.abc import Sequence

from pydantic import SecretStr

import kitops_core as kitops
from prefect_kitops.connection import Registry, as_path
from prefect_kitops.packing import make_kit
from prefect_kitops.reference import ModelKitRef
from prefect_kitops.running import run_name, twins


@twins("import-modelkit", run_name("import", "source"))
def _import(
    source: str,
    reference: str,
    *,
    tags: Sequence[str] = (),
    ref: str = "",
    token: SecretStr | None = None,
    kitfile: str | os.PathLike[str] | None = None,
    registry: Registry = None,
    card: bool = True,
) -> ModelKitRef:
    """Import a repository of the Hugging Face Hub, or a run or model of MLflow, as a kit.

    Files go from the Hub straight to the registry, without a copy on the worker; what the registry has is not fetched.
    The revision is resolved once to its commit. The source is an upstream asset of the kit's. Needs
    ``kitops-core[huggingface]`` or ``kitops-core[mlflow]`` where it runs.

    Args:
        source: ``organisation/model``, ``datasets/organisation/name`` or ``mlflow://…``; see
            :meth:`kitops_core.Client.import_kit`.
        reference: Where to; with a ``ModelKitRepository`` a tag is enough.
        tags: Further tags.
        ref: A branch, tag or commit of the Hub's repository.
        token: A token for the Hub, as a ``Secret`` block holds it; by default ``HF_TOKEN`` where it runs.
        kitfile: A Kitfile to use instead of one made from the repository.
        registry: The registry's block, or the name of a saved ``ModelKitRepository``.
        card: Whether to publish a card of the kit as an artifact of the run.

    Raises:
        KitOpsError: As :meth:`kitops_core.Client.import_kit`.
    """

    def work(client: kitops.Client, place: str, push: bool, _: kitops.Provenance) -> kitops.ModelKitRecord:
        return client.import_kit(  # which says itself where the kit comes from
            source,
            place,
            push=push,
            tags=tags,
            ref=ref,
            token=token.get_secret_value() if token is not None else None,
            kitfile=as_path(kitfile) if kitfile is not None else None,
        )

    return make_kit(reference, work, registry=registry, card=card)


import_modelkit, aimport_modelkit = _import
