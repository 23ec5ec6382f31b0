"""What an asset or an input says for itself by metadata, over what its IO manager says.

An asset's definition comes first, then what a run adds to its output: ``dg.Output(model, metadata={...})``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeVar

import dagster as dg

from dagster_kitops.contents import number
from dagster_kitops.identity import METRIC, REFERENCE_KEY
from dagster_kitops.serializers import check_serializer
from kitops_core import InvalidInputError, KitOpsError, check_tag, is_digest, parse_reference

REPOSITORY = "kitops/repository"
Assets = TypeVar("Assets", bound=dg.AssetsDefinition | dg.AssetSpec)
_ANY_HOST = "registry.example.com"

_OF_DEFINITIONS = ("kitops/channel", REFERENCE_KEY)
_OUTPUT_KEYS = ("kitops/repository", "kitops/tags", "kitops/serializer", "kitops/parents")
_INPUT_KEYS = ("kitops/digest", "kitops/tag", "kitops/only", "kitops/trusted", "kitops/allow_missing")


@dataclass(frozen=True)
class OutputOptions:
    """How one output is packed.

    Attributes:
        repository: ``kitops/repository``: the repository below the registry; empty means the IO manager's.
        tags: ``kitops/tags``: its tags, or with partitions further tags; empty means the IO manager's.
        serializer: ``kitops/serializer``: the serializer's name; empty means the IO manager's.
        parents: ``kitops/parents``: references of kits it was made from, besides those that are its inputs.
        metrics: ``kitops/metric/<name>``: what was measured, for the kit and for Dagster's charts; numbers, and
            the names of those that are not finite.
    """

    repository: str
    tags: tuple[str, ...]
    serializer: str
    parents: tuple[str, ...]
    metrics: Mapping[str, Any]


@dataclass(frozen=True)
class InputOptions:
    """How one input is loaded.

    Attributes:
        digest: ``kitops/digest``: this very kit, whatever Dagster recorded.
        tag: ``kitops/tag``: what this tag means now, whatever Dagster recorded.
        only: ``kitops/only``: filters such as ``model`` or ``datasets:sample``; only those parts are read.
        trusted: ``kitops/trusted``: names of types that a serialized object may be made of.
        allow_missing: ``kitops/allow_missing``: partitions that have no kit are left out.
    """

    digest: str
    tag: str
    only: tuple[str, ...]
    trusted: tuple[str, ...]
    allow_missing: bool


def output_options(*layers: Mapping[str, Any]) -> OutputOptions:
    """Read the options of an output; a later layer of metadata replaces an earlier one.

    Raises:
        InvalidInputError: A value is of the wrong kind, or a key of ours is misspelt.
        InvalidReferenceError: A repository, tag or parent is no legal name.
    """
    found = _merged(layers, _OUTPUT_KEYS)
    metrics = {key.removeprefix(METRIC): number(value, key) for key, value in found.items() if key.startswith(METRIC)}
    repository, parents = _text(found, REPOSITORY), _texts(found, "kitops/parents")
    if repository and parse_reference(f"{_ANY_HOST}/{repository}").repository != repository:
        raise InvalidInputError(f"metadata '{REPOSITORY}' is '{repository}', which is more than a repository")
    for parent in parents:
        parse_reference(parent)
    return OutputOptions(
        repository=repository,
        tags=tuple(check_tag(tag) for tag in _texts(found, "kitops/tags")),
        serializer=check_serializer(_text(found, "kitops/serializer")),
        parents=parents,
        metrics=metrics,
    )


def input_options(metadata: Mapping[str, Any]) -> InputOptions:
    """Read the options of an input.

    Raises:
        InvalidInputError: A value is of the wrong kind, or a key of ours is misspelt.
    """
    found = _merged([metadata], _INPUT_KEYS)
    digest, tag = _text(found, "kitops/digest"), _text(found, "kitops/tag")
    if digest and not is_digest(digest):
        raise InvalidInputError(f"metadata 'kitops/digest' is '{digest}', not a digest", hint="write sha256:<64 hex>")
    if digest and tag:
        raise InvalidInputError("an input is pinned by 'kitops/digest' and by 'kitops/tag'", hint="give one of them")
    return InputOptions(
        digest=digest,
        tag=check_tag(tag) if tag else "",
        only=_texts(found, "kitops/only"),
        trusted=_texts(found, "kitops/trusted"),
        allow_missing=bool(found.get("kitops/allow_missing", False)),
    )


def check_definitions(defs: dg.Definitions) -> dg.Definitions:
    """The same definitions, all of whose ``kitops/`` metadata can be used: of assets, and of their inputs.

    Around the definitions of a code location it tells of a misspelt key or a bad tag when they are loaded, and by
    ``dg check defs``, rather than after the training. The components, and the functions that make an asset, a check or
    a job for an asset, do so for that one by themselves.

    Raises:
        InvalidInputError: An asset or an input says something that means nothing; the error names it.
    """
    problems = [problem for each in defs.assets or () for problem in _problems_of(each)]
    if problems:
        raise InvalidInputError("; ".join(problems))
    return defs


def check_asset(asset: Assets) -> Assets:
    """The same asset, all of whose ``kitops/`` metadata can be used.

    Raises:
        InvalidInputError: It, or one of its inputs, says something that means nothing.
    """
    if problems := _problems_of(asset):
        raise InvalidInputError("; ".join(problems))
    return asset


def _problems_of(asset: object) -> list[str]:
    if not isinstance(asset, (dg.AssetsDefinition, dg.AssetSpec)):
        return []
    problems = []
    for spec in asset.specs if isinstance(asset, dg.AssetsDefinition) else [asset]:
        said = {key: value for key, value in spec.metadata.items() if key not in _OF_DEFINITIONS}
        problems += _problems(f"asset '{spec.key.to_user_string()}'", output_options, said)
    if isinstance(asset, dg.AssetsDefinition) and asset.is_executable:
        for name, key in asset.keys_by_input_name.items():
            where = f"input '{name}' ({key.to_user_string()}) of '{asset.node_def.name}'"
            problems += _problems(where, input_options, asset.node_def.input_dict[name].metadata)
    return problems


def _problems(where: str, read: Callable[[Mapping[str, Any]], object], said: Mapping[str, Any]) -> list[str]:
    try:
        read(said)
    except KitOpsError as error:
        return [f"{where}: {error.message}" + (f" ({error.hint})" if error.hint else "")]
    return []


def _merged(layers: Sequence[Mapping[str, Any]], known: Sequence[str]) -> dict[str, Any]:
    found = {
        key: getattr(value, "value", value)
        for layer in layers
        for key, value in layer.items()
        if key.startswith("kitops/")
    }
    unknown = [key for key in found if key not in known and not key.startswith(METRIC)]
    if unknown:
        near = get_close_matches(unknown[0], known, 1)
        raise InvalidInputError(
            f"metadata '{unknown[0]}' means nothing here",
            hint=f"did you mean '{near[0]}'?" if near else "the keys that do are " + ", ".join(known),
        )
    return found


def _text(found: Mapping[str, Any], key: str) -> str:
    value = found.get(key, "")
    if not isinstance(value, str):
        raise InvalidInputError(f"metadata '{key}' is a {type(value).__name__}, not a text")
    return value


def _texts(found: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = found.get(key, ())
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise InvalidInputError(f"metadata '{key}' is neither a text nor a list of texts")
