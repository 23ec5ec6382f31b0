"""The page of error messages quotes messages that the code has."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import kitops_core

CODE = Path(kitops_core.__file__).parent
PAGE = CODE.parent / "docs" / "troubleshooting.md"


def templates() -> list[str]:
    """The texts of the core as they can be said, ``…`` for what is filled in."""
    found = []
    for path in CODE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        found += [text for node in ast.walk(tree) if id(node) not in parts and (text := said(node))]
    return found


def said(node: ast.AST) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return ""


def test_every_message_is_one_that_the_code_gives() -> None:
    messages = re.findall(r"^### (.*)$", PAGE.read_text(), re.MULTILINE)
    quoted = [re.fullmatch(r"`(.*)`", message)[1] for message in messages]  # type: ignore[index]
    texts = "\0".join(templates())
    gone = [message for message in quoted if message not in texts]
    assert gone == []
    assert len(quoted) == len(set(quoted)) > 40


def test_every_message_says_what_it_fixes_on() -> None:
    """A message that is nothing but what is filled in would match anything."""
    messages = re.findall(r"^### `(.*)`$", PAGE.read_text(), re.MULTILINE)
    assert [message for message in messages if len(re.sub(r"\W", "", message)) < 6] == []
