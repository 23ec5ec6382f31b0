"""From bytes to a YAML document, the same way for a Kitfile and ``promotion.yaml``: limits, and problems with lines.

What the values of the document must be is for the caller: a Kitfile's fields are decoded one by one
(:meth:`~kitops_core.kitfile.yaml_decode.Decoder.section`), a policy's values as a whole, for its models to check.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from kitops_core.errors import KitfileError, PolicyError
from kitops_core.kitfile.scalars import resolve
from kitops_core.kitfile.yaml_nodes import ListNode, MapNode, Node, ScalarNode, YamlError, parse_document

MAX_DOCUMENT_BYTES = 4 * 1024 * 1024
"""The largest file that is parsed: some ten thousand entries, as many as a manifest can have."""

Failure = type[KitfileError] | type[PolicyError]
Place = tuple[str | int, ...]
"""A field of a document, step by step."""


def read_file(path: Path, failure: Failure) -> bytes:
    """A file's bytes, no more than one too many of them.

    Raises:
        KitfileError, PolicyError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(MAX_DOCUMENT_BYTES + 1)
    except OSError as error:
        raise failure(str(path), [f"cannot be read: {error.strerror}"]) from None


def read_document(text: str | bytes, where: str, failure: Failure, *, hint: str) -> Node:
    """The nodes of the one document in ``text``.

    Args:
        text: YAML.
        where: Names it in errors.
        failure: The error to raise.
        hint: What such a document starts with, for one that is empty.

    Raises:
        KitfileError, PolicyError: It is too large, not UTF-8, not YAML, empty, or more than one document.
    """
    if len(text) > MAX_DOCUMENT_BYTES:
        raise failure(where, [f"larger than {MAX_DOCUMENT_BYTES} bytes"])
    try:
        root = parse_document(text.decode("utf-8-sig") if isinstance(text, bytes) else text)
    except UnicodeDecodeError as error:
        raise failure(where, [f"not UTF-8 text: byte {error.start} is {error.object[error.start]:#04x}"]) from None
    except YamlError as error:
        raise failure(where, with_lines([(error.line, error.problem)])) from None
    if root is None or (isinstance(root, ScalarNode) and not root.quoted and resolve(root.text).kind == "null"):
        raise failure(where, ["is empty"], hint=hint)
    return root


def with_lines(problems: Iterable[tuple[int, str]]) -> list[str]:
    """Problems in the order of their lines, each with its line where that is known (not 0)."""
    return [f"line {line}: {text}" if line else text for line, text in sorted(problems, key=lambda item: item[0])]


def line_of(node: Node, place: Place) -> int:
    """The line of a field, or of the last part of its place that is there."""
    line = node.line
    for step in place:
        following: Node | None = None
        if isinstance(node, MapNode):
            found = ((k, v) for k, v in node.pairs if isinstance(k, ScalarNode) and k.text == step)
            key, following = next(found, (None, None))
            line = key.line if key is not None else line
        elif isinstance(node, ListNode) and isinstance(step, int) and step < len(node.items):
            following = node.items[step]
            line = following.line
        if following is None:
            return line
        node = following
    return line
