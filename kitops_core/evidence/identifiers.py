"""The identifiers that this project coins: predicate types, build types and builders, and what they were before.

They are URNs of the project's own name, which depend on no domain. At first they stood on that of KitOps, which is not
ours; statements and policies that have those are read as if they had today's.
"""

from __future__ import annotations

HOME = "urn:kitops-core:"
_BEFORE = "https://kitops.org/"
_KINDS = ("attestation/approval/v1", "attestation/promotion/v1", "build/pack/v1", "build/import/v1", "builder/")


def current(identifier: str) -> str:
    """Today's form of an identifier; those that are not ours stay as they are."""
    name = identifier.removeprefix(_BEFORE)
    return f"{HOME}{name}" if name != identifier and name.startswith(_KINDS) else identifier


def forms(identifier: str) -> tuple[str, ...]:
    """All forms of an identifier, today's first: for patterns that may have been written for either."""
    now = current(identifier)
    name = now.removeprefix(HOME)
    return (now, f"{_BEFORE}{name}") if name != now and name.startswith(_KINDS) else (now,)
