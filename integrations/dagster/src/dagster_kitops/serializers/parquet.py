"""Data frames as parquet."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from typing import Any

from kitops_core import InvalidInputError

_INSTALL = "install dagster-kitops[parquet]"


def takes(value: Any) -> bool:
    """Whether it is a pandas data frame."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.DataFrame)


def save(value: Any) -> bytes:
    """The parquet file.

    Raises:
        InvalidInputError: pyarrow is not installed, or has no place for a column's type.
    """
    buffer = io.BytesIO()
    try:
        value.to_parquet(buffer, engine="pyarrow")
    except ImportError:
        raise InvalidInputError("pyarrow, which writes data frames, is not installed", hint=_INSTALL) from None
    except (ValueError, TypeError) as error:
        raise InvalidInputError(f"this data frame cannot be parquet: {error}", hint="convert its columns") from error
    return buffer.getvalue()


def load(data: bytes, trusted: Sequence[str]) -> Any:
    """The data frame.

    Raises:
        InvalidInputError: pandas or pyarrow is not installed.
    """
    try:
        import pandas  # type: ignore[import-untyped,unused-ignore]

        return pandas.read_parquet(io.BytesIO(data), engine="pyarrow")
    except ImportError:
        raise InvalidInputError("it is parquet, and pandas or pyarrow is not installed", hint=_INSTALL) from None
