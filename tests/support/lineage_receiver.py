"""A stand-in for what receives OpenLineage's events by HTTP, such as Marquez: it keeps them, or misbehaves as told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver:
    """Its address, and the events that it was sent.

    Attributes:
        url: For ``OPENLINEAGE_URL``.
        events: What arrived, in order.
        paths: Where it arrived.
        keys: The ``Authorization`` headers.
        status: What it answers.
        silent: While it is set, nobody gets an answer.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.events: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.keys: list[str | None] = []
        self.status = 201
        self.silent = threading.Event()
        self.released = threading.Event()

    def told(self) -> list[tuple[str, str]]:
        """The state and the job's name of each event."""
        return [(event["eventType"], event["job"]["name"]) for event in self.events]


@contextmanager
def lineage_receiver() -> Iterator[Receiver]:
    """A receiver on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if receiver.silent.is_set():
                receiver.released.wait(30)
                return
            receiver.events.append(json.loads(body))
            receiver.paths.append(self.path)
            receiver.keys.append(self.headers["Authorization"])
            self.send_response(receiver.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver = Receiver(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
