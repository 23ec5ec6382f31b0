"""LightGBM's boosters in LightGBM's own text format."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kitops_core import InvalidInputError

SUFFIX = ".lightgbm.txt"
"""Longer than LightGBM's usual one, so that no text among the data sets is taken for a booster."""


def takes(value: Any) -> bool:
    """Whether it is a ``lightgbm.Booster``."""
    lightgbm = sys.modules.get("lightgbm")
    return lightgbm is not None and isinstance(value, lightgbm.Booster)


def save(value: Any, file: Path) -> None:
    """Write the booster: of one that stopped early the trees up to the best, which it predicts with.

    Raises:
        InvalidInputError: It is no ``lightgbm.Booster``.
    """
    if not takes(value):
        raise InvalidInputError("lightgbm takes a lightgbm.Booster", hint="of an estimator give its booster_")
    value.save_model(file)


def load(file: Path, trusted: Sequence[str]) -> Any:
    """The booster.

    Raises:
        InvalidInputError: lightgbm is not installed, or the file does not end where a booster's does.
    """
    try:
        import lightgbm
    except ImportError:
        raise InvalidInputError(
            "it is a LightGBM booster, and lightgbm is not installed", hint="install lightgbm"
        ) from None
    with file.open("rb") as held:  # LightGBM takes what is cut short for a booster with fewer trees
        if not any(line.strip() == b"end of trees" for line in held):
            raise InvalidInputError("it is no LightGBM booster, or one that is cut short")
    return lightgbm.Booster(model_file=file)
