"""Tags that are no versions: where referrers are kept by registries and tools without the referrers API.

The fallback tag is the distribution spec's (1.1, "Referrers Tag Schema"); the suffixes are cosign's. A referrer's own
tag is ours: its name alone says what is attached to what, no two writers ever write the same one, and it never moves,
so that what is attached can be found whatever becomes of the list under the fallback tag.
"""

from __future__ import annotations

import re

_MOST_HEX = 64
_REFERRERS_TAG = r"(?:sha256|sha512)-[0-9a-f]{64}(?:\.[a-z]+|\.[a-z2-7]{52})?"
_OWN_SUFFIX = r"[a-z2-7]{52}"


def fallback_tag(digest: str) -> str:
    """The tag whose index lists the referrers of ``digest`` where a registry has no referrers API."""
    algorithm, _, value = digest.partition(":")
    return f"{algorithm}-{value[:_MOST_HEX]}"


def own_tag(subject: str, referrer: str) -> str:
    """The tag that only one referrer of one manifest has: the subject's fallback tag, and the referrer in base32.

    Two digests in hexadecimal do not fit into the 128 characters of a tag.

    Args:
        subject: The digest of what it is attached to.
        referrer: Its own digest, of SHA-256.
    """
    from base64 import b32encode

    value = b32encode(bytes.fromhex(referrer.removeprefix("sha256:"))).decode()
    return f"{fallback_tag(subject)}.{value.rstrip('=').lower()}"


def referrer_of(tag: str, subject: str) -> str:
    """The digest of the referrer whose own tag this is, or an empty string where it is none of ``subject``."""
    name, _, value = tag.partition(".")
    if name != fallback_tag(subject) or not re.fullmatch(_OWN_SUFFIX, value):
        return ""
    from base64 import b32decode
    from binascii import Error

    try:
        digest = f"sha256:{b32decode(value.upper() + '====').hex()}"
    except Error:
        return ""
    return digest if own_tag(subject, digest) == tag else ""


def subject_of(tag: str) -> str:
    """The digest whose referrers a tag holds, or an empty string where it is another tag, or of a cut digest."""
    name, _, suffix = tag.partition(".")
    if not is_referrers_tag(tag) or not name.startswith("sha256-"):
        return ""
    return name.replace("-", ":", 1) if not suffix or re.fullmatch(_OWN_SUFFIX, suffix) else ""


def is_referrers_tag(tag: str) -> bool:
    """Whether a tag only holds referrers: ``sha256-<hex>``, a tool's ``sha256-<hex>.sig``, or a referrer's own."""
    return re.fullmatch(_REFERRERS_TAG, tag) is not None
