"""What an asset or an input says for itself by metadata, over what its IO manager says.

An asset's definition comes first, then what a run adds to its output: ``dg.Output(model, metadata={...})``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kitops_core import InvalidInputError, check_tag, is_digest

REPOSITORY = "kitops/repository"
METRIC = "kitops/metric/"

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
        metrics: ``kitops/metric/<name>``: what was measured, for the kit and for Dagster's charts.
    """

    repository: str
    tags: tuple[str, ...]
    serializer: str
    parents: tuple[str, ...]
    metrics: Mapping[str, float]


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
    """
    found = _merged(layers, _OUTPUT_KEYS)
    metrics = {key.removeprefix(METRIC): value for key, value in found.items() if key.startswith(METRIC)}
    return OutputOptions(
        repository=_text(found, "kitops/repository"),
        tags=tuple(check_tag(tag) for tag in _texts(found, "kitops/tags")),
        serializer=_text(found, "kitops/serializer"),
        parents=_texts(found, "kitops/parents"),
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


def _merged(layers: Sequence[Mapping[str, Any]], known: Sequence[str]) -> dict[str, Any]:
    found = {
        key: getattr(value, "value", value)
        for layer in layers
        for key, value in layer.items()
        if key.startswith("kitops/")
    }
    unknown = [key for key in found if key not in known and not key.startswith(METRIC)]
    if unknown:
        raise InvalidInputError(
            f"metadata '{unknown[0]}' means nothing here", hint="the keys that do are " + ", ".join(known)
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
