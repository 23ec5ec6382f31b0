"""A kit's config blob: the Kitfile as JSON, each packed entry with its layer's digest and diffId."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kitops_core.errors import IntegrityError
from kitops_core.kitfile import go_json
from kitops_core.kitfile.fields import KITFILE, Fields, FieldSpec
from kitops_core.kitfile.plain_values import plain

# By id(), not by path or by value: entries that say the same still have layers of their own.
Layers = Mapping[int, tuple[str, str]]
"""The ``id()`` of an entry's values to its layer's digest and diffId."""


def encode(values: Mapping[str, Any], layers: Layers) -> bytes:
    """The config's bytes, from a Kitfile's values by attribute."""
    return go_json.dumps(by_key(values, KITFILE, layers)).encode()


def by_key(values: Mapping[str, Any], fields: Fields, layers: Layers) -> dict[str, Any]:
    """A section's values under their names in files, without what is empty and need not be written."""
    out: dict[str, Any] = {}
    for field in fields.own:
        value = values.get(field.attribute)
        if field.section is not None and field.kind == "section":
            if value is not None or field.always:
                out[field.key] = by_key(value or {}, field.section, layers)
        elif field.section is not None:
            if value:
                out[field.key] = [by_key(item, field.section, layers) for item in value]
        elif field.kind == "any":
            if value is not None:
                out[field.key] = go_json.sort_maps(value)
        elif value or field.always:
            out[field.key] = value or ""
    for field, digest in zip(fields.layer, layers.get(id(values), ()), strict=False):
        if digest:
            out[field.key] = digest
    return out


def decode(data: bytes, where: str) -> dict[str, Any]:
    """A Kitfile's values by attribute from a config's JSON, without fields that are not known here.

    Raises:
        IntegrityError: It is not JSON, not an object, or a field has another kind of value.
    """
    try:
        values = json.loads(data, parse_int=_integer, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise IntegrityError(f"{where} is not a Kitfile: {error}") from None
    if not isinstance(values, dict):
        raise IntegrityError(f"{where} is not a Kitfile: a JSON object is expected")
    try:
        return _known(values, KITFILE, "")
    except ValueError as error:
        raise IntegrityError(f"{where} is not a Kitfile: {error}") from None


def _known(values: Any, fields: Fields, place: str) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise ValueError(f"{place} must be an object")
    return {
        field.attribute: _value(values[field.key], field, f"{place}.{field.key}" if place else field.key)
        for field in (*fields.own, *fields.layer)
        if values.get(field.key) is not None
    }


def _value(value: Any, field: FieldSpec, place: str) -> Any:
    if field.kind == "text":
        return _text(value, place)
    if field.kind == "any":
        return plain(value, place=place)
    if field.section is not None and field.kind == "section":
        return _known(value, field.section, place)
    if not isinstance(value, list):
        raise ValueError(f"{place} must be a list")
    if field.section is None:
        return [_text(item, f"{place}[{index}]") for index, item in enumerate(value)]
    return [_known(item, field.section, f"{place}[{index}]") for index, item in enumerate(value)]


def _text(value: Any, place: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{place} must be text")
    return value


def _integer(digits: str) -> int | float:
    return -0.0 if digits == "-0" else int(digits)  # Go reads it as a float, and writes it back as -0


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
