"""Fields of a Kitfile by their dotted names: ``model``, ``package.license``, ``model.parameters.max_depth``."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel

from kitops_core.kitfile import Kitfile
from kitops_core.kitfile.fields import own_fields


def field_problem(dotted: str) -> str:
    """Why no Kitfile can have such a field, or an empty string."""
    section: type[BaseModel] | None = Kitfile
    at = "a Kitfile"
    for step in dotted.split("."):
        if section is None:
            return f"'{dotted}': {at} has no parts"
        fields = {field.key: field for field in own_fields(section)}
        if step not in fields:
            close = get_close_matches(step, fields, 1)
            guess = f"did you mean '{close[0]}'?" if close else f"there are {', '.join(fields)}"
            return f"'{dotted}': {at} has no field '{step}'; {guess}"
        if fields[step].kind == "any":
            return ""
        section, at = fields[step].section, step
    return ""


def has_field(kitfile: Kitfile, dotted: str) -> bool:
    """Whether the Kitfile says something there; in a list of entries, whether every one of them does."""
    return _has(kitfile, dotted.split("."))


def _has(value: Any, steps: list[str]) -> bool:
    if isinstance(value, list) and steps:
        return bool(value) and all(_has(item, steps) for item in value)
    if not steps:
        return isinstance(value, (bool, int, float)) or (bool(_said(value)))
    if isinstance(value, BaseModel):
        fields = {field.key: field.attribute for field in own_fields(type(value))}
        return steps[0] in fields and _has(getattr(value, fields[steps[0]]), steps[1:])
    return isinstance(value, dict) and steps[0] in value and _has(value[steps[0]], steps[1:])


def _said(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(exclude_defaults=True)
    return value
