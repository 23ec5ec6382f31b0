"""Which licence a licence file or a Hugging Face card states, as an SPDX identifier."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

READ_BYTES = 1024 * 1024
"""How much of a licence file or card is read."""

_LIKE_ENOUGH = 0.9
_COPYRIGHT = re.compile(r"^\s*(?:copyright|\(c\)|©).*$", re.IGNORECASE | re.MULTILINE)
_SPDX_LINE = re.compile(r"SPDX-License-Identifier:\s*([A-Za-z0-9.+() -]+?)\s*(?:\*/|-->)?\s*$", re.MULTILINE)
_WORD = re.compile(r"\w+")
_SPDX_IDS = (
    "0BSD AFL-3.0 AGPL-3.0 Apache-2.0 Artistic-2.0 BSD-2-Clause BSD-3-Clause BSD-3-Clause-Clear BSL-1.0 CC-BY-2.0 "
    "CC-BY-2.5 CC-BY-3.0 CC-BY-4.0 CC-BY-NC-2.0 CC-BY-NC-3.0 CC-BY-NC-4.0 CC-BY-NC-ND-3.0 CC-BY-NC-ND-4.0 "
    "CC-BY-NC-SA-2.0 CC-BY-NC-SA-3.0 CC-BY-NC-SA-4.0 CC-BY-ND-4.0 CC-BY-SA-3.0 CC-BY-SA-4.0 CC0-1.0 "
    "CDLA-Permissive-1.0 CDLA-Permissive-2.0 CDLA-Sharing-1.0 ECL-2.0 EPL-1.0 EPL-2.0 EUPL-1.1 EUPL-1.2 GPL-2.0 "
    "GPL-3.0 ISC LGPL-2.1 LGPL-3.0 LPPL-1.3c MIT MPL-2.0 MS-PL MulanPSL-2.0 NCSA ODbL-1.0 OFL-1.1 OSL-3.0 PDDL-1.0 "
    "PostgreSQL Unlicense WTFPL Zlib"
)
_CARD_IDS = {spdx.lower(): spdx for spdx in _SPDX_IDS.split()} | {
    "etalab-2.0": "etalab-2.0",
    "odbl": "ODbL-1.0",
    "pddl": "PDDL-1.0",
    "lgpl-lr": "LGPLLR",
}


def spdx_id(text: str) -> str:
    """The SPDX identifier that ``text`` is, in its proper spelling; an empty string where it is none that is known."""
    known = _CARD_IDS.get(text.lower(), "")
    return known if known.lower() == text.lower() else ""


def license_of_text(data: bytes) -> str:
    """The SPDX identifier of the licence whose text a file holds, or an empty string."""
    text = data.decode("utf-8", "replace")
    stated = _SPDX_LINE.search(text)
    return stated.group(1) if stated else _most_alike(text)


def _most_alike(text: str) -> str:
    from identify.vendor.licenses import LICENSES

    pairs = _word_pairs(text)
    best, best_score = "", _LIKE_ENOUGH
    for spdx, known in LICENSES:
        known_pairs = _word_pairs(known)
        shared = sum((pairs & known_pairs).values())
        score = 2 * shared / max(1, pairs.total() + known_pairs.total()) if pairs else 0.0
        if score > best_score:
            best, best_score = spdx, score
    return best


def _word_pairs(text: str) -> Counter[tuple[str, str]]:
    words = _WORD.findall(_COPYRIGHT.sub("", text).lower())
    return Counter(itertools.pairwise(words))


def front_matter(data: bytes) -> dict[str, Any]:
    """The YAML between the ``---`` lines at the start of a Markdown file; empty where there is none."""
    from kitops_core.kitfile.yaml_decode import decode_mapping

    text = data.decode("utf-8-sig", "replace").replace("\r\n", "\n")
    start, _, rest = text.partition("\n")
    if start.rstrip() != "---":
        return {}
    body, end, _ = ("\n" + rest).partition("\n---")
    return decode_mapping(body) if end else {}


def license_of_card(card: Mapping[str, Any]) -> str:
    """The licence a card's front matter states: the SPDX identifier of a known one, else its name as written."""
    stated = card.get("license")
    if isinstance(stated, list) and len(stated) == 1:
        stated = stated[0]
    if stated == "other":
        stated = card.get("license_name")
    if not isinstance(stated, str) or stated.lower() in ("unknown", "other"):
        return ""
    return _CARD_IDS.get(stated.lower(), stated)
