"""Operators that pack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar

from airflow.providers.common.compat.sdk import AirflowSkipException, Asset, AssetAlias

import kitops_core as kitops
from kitops_airflow.assets import check_asset, check_outlets, is_modelkit, modelkit_asset
from kitops_airflow.operators.base import KitOpsOperator, listed
from kitops_airflow.sources import packable, whole_kitfile
from kitops_airflow.uris import reference_of
from kitops_core import InvalidInputError, is_digest, parse_reference
from kitops_core.orchestrate.names import tag_of


class KitPackOperator(KitOpsOperator):
    """Pack a kit into this worker's local store, for tasks that run on the same machine.

    Args:
        source: A directory (with a Kitfile, or one is generated), contents by name as a mapping with the fields of
            :class:`kitops_core.Contents`, or a directory in an object store: an ``ObjectStoragePath``, or its URL
            (``s3://conn@bucket/model``). It is read while it is packed, and never copied to the worker.
        reference: Where to: ``name:tag``.
        tags: Further tags. What tags cannot have is replaced: a run id can be one.
        kitfile: A Kitfile to use instead of the directory's: its path, or the Kitfile itself as a mapping.
        how: Compression and what else decides the digest: ``Packing(compression="zstd")``.
        inputs: What it is made from: references of kits, URIs, perhaps with ``@sha256:…``, or files. The kits are
            parents in its record.
        metrics: What was measured, by name; gates can ask for it. Contents by name may bring ``metrics`` too.
        provenance: Whether to attach how the kit was made: DAG, run, task, try, URL, inputs and commit. The digest is
            the same without.
        signer: The private key that signs the kit, its provenance and its metrics: a path on the worker, or
            ``env://NAME``; never the key itself.

    Returns:
        The kit's record: plain JSON with ``digest``, ``reference``, ``changed``, ``layers`` and more.
    """

    template_fields: Sequence[str] = ("source", "reference", "tags", "kitfile", "inputs", "metrics")
    template_fields_renderers: ClassVar[dict[str, str]] = {"source": "json", "tags": "json", "metrics": "json"}
    push = False

    def __init__(
        self,
        *,
        source: Any = None,
        reference: str = "",
        tags: str | Sequence[str] = (),
        kitfile: Any = None,
        how: kitops.Packing | None = None,
        inputs: str | Sequence[str] = (),
        metrics: Mapping[str, float] | None = None,
        provenance: bool = True,
        signer: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.reference = reference
        self.tags = tags
        self.kitfile = kitfile
        self.how = how
        self.inputs = inputs
        self.metrics = metrics
        self.provenance = provenance
        self.signer = signer

    def run(self, context: Any) -> dict[str, Any]:
        """Pack, and return the record."""
        from kitops_core.orchestrate.metadata import record_metadata

        reference, tags = self._target(context)
        record = self.make(reference, tags, context)
        self.log.info("%s %s %s", "packed" if record.changed else "unchanged", record.reference, record.digest)
        self._finish(context, record)
        return record_metadata(record)

    def make(self, reference: str, tags: Sequence[str], context: Any) -> kitops.ModelKitRecord:
        """Pack the kit."""
        given, measured = self.source, figures(self.metrics)
        if isinstance(given, Mapping) and "metrics" in given:
            given = dict(given)
            measured = {**measured, **figures(given.pop("metrics"))}
        source = packable(given)
        client = self.hook(context).get_conn()
        return client.pack(
            source,
            reference,
            push=self.push,
            tags=tags,
            kitfile=whole_kitfile(self.kitfile),
            how=self.how,
            **self.origin(context, measured),
        )

    def origin(self, context: Any, metrics: Mapping[str, float]) -> dict[str, Any]:
        """What the kit was made from, and how."""
        from kitops_airflow.context import run_provenance

        inputs = listed(self.inputs)
        if self.provenance:
            return {"provenance": run_provenance(context, metrics, inputs)}
        kits = [item for item in inputs if "://" not in item and is_digest(item.rpartition("@")[2])]
        return {"parents": kits}

    def _target(self, context: Any) -> tuple[str, list[str]]:
        """The reference with its first tag, and the further tags."""
        reference = self._reference()
        if self.push:
            reference = str(self.hook(context).reference(reference))
        tags = [tag_of(tag) for tag in listed(self.tags)]
        target = parse_reference(reference)
        if not target.tag and tags:
            return str(target.with_tag(tags[0])), tags[1:]
        return reference, tags

    def _reference(self) -> str:
        if not self.reference:
            raise InvalidInputError(f"{self.task_id}: no reference says where to pack to", hint="pass reference=")
        return self.reference

    def _finish(self, context: Any, record: kitops.ModelKitRecord) -> None:
        """Nothing is announced: a kit in a worker's store is nobody else's."""


class KitPackPushOperator(KitPackOperator):
    """Pack a kit straight into its registry, in one pass, and announce it as an asset event.

    The event's ``extra`` is the kit's record: ``digest``, ``changed``, ``previous_digest``, ``parents``, ``source``, ….

    Args:
        reference: Where to: ``registry/repository:tag``; by default the repository of ``asset``.
        asset: The asset that the kit is a version of, made with :func:`~kitops_airflow.assets.modelkit_asset`; by
            default that of ``reference``, where it is known before the run. For repositories that only the run knows,
            or that mapped tasks are expanded over, an ``AssetAlias``.
        skip_unchanged: Where the tags had this very kit already, end as skipped: there is no event, and what waits for
            the asset does not run for nothing.
    """

    template_fields: Sequence[str] = KitPackOperator.template_fields
    push = True

    def __init__(self, *, asset: Asset | AssetAlias | None = None, skip_unchanged: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.asset = asset
        self.skip_unchanged = skip_unchanged
        self.outlets = announced(asset, self.reference, self.outlets)

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """As Airflow's, with the asset among the outlets: it reads those of mapped tasks before the tasks are made."""
        outlets = announced(kwargs.get("asset"), kwargs.get("reference", ""), kwargs.get("outlets", ()))
        return super().partial(**{**kwargs, "outlets": outlets})

    def _reference(self) -> str:
        if self.reference or self.asset is None or isinstance(self.asset, AssetAlias):
            return super()._reference()
        return str(reference_of(self.asset))

    def _finish(self, context: Any, record: kitops.ModelKitRecord) -> None:
        self.emit(context, record)
        if self.skip_unchanged and not record.changed:
            from kitops_core.orchestrate.metadata import record_metadata

            context["ti"].xcom_push(key="return_value", value=record_metadata(record))
            raise AirflowSkipException(f"{record.reference} is {record.digest} already")


def announced(asset: Asset | AssetAlias | None, reference: str, outlets: Any) -> list[Any]:
    """A task's outlets, with the asset that its kit is a version of among them.

    Args:
        asset: The asset that was given, or ``None`` for that of the reference.
        reference: Where the kit goes.
        outlets: The outlets that were given; one of them may stand for the kit already.
    """
    if asset is not None and not isinstance(asset, AssetAlias):
        check_asset(asset)
    given = list(outlets) if isinstance(outlets, (list, tuple)) else [outlets]
    if asset is None and not any(isinstance(outlet, AssetAlias) or is_modelkit(outlet) for outlet in given):
        asset = _asset_of(reference)
    every = given if asset is None or asset in given else [*given, asset]
    check_outlets(every)
    return every


def figures(metrics: Any) -> dict[str, Any]:
    """Figures by name; templates make text of them.

    Raises:
        InvalidInputError: They are not by name.
    """
    if not isinstance(metrics, Mapping):
        if metrics is None or metrics == "":
            return {}
        raise InvalidInputError(
            f"metrics are {type(metrics).__name__}, and must be figures by name, {{'accuracy': 0.94}}",
            hint="give what the task returned, metrics=evaluate(): a template makes text of it",
        )
    found = dict(metrics)
    for name, value in metrics.items():
        if isinstance(value, str):
            with suppress(ValueError):  # the engine says what is wrong with it
                found[name] = float(value)
    return found


def _asset_of(reference: str) -> Asset | None:
    if not reference or "{{" in str(reference):
        return None
    parsed = parse_reference(reference)
    return None if parsed.is_local_name else modelkit_asset(parsed.name)
