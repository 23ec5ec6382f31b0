"""Plain data as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kitops_core import InvalidInputError


def takes(value: Any) -> bool:
    """Whether it is a mapping or a list that JSON gives back as it was: texts for keys, no tuples, finite numbers."""
    return isinstance(value, (dict, list)) and _is_json(value)


def save(value: Any, file: Path) -> None:
    """Write the JSON file, with keys in a fixed order."""
    with file.open("w", encoding="utf-8", newline="\n") as out:
        json.dump(value, out, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
        out.write("\n")


def load(file: Path, trusted: Sequence[str]) -> Any:
    """The data.

    Raises:
        InvalidInputError: It is not JSON.
    """
    try:
        return json.loads(file.read_bytes())
    except ValueError as error:
        raise InvalidInputError(f"it is not JSON: {error}") from error


def _is_json(value: Any) -> bool:
    if type(value) is dict:
        return all(type(key) is str and _is_json(item) for key, item in value.items())
    if type(value) is list:
        return all(_is_json(item) for item in value)
    if type(value) is float:
        return value == value and abs(value) != float("inf")
    return value is None or type(value) in (str, bool, int)
