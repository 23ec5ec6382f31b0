"""A kit's config blob: the Kitfile as JSON, each packed entry with its layer's digest and diffId."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from kitops_core.errors import IntegrityError
from kitops_core.kitfile import go_json
from kitops_core.kitfile.fields import own_fields, packed_fields


def encode(kitfile: BaseModel, layers: Mapping[int, tuple[str, str]]) -> bytes:
    """The config's bytes; ``layers`` maps the ``id()`` of an entry to its layer's digest and diffId."""
    return go_json.dumps(_encode_section(kitfile, layers), sort_keys=False).encode()


def _encode_section(section: BaseModel, layers: Mapping[int, tuple[str, str]]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for field in own_fields(type(section)):
        value = getattr(section, field.attribute)
        if field.kind == "any":
            if value is not None:
                out[field.key] = go_json.Sorted(value)
        elif field.kind == "section":
            if value is not None:
                out[field.key] = _encode_section(value, layers)
        elif field.kind == "sections":
            if value:
                out[field.key] = [_encode_section(item, layers) for item in value]
        elif value or field.always:
            out[field.key] = value
    for key, digest in zip(("digest", "diffId"), layers.get(id(section), ()), strict=False):
        if digest:
            out[key] = digest
    return out


def decode(data: bytes, model: type[BaseModel], where: str) -> dict[str, Any]:
    """Read a config's JSON into the values of ``model``, without fields it does not know.

    Raises:
        IntegrityError: It is not JSON, or not an object. Wrong kinds of values are left for ``model`` to refuse.
    """
    try:
        values = json.loads(data, parse_int=_integer, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise IntegrityError(f"{where} is not a Kitfile: {error}") from None
    if not isinstance(values, dict):
        raise IntegrityError(f"{where} is not a Kitfile: a JSON object is expected")
    return _known(values, model)


def _known(values: Mapping[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for field in packed_fields(model):
        value = values.get(field.key)
        if value is None:
            continue
        if field.section is not None and field.kind == "section" and isinstance(value, dict):
            value = _known(value, field.section)
        elif field.section is not None and field.kind == "sections" and isinstance(value, list):
            value = [_known(item, field.section) if isinstance(item, dict) else item for item in value]
        out[field.attribute] = value
    return out


def _integer(digits: str) -> int | float:
    return -0.0 if digits == "-0" else int(digits)


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
