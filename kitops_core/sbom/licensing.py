"""A licence as CycloneDX writes it: an SPDX identifier, an expression of them, or a name."""

from __future__ import annotations

import re
from typing import Any

_OPERATORS = ("AND", "OR", "WITH")
_WORD = re.compile(r"\(|\)|[A-Za-z0-9.+:-]+")


def license_choices(text: str) -> list[dict[str, Any]]:
    """The ``licenses`` of a component; empty for an empty text."""
    from kitops_core.kitfile.licenses import spdx_id

    text = text.strip()
    if not text:
        return []
    if known := spdx_id(text):
        return [{"license": {"id": known}}]
    if _is_expression(text):
        return [{"expression": text}]
    return [{"license": {"name": text}}]


def _is_expression(text: str) -> bool:
    """Whether a text is a well-formed SPDX expression of more than one word, all of them known or ``LicenseRef-``."""
    from kitops_core.kitfile.licenses import spdx_id

    words = _WORD.findall(text)
    if "".join(words) != re.sub(r"\s", "", text) or not any(word in _OPERATORS for word in words):
        return False
    depth, operand = 0, True  # what is expected next: an operand or an operator
    exception = False
    for word in words:
        if word == "(":
            depth += 1
            if not operand:
                return False
        elif word == ")":
            depth -= 1
            if operand or depth < 0:
                return False
        elif word in _OPERATORS:
            if operand:
                return False
            operand, exception = True, word == "WITH"
        else:
            known = exception or word.startswith(("LicenseRef-", "DocumentRef-")) or spdx_id(word.rstrip("+"))
            if not operand or not known:
                return False
            operand, exception = False, False
    return depth == 0 and not operand
