"""Arrays, frames and series come out of a kit as they went in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from polars.testing import assert_frame_equal, assert_series_equal

from dagster_kitops.serializers import load_object, save_object, serializer_of
from dagster_kitops.serializers.numbers_frame import read_numbers
from kitops_core.errors import InvalidInputError


def through(value: Any, directory: Path, format_: str) -> Any:
    """What is loaded of what was written, by the format that the Kitfile says."""
    saved = save_object(value, directory)
    assert saved.serializer.name == format_
    said = format_ if saved.serializer.section == "model" else ""
    serializer = serializer_of(said, saved.path.name, where="a kit")
    return load_object(serializer, saved.path, path=saved.path.name, where="a kit")


@pytest.mark.parametrize(
    "array",
    [
        np.eye(3),
        np.array(2.5),
        np.arange(6).reshape(2, 3).T,
        np.zeros((0, 3), np.int8),
        np.array([True]),
        np.arange(3, dtype=">f8"),
    ],
    ids=["square", "no dimension", "transposed", "empty", "booleans", "big end first"],
)
def test_an_array_is_one_with_a_name_and_without(array: Any, tmp_path: Path) -> None:
    alone = through(array, tmp_path, "safetensors")
    named = through({"array": array}, tmp_path, "safetensors")
    assert type(alone) is np.ndarray
    assert list(named) == ["array"]
    for loaded in (alone, named["array"]):
        np.testing.assert_array_equal(loaded, array)
        assert (loaded.shape, loaded.dtype) == (array.shape, array.dtype.newbyteorder("="))


@pytest.mark.parametrize(
    "series",
    [
        pd.Series([1.0, 2.0], name="rate"),
        pd.Series([1, 2]),
        pd.Series(["x", None], name=3, index=["p", "q"]),
        pd.Series([1, 2], name="age", index=pd.Index([5, 6], name="age")),
        pd.Series(pd.Categorical(["a", "b", "a"])),
        pd.Series([], dtype="float32", name=""),
        pd.Series([1, 2], index=pd.MultiIndex.from_tuples([(1, "a"), (2, "b")], names=["i", None])),
    ],
    ids=["named", "no name", "a number as name", "index of its name", "categories", "empty", "two levels"],
)
def test_a_series_of_pandas(series: pd.Series, tmp_path: Path) -> None:
    loaded = through(series, tmp_path, "parquet")
    pd.testing.assert_series_equal(loaded, series)
    assert type(loaded.name) is type(series.name)


def test_others_read_a_series_as_a_table_with_its_name(tmp_path: Path) -> None:
    path = save_object(pd.Series([1.0, 2.0], name="rate"), tmp_path).path
    assert pl.read_parquet(path).to_dict(as_series=False) == {"rate": [1.0, 2.0]}


@pytest.mark.parametrize("name", [(1, 2), 1.5])
def test_a_series_with_a_name_that_a_file_has_no_place_for(name: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no place for a series' name of type") as caught:
        save_object(pd.Series([1], name=name), tmp_path)
    assert "rename" in caught.value.hint


@pytest.mark.parametrize(
    "frame",
    [
        pl.DataFrame({"age": [31, 42], "region": ["eu", None], "tags": [["a"], []]}),
        pl.DataFrame({"kind": pl.Series(["a", "b"], dtype=pl.Enum(["a", "b"])), "at": [{"x": 1}, {"x": 2}]}),
        pl.DataFrame(),
    ],
    ids=["columns", "kinds and structures", "empty"],
)
def test_a_frame_of_polars(frame: pl.DataFrame, tmp_path: Path) -> None:
    assert_frame_equal(through(frame, tmp_path, "parquet"), frame)


@pytest.mark.parametrize("series", [pl.Series("age", [31, 42]), pl.Series([1.5])], ids=["named", "no name"])
def test_a_series_of_polars(series: pl.Series, tmp_path: Path) -> None:
    assert_series_equal(through(series, tmp_path, "parquet"), series)


def test_a_file_that_something_else_wrote_is_a_frame_of_pandas(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    pl.DataFrame({"age": [31, 42]}).write_parquet(path)
    loaded = load_object(serializer_of("", path.name, where="a kit"), path, path=path.name, where="a kit")
    pd.testing.assert_frame_equal(loaded, pd.DataFrame({"age": [31, 42]}))


NUMBERS = {
    "floats": pd.DataFrame(np.random.default_rng(0).random((70_000, 3)), columns=[*"abc"]),
    "not a number": pd.DataFrame({"a": [1.0, np.nan, 3.0]}),
    "of several types": pd.DataFrame({"a": [1, 2], "b": [1.5, 2]}).astype({"a": "int8", "b": "float32"}),
    "named range": pd.DataFrame({"a": [1, 2, 3]}, index=pd.RangeIndex(4, 10, 2, name="n")),
    "numbered columns": pd.DataFrame(np.eye(3)),
    "two levels": pd.DataFrame(np.eye(2), columns=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])),
    "named columns": pd.DataFrame(np.eye(2), columns=pd.Index(["x", "y"], name="axis")),
    "no rows": pd.DataFrame({"a": np.array([], "int64")}),
}
OTHERS = {
    "texts": pd.DataFrame({"a": ["x", "y"]}),
    "missing integers": pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}),
    "truth": pd.DataFrame({"a": [True, False]}),
    "index of texts": pd.DataFrame({"a": [1, 2]}, index=["p", "q"]),
    "times": pd.DataFrame({"a": pd.to_datetime(["2026-01-01"])}),
    "small floats": pd.DataFrame({"a": np.array([1, 2], "float16")}),
    "nothing": pd.DataFrame(),
}


@pytest.mark.parametrize("name", [*NUMBERS, *OTHERS])
def test_a_frame_that_is_read_by_rows_is_the_one_that_pandas_reads(name: str, tmp_path: Path) -> None:
    frame = {**NUMBERS, **OTHERS}[name]
    loaded = through(frame, tmp_path, "parquet")
    saved = next(path for path in tmp_path.iterdir() if path.suffix == ".parquet")
    pd.testing.assert_frame_equal(loaded, pd.read_parquet(saved))
    with saved.open("rb") as file:
        assert (read_numbers(file) is not None) == (name in NUMBERS)
    loaded.iloc[:1] = loaded.iloc[:1]  # it can be written to
