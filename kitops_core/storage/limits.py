"""How much is read of what others can make as long as they like: whoever can write to a repository, or runs one."""

from __future__ import annotations

from kitops_core.errors import IntegrityError

MAX_REFERRERS = 2000
"""How many referrers of one manifest are read; also with what is attached to those, where that is read or copied."""

MAX_REFERRERS_DEPTH = 5
"""How deep a tree of referrers is read or copied: a signature of an attestation of a kit is two levels."""

MAX_REFERRERS_BYTES = 16 * 1024 * 1024
"""How many bytes the list of one manifest's referrers has, all pages together."""

MAX_TAGS = 250_000
"""How many tags of one repository are listed."""

MAX_PAGES = 5000
"""How many pages a registry may divide one list into."""


def check_referrers(where: str, number: int, depth: int = 1) -> None:
    """See that what is attached to a manifest, which is ``where``, is within the limits.

    Args:
        where: The manifest, for the message.
        number: How many referrers were found.
        depth: How many levels of them.

    Raises:
        IntegrityError: It is not.
    """
    if number > MAX_REFERRERS:
        problem = f"more than {MAX_REFERRERS} referrers, which is the limit"
    elif depth > MAX_REFERRERS_DEPTH:
        problem = f"referrers more than {MAX_REFERRERS_DEPTH} levels deep, which is the limit"
    else:
        return
    raise IntegrityError(f"{where} has {problem}", hint="remove those that are no longer needed")
