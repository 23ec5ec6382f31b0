"""What ``.kitignore`` leaves out. The rules are Docker's; the cases below were checked against moby's own matcher."""

from __future__ import annotations

import pytest

from kitops_core.errors import SourceError
from kitops_core.layers.ignore import IgnoreRules


def ignores(rules: IgnoreRules, path: str) -> bool:
    """Whether a file is left out, asked the way a walk asks: directory by directory."""
    state = 0
    *parents, _ = path.split("/")
    for depth in range(len(parents)):
        _, state = rules.enter("/".join(parents[: depth + 1]), state)
    return rules.ignores(path, state)


def one(pattern: str, path: str) -> bool:
    return ignores(IgnoreRules([pattern]), path)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("data", "data"),
        ("data", "data/raw/big.bin"),
        ("data/raw", "data/raw/big.bin"),
        ("*", "x"),
        ("*", "x/y"),
        ("*.log", "run.log"),
        ("a/*.txt", "a/file.txt"),
        ("a/*", "a/b/c"),
        ("a?c", "abc"),
        ("a?c", "aéc"),
        ("**", "any/thing"),
        ("**/x", "x"),
        ("**/x", "a/b/x"),
        ("**/x", "a/x/b"),
        ("**/*.pyc", "a/b/c.pyc"),
        ("**.pyc", "a/b/c.pyc"),
        ("**/__pycache__", "src/__pycache__/m.pyc"),
        ("dir/**", "dir/a"),
        ("dir/**", "dir/a/b"),
        ("a/**/z", "a/z"),
        ("a/**/z", "a/b/c/z"),
        ("a**/*.txt", "a/b/c.txt"),
        ("a**b", "a/x/b"),
        ("a[b-d]e", "ace"),
        ("a[^b-d]e", "aze"),
        ("[à-ü]*", "é"),
        ("[!a]", "!"),
        ("a\\*b", "a*b"),
        ("[\\]a]", "]"),
        ("[x\\-]", "-"),
        ("\\#notes", "#notes"),
        ("abc.def", "abc.def"),
        ("a(b)c+{d}|$^", "a(b)c+{d}|$^"),
        ("dist/*.whl", "dist/p-2.4.0rc3+g08acad9-py3-none-any.whl"),
        ("Ü*", "Ünï"),
    ],
)
def test_a_pattern_leaves_out(pattern: str, path: str) -> None:
    assert one(pattern, path)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("data", "database"),
        ("data", "x/data"),
        ("*.log", "logs/run.log"),
        ("a/*.txt", "a/b/file.txt"),
        ("a?c", "a/c"),
        ("**/foo", "bar.foo"),
        ("**/.foo", "bar.foo"),
        ("dir/**", "dir"),
        ("a[b-d]e", "aae"),
        ("a[^b-d]e", "ace"),
        ("[!a]", "b"),
        ("a\\*b", "ab"),
        ("abc.def", "abcZdef"),
        (".*", "foo"),
        ("**/**/*.txt2", "a/b.txt"),
    ],
)
def test_a_pattern_does_not_leave_out(pattern: str, path: str) -> None:
    assert not one(pattern, path)


def test_the_last_rule_that_matches_decides() -> None:
    assert not ignores(IgnoreRules(["*.log", "!keep.log"]), "keep.log")
    assert ignores(IgnoreRules(["!keep.log", "*.log"]), "keep.log")
    assert ignores(IgnoreRules(["*.log", "!keep.log", "keep*"]), "keep.log")


def test_what_lies_in_a_left_out_directory_can_be_taken_back() -> None:
    rules = IgnoreRules(["docs", "!docs/README.md"])
    assert rules.has_negations
    assert ignores(rules, "docs/other.md")
    assert not ignores(rules, "docs/README.md")
    assert rules.enter("docs", 0)[0]


def test_a_directory_that_is_taken_back_is_taken_with_all_below_it() -> None:
    rules = IgnoreRules(["**", "!util/web"])
    assert not ignores(rules, "util/web/a/b")
    assert ignores(rules, "util/x")


def test_the_kitfile_and_the_ignore_file_are_left_out_at_the_root_only() -> None:
    rules = IgnoreRules(["!Kitfile"])
    for name in ("Kitfile", "kitfile", ".kitfile", ".kitignore"):
        assert ignores(rules, name)
        assert not ignores(rules, f"sub/{name}")
    assert not ignores(rules, "KITFILE")


def test_lines_are_read_as_docker_reads_them() -> None:
    lines = [
        "\ufeff# comment",
        "",
        "  spaced.txt  ",
        "/rooted",
        "./dotted/",
        "! /rooted/keep",
        " //twice//slash/ ",
        "a/../b",
    ]
    rules = IgnoreRules.parse("\r\n".join(lines).encode())
    assert ignores(rules, "spaced.txt")
    assert ignores(rules, "rooted/x")
    assert not ignores(rules, "rooted/keep")
    assert ignores(rules, "dotted/x")
    assert ignores(rules, "twice/slash")
    assert ignores(rules, "b")
    assert not ignores(rules, "a")
    assert not ignores(rules, "# comment")


def test_only_a_hash_in_the_first_column_starts_a_comment() -> None:
    rules = IgnoreRules.parse(b"#one\n #two\n")
    assert not ignores(rules, "#one")
    assert ignores(rules, "#two")


def test_names_that_are_not_utf_8_can_be_left_out() -> None:
    rules = IgnoreRules.parse(b"caf\xe9*\n")
    assert ignores(rules, b"caf\xe9.txt".decode("utf-8", "surrogateescape"))


def test_patterns_that_can_match_nothing_are_harmless() -> None:
    rules = IgnoreRules.parse(b".\n/\n../x\n")
    assert not ignores(rules, "x")
    assert not rules.has_negations


@pytest.mark.parametrize(
    "pattern", ["[", "a[", "[]a]", "[^", "[a", "[-]", "[x-]", "[a-b-c]", "[z-a]", "x\\", "!", "![", "[a\\"]
)
def test_a_malformed_pattern_is_an_error_that_names_it(pattern: str) -> None:
    with pytest.raises(SourceError) as caught:
        IgnoreRules.parse(f"fine\n{pattern}\n".encode())
    assert f"'{pattern}'" in str(caught.value)
    assert caught.value.hint


def test_all_malformed_patterns_are_named_at_once() -> None:
    with pytest.raises(SourceError, match=r"'\['.*'x\\'"):
        IgnoreRules(["[", "good", "x\\"])
