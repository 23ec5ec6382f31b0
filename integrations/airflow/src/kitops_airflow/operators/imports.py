"""The operator that imports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from airflow.providers.common.compat.sdk import BaseHook

import kitops_core as kitops
from kitops_airflow.operators.pack import KitPackPushOperator


class KitImportOperator(KitPackPushOperator):
    """Import a model or dataset of the Hugging Face Hub, or a run or model of MLflow, and announce it.

    Files go from the Hub straight to the registry, without a copy on the worker, and what the registry has is not
    fetched. The revision is resolved once to its commit, which the record's ``origin`` and the provenance name. An
    import of the same files changes nothing: ``changed`` is false. Needs ``kitops-core[huggingface]`` or
    ``kitops-core[mlflow]`` on the worker.

    Args:
        source: ``organisation/model``, ``datasets/organisation/name``, or ``mlflow://…``; see
            :func:`kitops_core.import_kit`. Templated.
        reference: Where to: ``registry/repository:tag``; by default the repository of ``asset``. Templated.
        tags: Further tags. Templated.
        ref: A branch, tag or commit of the Hub's repository. Templated.
        hub_conn_id: A connection whose password is a token for the Hub; by default the worker's ``HF_TOKEN``.
        kitfile: A Kitfile to use instead of one made from the repository.
        signer: The private key that signs the kit and its provenance: a path on the worker, or ``env://NAME``.
        asset: The asset that the kit is a version of; by default that of ``reference``.
        skip_unchanged: Where the tags had this very kit already, end as skipped, without an event.

    Returns:
        The kit's record: plain JSON with ``digest``, ``reference``, ``changed``, ``origin`` and more.
    """

    template_fields: Sequence[str] = ("source", "reference", "tags", "ref", "kitfile")
    template_fields_renderers: ClassVar[dict[str, str]] = {"tags": "json"}

    def __init__(self, *, source: str, ref: str = "", hub_conn_id: str = "", **kwargs: Any) -> None:
        super().__init__(source=source, **kwargs)
        self.ref = ref
        self.hub_conn_id = hub_conn_id

    def make(self, reference: str, tags: Sequence[str], context: Any) -> kitops.ModelKitRecord:
        """Import the kit."""
        token = BaseHook.get_connection(self.hub_conn_id).password if self.hub_conn_id else None
        return (
            self.hook(context)
            .get_conn()
            .import_kit(self.source, reference, push=True, tags=tags, ref=self.ref, token=token, kitfile=self.kitfile)
        )
