"""The snippets of the README, by the marker above each: ``<!-- test: NAME -->``. Used by every member's tests."""

from __future__ import annotations

import re
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"
_BLOCK = re.compile(r"<!-- test: (\w+) -->\n```\w+\n(.*?)```", re.DOTALL)


def snippet(name: str) -> str:
    """The text of one snippet."""
    return dict(_BLOCK.findall(README.read_text(encoding="utf-8")))[name]


def unmarked() -> list[str]:
    """Python and kitops snippets that no test would run."""
    rest = _BLOCK.sub("", README.read_text(encoding="utf-8"))
    blocks = re.findall(r"```(\w+)\n(.*?)```", rest, re.DOTALL)
    return [text for language, text in blocks if language == "python" or "kitops " in text]
