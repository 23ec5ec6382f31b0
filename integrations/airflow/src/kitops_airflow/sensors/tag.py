"""The sensor that waits for a tag."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import BaseSensorOperator, PokeReturnValue, conf

from kitops_airflow.assets import check_asset
from kitops_airflow.failures import airflow_failures
from kitops_airflow.hooks.kitops import KitOpsHook
from kitops_airflow.links import ModelKitLink
from kitops_airflow.triggers.tag import ModelKitTagTrigger
from kitops_airflow.uris import reference_of
from kitops_core import NotFoundError, RegistryError
from kitops_core.orchestrate.metadata import record_metadata


class ModelKitTagSensor(BaseSensorOperator):
    """Wait until a tag exists, or until it points at another digest than ``since_digest``.

    A registry that fails is asked again at the next look. With ``deferrable`` no worker is kept busy.

    Args:
        reference: ``registry/repository:tag``. Templated.
        asset: Instead of ``reference``, the asset of a tag.
        since_digest: A digest to wait past. Templated.
        kitops_conn_id: The connection to the registry.
        deferrable: Wait in the triggerer; by default as ``[operators] default_deferrable`` says.

    Returns:
        The kit's record.
    """

    template_fields: Sequence[str] = ("reference", "since_digest")
    operator_extra_links = (ModelKitLink(),)
    ui_color = "#e8f1ff"

    def __init__(
        self,
        *,
        reference: str = "",
        asset: Any = None,
        since_digest: str = "",
        kitops_conn_id: str = KitOpsHook.default_conn_name,
        deferrable: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not reference and asset is None:
            raise ValueError("ModelKitTagSensor needs reference= or asset=")
        if asset is not None:
            check_asset(asset)
        self.linked_kit: dict[str, Any] = {}
        self.reference = reference or str(reference_of(asset))
        self.since_digest = since_digest
        self.kitops_conn_id = kitops_conn_id
        self.deferrable = (
            conf.getboolean("operators", "default_deferrable", fallback=False) if deferrable is None else deferrable
        )

    def execute(self, context: Any) -> Any:
        """Wait, here or in the triggerer."""
        if not self.deferrable:
            return super().execute(context)
        found = self.poke(context)
        if found.is_done:
            return found.xcom_value
        return self.defer(
            trigger=ModelKitTagTrigger(
                reference=self.reference,
                kitops_conn_id=self.kitops_conn_id,
                poll_interval=float(self.poke_interval),
                since_digest=self.since_digest,
            ),
            method_name="resume",
            timeout=timedelta(seconds=self.timeout),
        )

    def poke(self, context: Any) -> PokeReturnValue:
        """Look once."""
        hook = KitOpsHook(self.kitops_conn_id)
        with airflow_failures():
            try:
                reference = hook.reference(self.reference)
                with hook.get_conn() as client:
                    digest = client.resolve(str(reference), where="registry")
                    if digest == self.since_digest:
                        return PokeReturnValue(is_done=False)
                    with client.open(str(reference.with_digest(digest)), where="registry") as kit:
                        record = kit.record()
            except NotFoundError:
                return PokeReturnValue(is_done=False)
            except RegistryError as error:
                self.log.warning("%s: %s", self.reference, error)
                return PokeReturnValue(is_done=False)
        self.linked_kit = record_metadata(record)
        return PokeReturnValue(is_done=True, xcom_value=self.linked_kit)

    def resume(self, context: Any, event: dict[str, Any]) -> dict[str, Any]:
        """The record, from the trigger that saw the tag move."""
        self.linked_kit = event
        return event
