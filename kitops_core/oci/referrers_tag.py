"""Tags that are no versions: where referrers are kept by registries and tools without the referrers API.

The fallback tag is the distribution spec's (1.1, "Referrers Tag Schema"); the suffixes are cosign's.
"""

from __future__ import annotations

import re

_REFERRERS_TAG = re.compile(r"sha(?:256-[0-9a-f]{64}|512-[0-9a-f]{128})(?:\.[a-z]+)?")


def fallback_tag(digest: str) -> str:
    """The tag whose index lists the referrers of ``digest`` where a registry has no referrers API."""
    return digest.replace(":", "-", 1)


def subject_of(tag: str) -> str:
    """The digest whose referrers a fallback tag lists, or an empty string where it is another tag."""
    return tag.replace("-", ":", 1) if is_referrers_tag(tag) and "." not in tag else ""


def is_referrers_tag(tag: str) -> bool:
    """Whether a tag only holds referrers: the fallback ``sha256-<hex>``, or a tool's ``sha256-<hex>.sig``."""
    return _REFERRERS_TAG.fullmatch(tag) is not None
