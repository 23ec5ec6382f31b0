"""Links of Markdown files. In the repository they are relative to the file; a page that moves away takes them along."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
_LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<path>[\w./-]+)(?P<anchor>#[\w-]*)?\)")
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_IMAGES = (".png", ".svg")


def rewritten(text: str, file: Path, address: Callable[[Path], str]) -> str:
    """The text of a Markdown file with its relative links made anew; what is in code blocks stays.

    Args:
        text: The text.
        file: The file that it is from.
        address: Where a path of the repository, relative to its root, can be found from the page; an empty string for
            nowhere: then a link is left as its text, and an image is left out.

    Raises:
        ValueError: A link leads to nothing in the repository.
    """

    def renew(link: re.Match[str]) -> str:
        target = (file.parent / link["path"]).resolve()
        if not target.exists() or not target.is_relative_to(ROOT):
            raise ValueError(f"{file.relative_to(ROOT)}: the link to {link['path']} leads to nothing")
        to = address(target.relative_to(ROOT))
        if not to:
            return "" if link["image"] else link["text"]
        return f"{link['image']}[{link['text']}]({to}{link['anchor'] or ''})"

    parts, at = [], 0
    for fence in _FENCE.finditer(text):
        parts += [_LINK.sub(renew, text[at : fence.start()]), fence[0]]
        at = fence.end()
    return "".join([*parts, _LINK.sub(renew, text[at:])])


def in_repository(repository: str, version: str, path: Path) -> str:
    """The address of a file of a version in a hosted repository, as its pages or, of an image, as its bytes.

    Args:
        repository: ``https://host/owner/name``; an empty string where it has no address, and so no file has one.
        version: The version, whose tag is ``v<version>``.
        path: The file's path in the repository.
    """
    if not repository:
        return ""
    kind = "raw" if path.suffix in _IMAGES else "tree" if (ROOT / path).is_dir() else "blob"
    return f"{repository}/{kind}/v{version}/{path.as_posix()}"
