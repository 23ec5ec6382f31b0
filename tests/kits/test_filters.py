"""Filters take what the reference CLI's take."""

from __future__ import annotations

import pytest

from kitops_core.errors import InvalidInputError
from kitops_core.kitfile import KitEntry
from kitops_core.kits.filters import parse_filters, takes_entry, takes_kitfile

MODEL = KitEntry("model", "model", "weights/m.bin", "churn")
PART = KitEntry("model.parts[0]", "modelpart", "tokenizer.json")
TRAIN = KitEntry("datasets[0]", "dataset", "data/train.csv", "train")
EVAL = KitEntry("datasets[1]", "dataset", "data/eval.csv", "eval")
CODE = KitEntry("code[0]", "code", "src")
ALL = [MODEL, PART, TRAIN, EVAL, CODE]


@pytest.mark.parametrize(
    ("filters", "taken"),
    [
        ([], ALL),
        (["model"], [MODEL, PART]),
        (["datasets:train"], [TRAIN]),
        (["dataset:data/eval.csv"], [EVAL]),
        (["datasets:train,eval"], [TRAIN, EVAL]),
        (["model,code"], [MODEL, PART, CODE]),
        (["model,datasets:eval"], [EVAL]),
        (["model", "datasets:eval"], [MODEL, PART, EVAL]),
        ([":./src/"], [CODE]),
        (["docs"], []),
        (["kitfile"], []),
    ],
)
def test_which_entries_a_filter_takes(filters: list[str], taken: list[KitEntry]) -> None:
    assert [entry for entry in ALL if takes_entry(parse_filters(filters), entry)] == taken


def test_the_kitfile_comes_without_filters_or_when_named() -> None:
    assert takes_kitfile(parse_filters([]))
    assert takes_kitfile(parse_filters(["model", "kitfile"]))
    assert not takes_kitfile(parse_filters(["model"]))


@pytest.mark.parametrize("text", ["", ":", "weights", "model,nonsense", ","])
def test_a_filter_that_names_nothing_known_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="filter"):
        parse_filters([text])
