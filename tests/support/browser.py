"""A real headless browser for the tests, driven over its debugging pipe (the Chrome DevTools Protocol)."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PROGRAMS = ("chromium-headless-shell", "chromium", "google-chrome")
MISSING = f"no browser on PATH (none of {', '.join(PROGRAMS)}): `make browser` installs one where it can"

# Becomes the browser, once the two pipes have the numbers that it expects: 3 to read from, 4 to write to.
_PLACE = """
import fcntl, os, sys
to_read, to_write = (fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3])
os.dup2(to_read, 3)
os.dup2(to_write, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Page:
    """One page of a browser.

    Attributes:
        requested: URLs that the page asked for since it was opened.
    """

    def __init__(self, process: subprocess.Popen[bytes], to_browser: Any, from_browser: Any) -> None:
        self._process = process
        self._out = to_browser
        self._in = from_browser
        self._number = 0
        self._session = ""
        self._events: list[dict[str, Any]] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol and wait for its answer."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self._out.write(json.dumps(message).encode() + b"\0")
        self._out.flush()
        while (answer := self._receive()).get("id") != self._number:
            self._events.append(answer)
        assert "error" not in answer, (method, answer)
        return answer["result"]

    def open(self, path: Path, *, width: int = 1280, height: int = 900, scheme: str = "light", media: str = "") -> None:
        """Show a file, as wide and in the colour scheme or on the medium asked for."""
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.send("Emulation.setEmulatedMedia", media=media, features=features)
        self.visit(path.absolute().as_uri())

    def visit(self, url: str) -> None:
        """Show what is at a URL."""
        self._events.clear()
        self.send("Page.navigate", url=url)
        self._loaded()

    def follow(self, key: str) -> None:
        """Press a key that leads to another page, and wait for that."""
        self._events.clear()
        self.press(key)
        self._loaded()

    def _loaded(self) -> None:
        while not any(event.get("method") == "Page.loadEventFired" for event in self._events):
            self._events.append(self._receive())

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        answer = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        """Press and release a key."""
        codes = {"Tab": 9, "Enter": 13}
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=codes[key], **text)

    def screenshot(self, path: Path) -> None:
        """Write the whole page as a PNG."""
        answer = self.send("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(answer["data"]))

    @property
    def requested(self) -> list[str]:
        """URLs that were asked for, the page's own first."""
        self.run("1")  # whatever was under way has been told of
        sent = [event for event in self._events if event.get("method") == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in sent]

    @property
    def complaints(self) -> list[str]:
        """What the browser logged: refused scripts, styles and requests."""
        self.run("1")
        logged = [event for event in self._events if event.get("method") == "Log.entryAdded"]
        return [event["params"]["entry"]["text"] for event in logged]

    def _receive(self) -> dict[str, Any]:
        data = bytearray()
        while (byte := self._in.read(1)) != b"\0":
            assert byte, f"the browser left with {self._process.poll()}"
            data += byte
        return json.loads(data)


@contextmanager
def browser_page() -> Iterator[Page]:
    """A page of a browser that ends with the block; skips the test where there is no browser."""
    program = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip(MISSING)
    to_read, to_write = os.pipe()
    back_read, back_write = os.pipe()

    with tempfile.TemporaryDirectory(prefix="kitops-browser-", ignore_cleanup_errors=True) as profile:
        flags = ["--no-sandbox", "--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
        flags += ["--remote-debugging-pipe", f"--user-data-dir={profile}"]
        with (
            subprocess.Popen(
                [sys.executable, "-c", _PLACE, str(to_read), str(back_write), program, *flags],
                pass_fds=(to_read, back_write),
                stderr=subprocess.DEVNULL,
            ) as process,
            os.fdopen(to_write, "wb") as to_browser,
            os.fdopen(back_read, "rb") as from_browser,
        ):
            os.close(to_read)
            os.close(back_write)
            try:
                page = Page(process, to_browser, from_browser)
                yield page
                page.send("Browser.close")
            finally:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
