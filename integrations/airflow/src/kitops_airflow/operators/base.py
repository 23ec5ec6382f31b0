"""What all operators share: the connection, stopping, errors, events and lineage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import Asset, AssetAlias, BaseOperator

import kitops_core as kitops
from kitops_airflow.assets import check_asset, check_outlets, is_modelkit, modelkit_asset
from kitops_airflow.events import ModelKitEvent, alias_extra, partition_of
from kitops_airflow.failures import airflow_failures
from kitops_airflow.links import ModelKitLink
from kitops_airflow.uris import reference_of
from kitops_core import Cancel, InvalidInputError, parse_reference

if TYPE_CHECKING:
    from kitops_airflow.hooks.kitops import KitOpsHook

# What only a run needs is imported where it runs: Airflow reads each DAG file again and again.


class KitOpsOperator(BaseOperator):
    """An operator over the engine.

    When the task is killed, or runs longer than its ``execution_timeout``, the engine stops at its next buffer: what it
    was writing is not there, and no tag was moved.

    Args:
        kitops_conn_id: The connection to the registry, or several where several registries take part: each is for its
            own, and the first completes references that name none.
    """

    ui_color = "#e8f1ff"
    shallow_copy_attrs: Sequence[str] = ("_cancel",)  # a switch has a lock, which dag.partial_subset() could not copy
    operator_extra_links = (ModelKitLink(),)
    signer = ""
    actor = ""

    def __init__(self, *, kitops_conn_id: str | Sequence[str] = "kitops_default", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_outlets(self.outlets)
        self.kitops_conn_id = kitops_conn_id
        self._cancel = Cancel()
        self._hook: KitOpsHook | None = None
        self.linked_kit: dict[str, str] = {}
        self._read: list[str] = []
        self._operations: list[kitops.Operation] = []

    def execute(self, context: Any) -> Any:
        """Run the operator; see each operator's ``run``."""
        with self.at_work():
            return self.run(context)

    def run(self, context: Any) -> Any:
        """What this operator does."""
        raise NotImplementedError

    def on_kill(self) -> None:
        """Stop the engine at its next buffer, also if it has not begun yet."""
        self._cancel.cancel()

    def hook(self, context: Mapping[str, Any]) -> KitOpsHook:
        """The hook for this run; it logs progress and stops when the task is killed."""
        if self._hook is None:
            from kitops_airflow.hooks.kitops import KitOpsHook
            from kitops_core.orchestrate.progress import logged

            self._hook = KitOpsHook(
                self.kitops_conn_id,
                signer=self.signer,
                run=self.source_of(context),
                on_event=logged(self.log),
                cancel=self._cancel,
                lineage=False,
                on_lineage=self._operations.append,
            )
        return self._hook

    def source_of(self, context: Mapping[str, Any]) -> kitops.Source:
        """The run that works, and for whom."""
        from kitops_airflow.context import run_source

        source = run_source(context)
        return replace(source, actor=self.actor) if self.actor else source

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """What is raised inside the block is told in Airflow's words; the connections are closed after it."""
        try:
            with airflow_failures():
                yield
        finally:
            if self._hook is not None:
                self._hook.get_conn().close()
                self._hook = None

    def emit(self, context: Any, record: kitops.ModelKitRecord, tag: str | None = None) -> None:
        """Put the record into the asset events of this task's outlets.

        Args:
            context: The task's context.
            record: What was written.
            tag: The channel's tag, whose asset is announced through aliases; by default that of the repository is.
        """
        from kitops_core.orchestrate.metadata import record_metadata

        self._link(f"{record.registry}/{record.repository}@{record.digest}")
        if self.outlets and (partition := partition_of(context)):
            self.log.info(
                "this run is of the partition %s, and so are its events: they start no DAG that is scheduled on the "
                "asset alone, only those with PartitionedAssetTimetable(assets=...)",
                partition,
            )
        for outlet in self.outlets:
            if isinstance(outlet, AssetAlias):
                asset = modelkit_asset(f"{record.registry}/{record.repository}", tag=tag)
                context["outlet_events"][outlet].add(asset, extra=alias_extra(record))
            elif is_modelkit(outlet) and _is_of(outlet, record):
                context["outlet_events"][outlet].extra.update(record_metadata(record))
                self._show(context, outlet, record)
            elif is_modelkit(outlet) and not context["outlet_events"][outlet].extra:
                self.log.warning(
                    "outlet %s is not what was written, %s: its event, which Airflow makes all the same, has no digest",
                    outlet.uri,
                    record.reference,
                )

    def _show(self, context: Any, asset: Asset, record: kitops.ModelKitRecord) -> None:
        """Show the digest on the asset's own page, which has a place for it from Airflow 3.3 on."""
        if (stores := context.get("asset_state_store")) is not None:
            try:
                stores[asset].set("digest", record.digest)
            except Exception as error:  # the kit is pushed, and a page is no reason to fail
                self.log.warning("%s: the digest is not on its page: %s", asset.uri, error)

    def _link(self, pinned: str) -> str:
        """Remember the kit for the link on the task's page."""
        kit = parse_reference(pinned)
        self.linked_kit = {"registry": kit.registry, "repository": kit.repository, "digest": kit.digest}
        return pinned

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """The kits this run read and made, and what they were made from, for OpenLineage."""
        from kitops_airflow.openlineage import operator_lineage

        return operator_lineage(self._operations, self._read)


class KitReader(KitOpsOperator):
    """An operator that works on a kit that is there already.

    Args:
        reference: The kit: ``registry/repository:tag`` or ``@digest``. Templated.
        asset: Instead of ``reference``, the asset whose newest event says which kit: of the events that started this
            run, else of all. The asset becomes an inlet of the task.
    """

    needs_a_kit = True

    def __init__(self, *, reference: str = "", asset: Asset | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if self.needs_a_kit and not reference and asset is None:
            raise ValueError(f"{type(self).__name__} needs reference= or asset=")
        self.reference = reference
        self.asset = asset
        if asset is not None:
            check_asset(asset)
            self.add_inlets([asset])

    def kit(self, context: Mapping[str, Any]) -> str:
        """The kit to work on, pinned to a digest where an event says it; empty where none is named and none is needed.

        Raises:
            InvalidInputError: Neither a reference is given, nor has the asset an event.
        """
        if self.reference:
            return self.reference
        if self.asset is None:
            if self.needs_a_kit:  # the template of the reference came to nothing
                raise InvalidInputError(f"{self.task_id}: the reference is empty")
            return ""
        event = ModelKitEvent.latest(context, self.asset, self.kitops_conn_id)
        if event is not None:
            return event.reference
        reference = reference_of(self.asset)
        if reference.tag:
            return str(reference)
        raise InvalidInputError(
            f"{self.asset.uri} has no event that says which kit to take",
            hint="run the DAG that makes it, or pass reference= for this run",
        )

    @contextmanager
    def open_kit(self, context: Mapping[str, Any]) -> Iterator[kitops.ModelKit]:
        """Open the kit to work on, pinned to its digest."""
        hook = self.hook(context)
        with hook.get_conn().open(str(hook.reference(self.kit(context))), where="registry") as kit:
            self.used(kit.reference, kit.digest)
            yield kit

    def used(self, reference: str, digest: str) -> None:
        """Remember what was read, for the lineage and the task's log."""
        self._read.append(self._link(str(parse_reference(reference).with_digest(digest))))
        self.log.info("kit %s", self._read[-1])


def listed(value: Any) -> list[str]:
    """What an argument names: one, several, or none, which is an empty string where a template came to nothing.

    Raises:
        InvalidInputError: A name is a number with a fraction: what was written is lost.
    """
    items = [value] if isinstance(value, (str, int, float)) and value != "" else list(value or ())
    for item in items:
        if isinstance(item, float):
            raise InvalidInputError(
                f"{item} is a number and no text",
                hint="a DAG with render_template_as_native_obj makes 1.1 of '1.10': put a letter before it, 'v1.10'",
            )
    return [str(item) for item in items]


def _is_of(asset: Asset, record: kitops.ModelKitRecord) -> bool:
    """Whether an outlet stands for what was written: its repository, and its tag where it has one."""
    target = reference_of(asset)
    return (target.registry, target.repository) == (record.registry.lower(), record.repository) and (
        not target.tag or target.tag in record.tags
    )
