"""Pictures of pages that draw themselves late, taken with a headless browser over its debugging protocol."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

BROWSERS = ("chromium-headless-shell", "chromium", "google-chrome")
STARTING_SECONDS = 60
DRAWING_SECONDS = 60
WIDTH = 1500


class Tab:
    """One tab of a browser."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = count(1)

    def ask(self, method: str, **parameters: Any) -> Any:
        """Call a method of the protocol; what it returns."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(timeout=60))
            if answer.get("id") == number:
                return answer["result"]

    def picture(self, url: str, file: Path, *, shows: str, height: int = 900, settle: float = 4.0) -> None:
        """Write a picture of a page.

        Args:
            url: The page.
            file: Where to.
            shows: A text that is on the page when it has drawn itself, and is not loading any more.
            height: The page's height.
            settle: Seconds to wait after that, for what moves.

        Raises:
            TimeoutError: The text did not appear, or the page went on loading.
        """
        self.ask("Emulation.setDeviceMetricsOverride", width=WIDTH, height=height, deviceScaleFactor=1, mobile=False)
        self.ask("Page.navigate", url=url)
        ends = time.monotonic() + DRAWING_SECONDS
        text = "document.body.innerText"
        script = f"{text}.includes({json.dumps(shows)}) && !{text}.includes('Loading')"
        while not self.ask("Runtime.evaluate", expression=script)["result"].get("value"):
            if time.monotonic() > ends:
                raise TimeoutError(f"'{shows}' did not appear on {url}")
            time.sleep(0.5)
        time.sleep(settle)
        file.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"]))


@contextmanager
def tab() -> Iterator[Tab]:
    """A tab of a headless browser that is gone when the block ends.

    Raises:
        FileNotFoundError: There is no browser on PATH.
    """
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise FileNotFoundError("there is no browser on PATH: install chromium-headless-shell")
    with tempfile.TemporaryDirectory(prefix="kitops-browser-") as profile:
        options = ["--headless", "--no-sandbox", "--remote-debugging-port=0", f"--user-data-dir={profile}"]
        process = subprocess.Popen(
            [browser, *options, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            with connect(_debugger(Path(profile)), max_size=None) as socket:
                yield Tab(socket)
        finally:
            process.terminate()
            process.wait(30)


def _debugger(profile: Path) -> str:
    """The address of the tab, which the browser writes into its profile when it is up."""
    ends = time.monotonic() + STARTING_SECONDS
    while time.monotonic() < ends:
        try:
            port = (profile / "DevToolsActivePort").read_text().splitlines()[0]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=5) as response:
                tabs = [each for each in json.load(response) if each["type"] == "page"]
            return str(tabs[0]["webSocketDebuggerUrl"])
        except (OSError, IndexError, urllib.error.URLError):
            time.sleep(0.2)
    raise TimeoutError("the browser did not start")
