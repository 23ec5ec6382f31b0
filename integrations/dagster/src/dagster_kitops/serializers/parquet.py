"""Data frames as parquet, and what is one column of one: pandas' and polars' frames and series."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dagster_kitops.serializers.numbers_frame import read_numbers
from kitops_core import InvalidInputError

_INSTALL = "install dagster-kitops[parquet]"
_KEY = "kitops.object"
"""The key of the file's own metadata that says what was written, where that is no pandas data frame."""


def takes(value: Any) -> bool:
    """Whether it is a pandas or polars data frame or series."""
    return bool(_kind(value))


def save(value: Any, file: Path) -> None:
    """Write the parquet file.

    Raises:
        InvalidInputError: It is no frame or series, what writes it is not installed or too old, or has no place for a
            column's type or a series' name.
    """
    kind = _kind(value)
    if not kind:
        raise InvalidInputError("parquet takes data frames and series", hint="name another serializer")
    try:
        with file.open("wb") as out:
            if kind == "pandas.DataFrame":
                value.to_parquet(out, engine="pyarrow")
            elif kind == "pandas.Series":
                _write_series(value, out)
            else:
                frame = value.to_frame() if kind == "polars.Series" else value
                frame.write_parquet(out, metadata={_KEY: json.dumps({"type": kind})})
    except ImportError:
        raise InvalidInputError("pyarrow, which writes data frames, is not installed", hint=_INSTALL) from None
    except (ValueError, TypeError) as error:
        raise InvalidInputError(f"this {kind} cannot be parquet: {error}", hint="convert its columns") from error


def load(file: Path, trusted: Sequence[str]) -> Any:
    """The data frame or series; a pandas data frame where the file says nothing else.

    A frame of pandas that has more than numbers and texts is made of one of Arrow, and both are in memory for a moment:
    Arrow's pool gives nothing back before, whatever it is told.

    Raises:
        InvalidInputError: What reads it is not installed.
    """
    try:
        import pandas  # type: ignore[import-untyped,unused-ignore]
        from pyarrow import parquet  # type: ignore[import-untyped,unused-ignore]
    except ImportError:
        raise InvalidInputError("it is parquet, and pandas or pyarrow is not installed", hint=_INSTALL) from None
    with file.open("rb") as held:  # a path might have its directories taken for columns
        said = (parquet.read_metadata(held).metadata or {}).get(_KEY.encode(), b"{}")
        written = json.loads(said)
        kind = written.get("type", "")
        if kind.startswith("polars."):
            return _polars(file, kind)
        held.seek(0)
        frame = read_numbers(held)
        if frame is None:
            held.seek(0)
            frame = pandas.read_parquet(held, engine="pyarrow")
    return frame.iloc[:, 0].rename(written["name"]) if kind == "pandas.Series" else frame


def _kind(value: Any) -> str:
    """Which of the four it is; empty for anything else. What was never imported is not imported to look."""
    for library in ("pandas", "polars"):
        module = sys.modules.get(library)
        for name in ("DataFrame", "Series"):
            if module is not None and isinstance(value, getattr(module, name)):
                return f"{library}.{name}"
    return ""


def _write_series(series: Any, out: Any) -> None:
    """One column, that others find under the series' name; a name that is no text is in the file's metadata only."""
    from pyarrow import Table, parquet

    if series.name is not None and type(series.name) not in (str, int):
        raise InvalidInputError(
            f"parquet has no place for a series' name of type {type(series.name).__qualname__}",
            hint="name it by a text: series.rename('age')",
        )
    table = Table.from_pandas(series.to_frame("values" if series.name is None else str(series.name)))
    note = json.dumps({"type": "pandas.Series", "name": series.name})
    table = table.replace_schema_metadata({**table.schema.metadata, _KEY.encode(): note.encode()})
    parquet.write_table(table, out)


def _polars(file: Path, kind: str) -> Any:
    try:
        import polars  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise InvalidInputError(f"it is a {kind}, and polars is not installed", hint="install polars") from None
    frame = polars.read_parquet(file, glob=False)
    return frame.to_series() if kind == "polars.Series" else frame
