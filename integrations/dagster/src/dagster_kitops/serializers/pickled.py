"""Any object as a pickle, only where that was asked for: whoever loads it runs its code."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kitops_core import InvalidInputError


def save(value: Any, file: Path) -> None:
    """Write the pickle.

    Raises:
        InvalidInputError: The object cannot be pickled.
    """
    try:
        with file.open("wb") as out:
            pickle.dump(value, out, protocol=5)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise InvalidInputError(f"this {type(value).__qualname__} cannot be pickled: {error}") from error


def load(file: Path, trusted: Sequence[str]) -> Any:
    """The object. The caller asked for it, knowing that this runs code."""
    with file.open("rb") as held:
        return pickle.load(held)  # noqa: S301  asked for by the caller
