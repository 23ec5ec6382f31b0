"""XGBoost's boosters in XGBoost's own binary format, UBJSON."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kitops_core import InvalidInputError


def takes(value: Any) -> bool:
    """Whether it is an ``xgboost.Booster``."""
    xgboost = sys.modules.get("xgboost")
    return xgboost is not None and isinstance(value, xgboost.Booster)


def save(value: Any, file: Path) -> None:
    """Write the booster with its attributes, such as the best iteration.

    Raises:
        InvalidInputError: It is no ``xgboost.Booster``.
    """
    if not takes(value):
        raise InvalidInputError("xgboost takes an xgboost.Booster", hint="of an estimator give its get_booster()")
    value.save_model(file)


def load(file: Path, trusted: Sequence[str]) -> Any:
    """The booster; what its suffix says decides whether it is UBJSON or JSON.

    Raises:
        InvalidInputError: xgboost is not installed.
    """
    try:
        import xgboost
    except ImportError:
        raise InvalidInputError(
            "it is an XGBoost booster, and xgboost is not installed", hint="install xgboost, or xgboost-cpu"
        ) from None
    booster = xgboost.Booster()
    booster.load_model(file)
    return booster
