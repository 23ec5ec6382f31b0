"""Send events by OpenLineage's own client, from a thread: no verb waits for a receiver, and none fails because of one.

The client is made by its own configuration, whose transport may wait and retry as it says. When a session is closed, or
the process ends, what is on its way is waited for, but not for long. It is imported before the thread begins: a process
that is forked while a thread imports can never import the same, and one that ends cannot import it either.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from kitops_core.events import Control, Event
from kitops_core.evidence.secrets import redact_text

if TYPE_CHECKING:
    from openlineage.client import OpenLineageClient

    from kitops_core.openlineage.operation import Operation

PATIENCE = 5.0
"""Seconds that one event may take before nobody waits for it any more: what the client gives a request by default."""

LONGEST = 15.0
"""Seconds that are waited for all events together."""

_ENDING = object()


class Sender:
    """Sends what verbs told, one after the other. Safe to use from several threads; not across a fork.

    Args:
        control: Whom to warn of what was not delivered.

    Attributes:
        process: The process that it works in.
    """

    def __init__(self, control: Control) -> None:
        self.process = os.getpid()
        self._control = control
        self._lock = threading.Lock()
        self._waiting: deque[Any] = deque()
        self._since = 0.0
        self._thread: threading.Thread | None = None
        self._client: OpenLineageClient | None = None
        self._failures: list[str] = []
        _SENDERS.add(self)

    def __call__(self, operation: Operation) -> None:
        """Take what a verb told; returns at once."""
        try:
            from kitops_core.openlineage.events import event_of

            self._hand_over(event_of(operation))
        except Exception as error:  # of a client that this was not written for: the verb goes on all the same
            self._failed(error)

    def close(self) -> None:
        """Wait a bounded time for what is on its way, and warn of what did not arrive."""
        if self.process != os.getpid():
            return
        with self._lock:
            idle = self._thread is None and self._client is None
        if not idle:
            self._hand_over(_ENDING)
        thread = self._thread
        if thread is not None and not self._ends(thread):
            _SENDERS.discard(self)  # nor at the end of the process
            self._failures.append("it takes too long to answer")
        with self._lock:
            failures, self._failures = self._failures, []
        for failure in dict.fromkeys(failures):
            detail = f"OpenLineage's receiver may not know of this: {failure}"
            self._control.emit(Event("warning", "OpenLineage", detail=detail))

    def _ends(self, thread: threading.Thread) -> bool:
        """Wait for the thread, as long as the receiver takes event after event; whether it ended."""
        longest = time.monotonic() + LONGEST
        while thread.is_alive():
            if (left := min(self._since + PATIENCE, longest) - time.monotonic()) <= 0:
                return False
            thread.join(left)
        return True

    def _hand_over(self, item: object) -> None:
        with self._lock:
            self._waiting.append(item)
            if self._thread is None:
                self._since = time.monotonic()
                self._thread = threading.Thread(target=self._work, name="kitops-openlineage", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                item, self._since = self._waiting.popleft(), time.monotonic()
            try:
                self._send(item)
            except Exception as error:  # whatever a transport raises, and any can be plugged in
                self._failed(error)

    def _send(self, item: Any) -> None:
        if item is _ENDING:
            client, self._client = self._client, None
            if client is not None and not client.close(PATIENCE):
                raise TimeoutError(f"the transport had events left after {PATIENCE:.0f} s")
            return
        if self._client is None:
            self._client = _new_client()
        self._client.emit(item)

    def _failed(self, error: Exception) -> None:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        with self._lock:
            self._failures.append(redact_text(text))


def _new_client() -> OpenLineageClient:
    """OpenLineage's client as its configuration says, which may be in the environment or in a file."""
    from openlineage.client import OpenLineageClient
    from openlineage.client.transport.noop import NoopConfig, NoopTransport

    # What it says beside its events is shown where a program shows logs, and not in between a command's answer.
    logging.getLogger("openlineage").addHandler(logging.NullHandler())
    with _MAKING:
        before = {*os.environ}
        looked = OpenLineageClient(transport=NoopTransport(NoopConfig()))
        if not (looked.config.transport or {}).get("type") and not os.environ.get("OPENLINEAGE_URL"):
            raise ValueError("its configuration names no transport, or cannot be read: see its file openlineage.yml")
        client = OpenLineageClient()
        # It writes OPENLINEAGE_URL and the key once more under other names, where the next one would prefer them.
        for name in [name for name in os.environ if name.startswith("OPENLINEAGE__") and name not in before]:
            del os.environ[name]
    # It would look for a checkout around the working directory and tell its address as it is, with the token in it.
    location = getattr(client.config.facets, "source_code_location", None)
    if location is not None and not location.repo_url:
        location.disabled = True
    return client


_MAKING = threading.Lock()
_SENDERS: WeakSet[Sender] = WeakSet()


@atexit.register
def _wait_for_all() -> None:
    """Wait for what clients that nobody closed have on their way."""
    for sender in list(_SENDERS):
        with suppress(Exception):
            sender.close()
