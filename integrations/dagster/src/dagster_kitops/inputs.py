"""What an input's annotation asks for, and how a kit becomes that."""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import dagster as dg

from dagster_kitops.kit_ref import ModelKitRef
from dagster_kitops.modelkit import ModelKit
from kitops_core import InvalidInputError, parse_reference, select_entries

_HANDLES = (Any, object, ModelKit)


@dataclass(frozen=True)
class Wanted:
    """What an input is to be.

    Attributes:
        kind: The annotation of one kit, without ``Optional``.
        by_partition: Whether there is a ``dict`` of them by partition.
        optional: Whether a kit that does not exist is ``None``.
    """

    kind: Any
    by_partition: bool = False
    optional: bool = False


def wanted_of(context: dg.InputContext, several: bool) -> Wanted:
    """What an input is to be, by its annotation.

    Args:
        context: The input's context.
        several: Whether it is several partitions of the upstream asset. A ``dict`` is one of partitions only then:
            otherwise it is what the asset returned. Kits by partition may be one.

    Raises:
        DagsterInvalidDefinitionError: It is a dict of kits, and the upstream asset has no partitions.
    """
    try:
        kind, optional = _not_none(context.dagster_type.typing_type)
    except dg.DagsterInvariantViolationError:
        return Wanted(Any)
    if not context.has_asset_key and get_origin(kind) is list and _collected(context):
        return Wanted((get_args(kind) or (Any,))[0])
    if kind is not dict and get_origin(kind) is not dict:
        return Wanted(kind, optional=optional)
    value = (get_args(kind)[1:] or (Any,))[0]
    of_partition, missing = _not_none(value)
    if several or (context.has_asset_key and context.has_asset_partitions and of_partition in (ModelKit, ModelKitRef)):
        return Wanted(of_partition, by_partition=True, optional=missing)
    if value in (ModelKit, ModelKitRef):
        raise dg.DagsterInvalidDefinitionError(
            f"{input_name(context)} is annotated as a dict of kits, and its asset has no partitions: "
            f"annotate it as {value.__name__}"
        )
    return Wanted(kind, optional=optional)


def check_dimensions(context: dg.InputContext) -> None:
    """See that "all partitions" of an upstream asset with several dimensions are all of them.

    Raises:
        InvalidInputError: A dynamic dimension has a key with ``|``, which parts the keys of the dimensions: Dagster
            leaves its partitions out and says nothing.
    """
    partitions = context.asset_partitions_def
    if not isinstance(partitions, dg.MultiPartitionsDefinition):
        return
    for dimension in partitions.partitions_defs:
        dynamic = dimension.partitions_def
        if not isinstance(dynamic, dg.DynamicPartitionsDefinition) or dynamic.name is None:
            continue
        left_out = [key for key in context.instance.get_dynamic_partitions(dynamic.name) if "|" in key]
        if left_out:
            raise InvalidInputError(
                f"{input_name(context)} is all partitions, and Dagster leaves out those of '{left_out[0]}': in "
                f"dimension '{dimension.name}', one of several, a key cannot hold '|'",
                hint=f"delete it from the dynamic partitions '{dynamic.name}' and add it by another name, or leave "
                "it out with 'kitops/allow_missing' in the input's metadata",
            )


def kit_as(
    wanted: Wanted,
    kit: ModelKit,
    unpack: Callable[[ModelKit, Sequence[str]], Path],
    *,
    only: Sequence[str],
    trusted: Sequence[str],
    allow_pickle: bool,
) -> Any:
    """A kit as what is wanted.

    Args:
        wanted: What an input is to be.
        kit: The kit.
        unpack: Gives the directory where a kit, or the parts of it that filters name, is unpacked.
        only: Filters; only those parts are read.
        trusted: Names of types that a serialized object may be made of.
        allow_pickle: Whether a pickle may be loaded.

    Raises:
        KitOpsError: The kit cannot be read, or is no such object.
    """
    kind = wanted.kind
    if kind in _HANDLES:
        return kit
    if kind is ModelKitRef:
        named = parse_reference(kit.reference)
        return ModelKitRef(f"{named.with_tag(kit.tag)}@{kit.digest}" if kit.tag else str(named))
    if kind is Path:
        return unpack(kit, only)
    if kind is bytes:
        return kit.load_bytes(only=only)
    if get_origin(kind) is dict and get_args(kind) == (str, Path):
        return _files(kit, unpack(kit, only), only)
    return kit.load(only=only, trusted=trusted, allow_pickle=allow_pickle)


def input_name(context: dg.InputContext) -> str:
    """What to call an input in errors."""
    name = f"input '{context.name}'" if context.has_input_name else "the input"
    return f"{name} ({context.asset_key.to_user_string()})" if context.has_asset_key else name


def _files(kit: ModelKit, directory: Path, only: Sequence[str]) -> dict[str, Path]:
    """The kit's entries by name, or by path where they have none."""
    files: dict[str, Path] = {}
    for entry in select_entries(kit.kitfile, only):
        name = entry.name if entry.name and entry.section in ("dataset", "prompt") else entry.path
        if files.setdefault(name, directory / entry.path) != directory / entry.path:
            raise InvalidInputError(f"{kit.reference} has two entries '{name}'", hint="take it as Path or ModelKit")
    return files


def _collected(context: dg.InputContext) -> bool:
    """Whether an op's input comes from several outputs, which Dagster loads one by one: it asks for each of them."""
    try:
        step = context.step_context.step
        return hasattr(step.step_input_named(context.name).source, "sources")
    except dg.DagsterInvariantViolationError:  # no step runs
        return True


def _not_none(annotation: Any) -> tuple[Any, bool]:
    """The annotation without ``None``, and whether ``None`` was among it."""
    if get_origin(annotation) not in (Union, types.UnionType):
        return annotation, False
    rest = [one for one in get_args(annotation) if one is not types.NoneType]
    return (rest[0], True) if len(rest) == 1 else (annotation, False)
