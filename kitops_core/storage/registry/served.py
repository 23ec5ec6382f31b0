"""Bytes behind a URL, asked for whole or in parts, and where a server sent us on to for them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import nullcontext

from kitops_core.events import Control
from kitops_core.storage.registry.failures import RETRY_STATUSES, LostError
from kitops_core.storage.registry.http_response import Response
from kitops_core.storage.registry.options import RegistryOptions
from kitops_core.storage.registry.transport import read_refusal

ANSWERS = (200, 206, 416)
"""All of it, the part that was asked for, or no part: some servers know only the first."""


class Served:
    """Bytes behind a URL; safe to use from several threads.

    Registries send us on to a signed URL of an object store, which is good for every part of the bytes. It is asked for
    once, and again when it has expired.

    Attributes:
        size: How many bytes there are.
        doing: What reading them does, as in "cannot <doing>", for errors.
        server: What retries are reported under.
        options: How long to try.

    Args:
        url: The URL.
        ask: Sends a request for it with further headers, redirects and all, for an operation; ``keep_trying`` seconds
            where these are not those of the options. Gives the answer, whose status is one of :data:`ANSWERS`, and the
            URL it came from.
        send: Sends one request to another URL, with no credentials, for an operation.
    """

    def __init__(
        self,
        url: str,
        ask: Callable[[Mapping[str, str], Control, float | None], tuple[Response, str]],
        send: Callable[[str, Mapping[str, str], Control], Response],
        *,
        size: int,
        doing: str,
        server: str,
        options: RegistryOptions,
    ) -> None:
        self.size = size
        self.doing = doing
        self.server = server
        self.options = options
        self._url = url
        self._ask = ask
        self._send = send
        self._sent_on_to = ""
        self._redirects = False
        self._asking = threading.Lock()

    def part(self, start: int, end: int, control: Control, *, patient: bool = True) -> Response:
        """Ask for the bytes from ``start`` up to ``end``, which is not among them.

        Args:
            start: The first byte.
            end: The byte after the last one.
            control: What stops it, and hears of requests that are refused.
            patient: Whether to try again what may work later.

        Returns:
            The answer, with one of :data:`ANSWERS`; its body is to be read and closed.

        Raises:
            LostError: No answer came, or none that helps now.
            KitOpsError: The server refused or failed.
        """
        last = "" if end == self.size else str(end - 1)
        headers = {"Range": f"bytes={start}-{last}"} if start or last else {}
        response = self._directly(headers, control, patient)
        if response is not None:
            return response
        with self._asking if self._redirects else nullcontext():  # who waited here takes what the first was told
            response = self._directly(headers, control, patient)
            if response is None:
                response, url = self._ask(headers, control, None if patient else 0)
                self._redirects = url != self._url
                self._sent_on_to = url if self._redirects else ""
        return response

    def _directly(self, headers: Mapping[str, str], control: Control, patient: bool) -> Response | None:
        """The answer from where we were sent on to, or ``None`` where that has to be asked for."""
        url = self._sent_on_to
        if not url:
            return None
        response = self._send(url, headers, control)
        if response.status in ANSWERS:
            return response
        status = read_refusal(response, url).status
        if status == 429:
            control.lanes.refused()
        if status in RETRY_STATUSES and not patient:
            raise LostError(f"the server answered {status}")
        if self._sent_on_to == url:
            self._sent_on_to = ""
        return None
