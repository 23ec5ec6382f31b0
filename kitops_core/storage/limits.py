"""How much is read of what others can make as long as they like: whoever can write to a repository, or runs one."""

from __future__ import annotations

MAX_REFERRERS = 2000
"""How many referrers of one manifest are read, and how many are copied with one kit, at whatever depth."""

MAX_REFERRERS_DEPTH = 5
"""How deep a tree of referrers is read or copied: a signature of an attestation of a kit is two levels."""

MAX_REFERRERS_BYTES = 16 * 1024 * 1024
"""How many bytes the list of one manifest's referrers has, all pages together."""

MAX_TAGS = 250_000
"""How many tags of one repository are listed."""

MAX_PAGES = 5000
"""How many pages a registry may divide one list into."""
