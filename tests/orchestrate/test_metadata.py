"""What events and assets carry is plain JSON, whatever a run measured with, and never too large."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import date, datetime, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitops_core.orchestrate.metadata import MAX_METADATA_BYTES, plain_json, record_metadata
from kitops_core.record import LayerRecord, ModelKitRecord

DIGEST = f"sha256:{'a' * 64}"


class Scalar:
    """A number of an array library as some have it: no Real, but with a shape and an item."""

    shape = ()

    def __init__(self, value: float) -> None:
        self._value = value

    def item(self) -> float:
        return self._value


def record(layers: int = 1, parents: int = 0) -> ModelKitRecord:
    return ModelKitRecord(
        digest=DIGEST,
        reference="registry.example.com/ml/churn:1",
        registry="registry.example.com",
        repository="ml/churn",
        tag="1",
        tags=("1",),
        size=1,
        kit={"name": "churn"},
        layers=tuple(LayerRecord("docs", f"file-{n}", "x", DIGEST, DIGEST, 1) for n in range(layers)),
        changed=True,
        parents=tuple(f"registry.example.com/ml/base-{n}@{DIGEST}" for n in range(parents)),
    )


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        (Fraction(1, 2), 0.5),
        (Scalar(0.25), 0.25),
        (Scalar(math.nan), "nan"),
        (Decimal("0.5"), "0.5"),
        ((1, {2: b"x"}), [1, {"2": "b'x'"}]),
        (datetime(2026, 1, 2, tzinfo=timezone.utc), "2026-01-02T00:00:00Z"),
        (date(2026, 1, 2), "2026-01-02"),
        (True, True),
    ],
)
def test_a_value_becomes_what_every_json_reader_takes(value: Any, plain: Any) -> None:
    assert plain_json(value) == plain


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda values: st.lists(values) | st.dictionaries(st.text(), values),
        max_leaves=20,
    )
)
def test_anything_becomes_json_without_nan_and_json_stays_itself(value: Any) -> None:
    plain = plain_json(value)
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain_json(plain) == plain


def test_what_holds_itself_ends() -> None:
    endless: dict[str, Any] = {}
    endless["again"] = endless
    json.dumps(plain_json(endless))


def test_a_record_is_whole_where_it_fits() -> None:
    assert record_metadata(record()) == json.loads(json.dumps(record().to_dict()))


@pytest.mark.parametrize(("layers", "parents"), [(5_000, 0), (1, 5_000), (5_000, 5_000)])
def test_a_record_that_is_too_large_leaves_out_lists_and_says_how_long_they_are(layers: int, parents: int) -> None:
    data: Mapping[str, Any] = record_metadata(record(layers, parents))
    assert len(json.dumps(data)) <= MAX_METADATA_BYTES
    assert data["digest"] == DIGEST
    for part, count in (("layers", layers), ("parents", parents)):
        assert len(data[part]) == count or data[f"{part}_total"] == count
