"""Kits that something else packs: as assets that Dagster does not make, and whose tags it watches."""

# Dagster reads the annotations of contexts when a function is decorated, so they are not postponed here.

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from dagster_kitops.identity import REFERENCE_KEY, identity
from dagster_kitops.options import check_asset
from dagster_kitops.resources import KitOpsResource
from dagster_kitops.watching import Watcher
from kitops_core import InvalidInputError, KitOpsError, NotFoundError, parse_reference

KITOPS_KEY = "kitops"
"""The resource key of the KitOpsResource, unless told otherwise."""


def external_modelkit(
    key: dg.AssetKey | Sequence[str] | str,
    reference: str,
    *,
    io_manager_key: str = "modelkit",
    metadata: Mapping[str, Any] | None = None,
    kinds: set[str] | None = None,
    **spec: Any,
) -> dg.AssetSpec:
    """An asset for a kit that something else packs: a base model, or the output of another platform.

    Assets downstream take it as they take any kit. Without :func:`observable_modelkits` or :func:`modelkit_sensor`,
    Dagster knows no version of it, and it is what the reference means when it is loaded.

    Args:
        key: The asset's key.
        reference: The kit's full reference, with a tag or a digest.
        io_manager_key: The IO manager that hands it to the assets downstream.
        metadata: Further metadata.
        kinds: Further kinds besides ``kitops``.
        **spec: What else :class:`dagster.AssetSpec` takes: ``description``, ``group_name``, ``owners`` ...

    Raises:
        InvalidReferenceError: ``reference`` is none.
        InvalidInputError: A ``kitops/`` key of the metadata means nothing.
    """
    parse_reference(reference)
    asset = dg.AssetSpec(
        key if isinstance(key, (dg.AssetKey, str)) else list(key),
        metadata={**(metadata or {}), REFERENCE_KEY: reference},
        kinds={"kitops", *(kinds or ())},
        **spec,
    )
    return check_asset(asset).with_io_manager_key(io_manager_key)


def observable_modelkits(
    specs: Sequence[dg.AssetSpec], *, name: str = "observe_modelkits", kitops_key: str = KITOPS_KEY
) -> dg.AssetsDefinition:
    """The same kits, observable: an observation records what each reference means now as its data version.

    Give a spec an ``automation_condition``, such as ``AutomationCondition.on_cron``, to have it observed.

    Args:
        specs: What :func:`external_modelkit` gave.
        name: The name of the observing op.
        kitops_key: The resource key of the KitOpsResource.

    Raises:
        InvalidInputError: A spec names no kit.
    """
    references = {spec.key: _reference(spec) for spec in specs}

    observable: Any = dg.multi_observable_source_asset(
        name=name, specs=list(specs), can_subset=True, required_resource_keys={kitops_key}
    )

    def observe(context: dg.AssetExecutionContext) -> Iterator[dg.ObserveResult]:
        resource: KitOpsResource = getattr(context.resources, kitops_key)
        for key in context.selected_asset_keys:
            try:
                digest = resource.resolve(references[key])
            except NotFoundError as error:
                context.log.warning(error.message)
                continue
            yield dg.ObserveResult(
                asset_key=key, data_version=dg.DataVersion(digest), metadata=identity(references[key], digest)
            )

    assets: dg.AssetsDefinition = observable(observe)
    return assets


def modelkit_sensor(
    specs: Sequence[dg.AssetSpec],
    *,
    name: str = "modelkit_tags",
    job: Any = None,
    minimum_interval_seconds: int = 60,
    kitops_key: str = KITOPS_KEY,
    default_status: dg.DefaultSensorStatus = dg.DefaultSensorStatus.STOPPED,
) -> dg.SensorDefinition:
    """A sensor that reports a kit as materialized when its tag was moved to another digest.

    It asks a registry for the digest only, and sensors of one code location that watch one tag at one interval ask once
    for all of them. What is downstream becomes stale, and ``kits_changed()`` sees it; with
    ``job`` a run is asked for as well, once for each move, also for a move back.

    Args:
        specs: What :func:`external_modelkit` gave.
        name: The sensor's name.
        job: A job to run when a tag moved.
        minimum_interval_seconds: Seconds between two looks, at least.
        kitops_key: The resource key of the KitOpsResource.
        default_status: Whether it runs without being switched on.

    Raises:
        InvalidInputError: A spec names no kit.
    """
    references = {spec.key: _reference(spec) for spec in specs}
    watcher = Watcher(minimum_interval_seconds)

    @dg.sensor(
        name=name,
        job=job,
        minimum_interval_seconds=minimum_interval_seconds,
        required_resource_keys={kitops_key},
        default_status=default_status,
    )
    def watch(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        resource: KitOpsResource = getattr(context.resources, kitops_key)
        seen: dict[str, Any] = json.loads(context.cursor) if context.cursor else {}
        moved: list[dg.AssetKey] = []
        problems: list[str] = []
        for key, reference in references.items():
            try:
                digest = watcher.resolve(resource, reference)
            except KitOpsError as error:  # one registry that is away must not hide the others
                problems.append(error.message)
                continue
            before = seen.get(key.to_string(), {"digest": "", "moves": 0})
            if digest != before["digest"]:
                seen[key.to_string()] = {"digest": digest, "moves": before["moves"] + 1}
                moved.append(key)
        if not moved:
            return dg.SkipReason("; ".join(problems) or "no tag was moved")
        digests = {key: seen[key.to_string()]["digest"] for key in moved}
        runs = [f"{references[key]}@{digests[key]}#{seen[key.to_string()]['moves']}" for key in moved]
        return dg.SensorResult(
            asset_events=[_moved(key, references[key], digest) for key, digest in digests.items()],
            run_requests=[dg.RunRequest(run_key=" ".join(runs))] if job is not None else None,
            cursor=json.dumps(seen, sort_keys=True),
        )

    return watch


def _moved(key: dg.AssetKey, reference: str, digest: str) -> dg.AssetMaterialization:
    # Only a materialization sets the version of an asset that Dagster does not make; an observation is passed over.
    version = {"dagster/data_version": digest, "dagster/data_version_is_user_provided": "true"}
    return dg.AssetMaterialization(asset_key=key, metadata=identity(reference, digest), tags=version)


def _reference(spec: dg.AssetSpec) -> str:
    reference = str(spec.metadata.get(REFERENCE_KEY, ""))
    if not reference:
        raise InvalidInputError(
            f"asset '{spec.key.to_user_string()}' names no kit", hint="make it with external_modelkit(key, reference)"
        )
    return reference
