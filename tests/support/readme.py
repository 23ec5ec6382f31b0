"""The snippets of the docs, by the marker above each: ``<!-- test: NAME -->``. Used by every member's tests."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("integrations/*/README.md"))]
_BLOCK = re.compile(r"<!-- test: (\w+) -->\n```\w+\n(.*?)```", re.DOTALL)


def snippet(name: str, file: str = "README.md") -> str:
    """The text of one snippet of a file, which is named from the project's root."""
    return dict(_BLOCK.findall((ROOT / file).read_text(encoding="utf-8")))[name]


def unmarked() -> list[str]:
    """Python and kitops snippets of the docs that no test would run."""
    rest = [_BLOCK.sub("", path.read_text(encoding="utf-8")) for path in DOCS]
    blocks = [block for text in rest for block in re.findall(r"```(\w+)\n(.*?)```", text, re.DOTALL)]
    return [text for language, text in blocks if language == "python" or "$ kitops " in text]
