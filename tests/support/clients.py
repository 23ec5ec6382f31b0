"""Clients for one test each, closed when it ends."""

from __future__ import annotations

from typing import Any

from kitops_core import Client
from kitops_core.reference import Where
from kitops_core.session import FoundKit, Session

_open: list[Client | Session] = []


def client(**how: Any) -> Client:
    """A client; the arguments are those of :class:`kitops_core.Client`."""
    made = Client(**how)
    _open.append(made)
    return made


def find_kit(reference: str, where: Where = "any", **how: Any) -> FoundKit:
    """A kit with its storage, as the verbs find it."""
    session = Session(**how)
    _open.append(session)
    return session.find(reference, where)


def close_clients() -> None:
    """Close the connections of the test that ends."""
    while _open:
        _open.pop().close()
