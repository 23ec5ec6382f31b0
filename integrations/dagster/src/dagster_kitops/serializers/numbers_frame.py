"""A pandas frame of plain numbers, read from parquet a few rows at a time, so that it is in memory once."""

from __future__ import annotations

from typing import IO, Any

_ROWS = 64 * 1024
_BUFFER_BYTES = 1024 * 1024
_NAMES = {"double": "float64", "float": "float32"}  # Arrow's, and numpy's
_NUMBERS = {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)} | {"float32", "float64"}


def read_numbers(file: IO[bytes]) -> Any | None:
    """The frame, ``None`` where it has anything but plain numbers and a plain range for its index.

    Arrow's own way there has all of the frame as Arrow's columns, too.
    """
    import numpy
    import pandas  # type: ignore[import-untyped,unused-ignore]
    from pyarrow import parquet  # type: ignore[import-untyped,unused-ignore]

    source = parquet.ParquetFile(file, buffer_size=_BUFFER_BYTES, pre_buffer=False)
    said = source.schema_arrow.pandas_metadata or {}
    index = said.get("index_columns", [])
    if len(index) != 1 or not isinstance(index[0], dict) or index[0].get("kind") != "range" or said.get("attributes"):
        return None
    kinds = [_NAMES.get(str(field.type), str(field.type)) for field in source.schema_arrow]
    if len(said["columns"]) != len(kinds) or not kinds or not _NUMBERS.issuperset(kinds):
        return None
    if any(column["numpy_type"] != kind for column, kind in zip(said["columns"], kinds, strict=True)):
        return None
    rows = source.metadata.num_rows
    if len(set(kinds)) == 1:
        block = numpy.empty((len(kinds), rows), kinds[0])
        columns = [*block]
    else:
        block, columns = None, [numpy.empty(rows, kind) for kind in kinds]
    done = 0
    for batch in source.iter_batches(batch_size=_ROWS, use_threads=False):
        for column, values in zip(columns, batch.columns, strict=True):
            if values.null_count and values.type not in _floats():
                return None
            column[done : done + batch.num_rows] = values.to_numpy(zero_copy_only=False)
        done += batch.num_rows
    labels = source.schema_arrow.empty_table().to_pandas().columns
    data = dict(enumerate(columns)) if block is None else block.T
    frame = pandas.DataFrame(data, copy=False)
    frame.columns = labels
    frame.index = pandas.RangeIndex(index[0]["start"], index[0]["stop"], index[0]["step"], name=index[0]["name"])
    return frame


def _floats() -> tuple[Any, ...]:
    import pyarrow  # type: ignore[import-untyped,unused-ignore]

    return pyarrow.float32(), pyarrow.float64()
