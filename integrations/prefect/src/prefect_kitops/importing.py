"""Tasks that make kits of what other systems have: the Hugging Face Hub, MLflow."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from prefect import task

import kitops_core as kitops
from prefect_kitops.connection import RegistryBlock, as_path, find_place
from prefect_kitops.packing import tell
from prefect_kitops.reference import ModelKitRef
from prefect_kitops.running import TASK_OPTIONS, in_thread, run_name

if TYPE_CHECKING:
    from pydantic import SecretStr

    from kitops_core.events import Cancel
    from kitops_core.record import ModelKitRecord


@task(name="import-modelkit", task_run_name=run_name("import", "source"), **TASK_OPTIONS)
def import_modelkit(
    source: str,
    reference: str,
    *,
    tags: Sequence[str] = (),
    ref: str = "",
    token: SecretStr | None = None,
    kitfile: str | os.PathLike[str] | None = None,
    key: str | None = None,
    registry: RegistryBlock | str | None = None,
    card: bool = True,
) -> ModelKitRef:
    """Import a repository of the Hugging Face Hub, or a run or model of MLflow, as a kit.

    Files go from the Hub straight to the registry, without a copy on the worker; what the registry has is not fetched.
    The revision is resolved once to its commit. The source is an upstream asset of the kit's. Needs
    ``kitops-core[huggingface]`` or ``kitops-core[mlflow]`` where it runs.

    Args:
        source: ``organisation/model``, ``datasets/organisation/name`` or ``mlflow://…``; see
            :func:`kitops_core.import_kit`.
        reference: Where to; with a ``ModelKitRepository`` a tag is enough.
        tags: Further tags.
        ref: A branch, tag or commit of the Hub's repository.
        token: A token for the Hub, as a ``Secret`` block holds it; by default ``HF_TOKEN`` where it runs.
        kitfile: A Kitfile to use instead of one made from the repository.
        key: The private key that signs the provenance: a file, PEM text or ``env://NAME``.
        registry: The registry's block, or the name of a saved ``ModelKitRepository``.
        card: Whether to publish a card of the kit as an artifact of the run.

    Raises:
        KitOpsError: As :func:`kitops_core.import_kit`.
    """
    return _import(source, reference, tags, ref, token, kitfile, key, registry, card)


@task(name="import-modelkit", task_run_name=run_name("import", "source"), **TASK_OPTIONS)
async def aimport_modelkit(
    source: str,
    reference: str,
    *,
    tags: Sequence[str] = (),
    ref: str = "",
    token: SecretStr | None = None,
    kitfile: str | os.PathLike[str] | None = None,
    key: str | None = None,
    registry: RegistryBlock | str | None = None,
    card: bool = True,
) -> ModelKitRef:
    """As :func:`import_modelkit`, beside an event loop."""
    return await in_thread(
        lambda cancel: _import(source, reference, tags, ref, token, kitfile, key, registry, card, cancel)
    )


def _import(
    source: str,
    reference: str,
    tags: Sequence[str],
    ref: str,
    token: SecretStr | None,
    kitfile: str | os.PathLike[str] | None,
    key: str | None,
    registry: RegistryBlock | str | None,
    card: bool,
    cancel: Cancel | None = None,
) -> ModelKitRef:
    place = find_place(reference, registry)

    def work(*, provenance: Any, **run: Any) -> ModelKitRecord:
        return kitops.import_kit(  # which says itself where the kit comes from
            source,
            str(place.reference),
            push=place.remote,
            tags=tags,
            ref=ref,
            token=token.get_secret_value() if token is not None else None,
            kitfile=as_path(kitfile) if kitfile is not None else None,
            key=key,
            registry=place.options,
            **run,
        )

    return tell(reference, work, upstream=[_asset_key(source)], registry=registry, card=card, cancel=cancel)


def _asset_key(source: str) -> str:
    """The source as an asset, whichever of its versions is taken."""
    from kitops_core.importing.hub_name import HUB, parse_hub_name
    from kitops_core.importing.import_kit import MLFLOW

    hub = os.environ.get("HF_ENDPOINT") or HUB
    return source if source.startswith(MLFLOW) else parse_hub_name(source, hub).uri()
