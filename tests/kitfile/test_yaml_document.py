"""A Kitfile and a promotion.yaml are read the same way: the same limits and words, every problem with its line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kitops_core.errors import KitfileError, PolicyError, ProblemsError
from kitops_core.kitfile import Kitfile
from kitops_core.kitfile.yaml_document import MAX_DOCUMENT_BYTES, line_of
from kitops_core.kitfile.yaml_nodes import parse_document
from kitops_core.promotion.policy_file import load_policy, parse_policy

Read = Callable[[bytes], object]

READERS = [
    pytest.param(lambda data: Kitfile.parse(data, "it"), KitfileError, id="Kitfile"),
    pytest.param(lambda data: parse_policy(data, "it", base=Path()), PolicyError, id="promotion.yaml"),
]
TOO_DEEP = b"a: " + b"[" * 300 + b"]" * 300


@pytest.mark.parametrize(("read", "failure"), READERS)
@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"#" * (MAX_DOCUMENT_BYTES + 1), f"larger than {MAX_DOCUMENT_BYTES} bytes"),
        (b"a: \xff", "not UTF-8 text: byte 3 is 0xff"),
        (b"# nothing\n", "is empty"),
        (b"~\n", "is empty"),
        (b"a: 1\n---\nb: 2\n", "line 2: a second document starts here; there must be only one"),
        (b"\na: *b\n", "line 2: the alias '*b' has no anchor"),
        (b"\n\na: [\n", "line 4: not YAML: "),
        (TOO_DEEP, "line 1: nested more than 200 levels deep"),
    ],
    ids=["large", "latin", "empty", "null", "two", "alias", "open", "deep"],
)
def test_what_is_no_document_is_refused_in_the_same_words(
    read: Read, failure: type[ProblemsError], data: bytes, problem: str
) -> None:
    with pytest.raises(failure) as caught:
        read(data)
    (told,) = caught.value.problems
    assert told.startswith(problem)


@pytest.mark.parametrize(("read", "failure"), READERS)
def test_a_key_that_is_there_twice_is_named_with_both_lines(read: Read, failure: type[ProblemsError]) -> None:
    with pytest.raises(failure) as caught:
        read(b"kit: a\nkit: b\n")
    assert "line 2: 'kit' is there already, at line 1" in caught.value.problems


def test_a_byte_order_mark_is_no_part_of_either(tmp_path: Path) -> None:
    assert Kitfile.parse(b"\xef\xbb\xbfpackage: {name: n}").package.name == "n"
    assert parse_policy(b"\xef\xbb\xbfkit: r.example/a\nchannels: {dev: }", "it", base=tmp_path).kit == "r.example/a"


@pytest.mark.parametrize(("load", "failure"), [(Kitfile.load, KitfileError), (load_policy, PolicyError)])
def test_a_directory_in_a_documents_place_is_named(
    load: Callable[[Path], object], failure: type[ProblemsError], tmp_path: Path
) -> None:
    with pytest.raises(failure, match="cannot be read: Is a directory"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("place", "line"),
    [((), 1), (("a",), 1), (("a", 1), 3), (("a", 1, "c"), 4), (("a", 1, "gone"), 3), (("a", 7), 1), (("gone", "x"), 1)],
)
def test_the_line_of_a_field_is_that_of_the_last_part_of_it_that_is_there(
    place: tuple[str | int, ...], line: int
) -> None:
    root = parse_document("a:\n- b\n- d: 1\n  c: 2\n")
    assert root is not None
    assert line_of(root, place) == line
