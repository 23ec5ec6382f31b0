"""Fields of a Kitfile by their dotted names: ``model``, ``package.license``, ``model.parameters.max_depth``."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from kitops_core.kitfile import Kitfile
from kitops_core.kitfile.fields import KITFILE, Fields


def field_problem(dotted: str) -> str:
    """Why no Kitfile can have such a field, or an empty string."""
    section: Fields | None = KITFILE
    at = "a Kitfile"
    for step in dotted.split("."):
        if section is None:
            return f"'{dotted}': {at} has no parts"
        fields = {field.key: field for field in section.own}
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
    return _has(kitfile.data().said(), dotted.split("."))


def _has(value: Any, steps: list[str]) -> bool:
    if isinstance(value, list) and steps:
        return bool(value) and all(_has(item, steps) for item in value)
    if not steps:
        return isinstance(value, (bool, int, float)) or bool(value)
    return isinstance(value, dict) and steps[0] in value and _has(value[steps[0]], steps[1:])
