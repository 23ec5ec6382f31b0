"""A real registry for the tests: the ``docker-registry`` program on a free loopback port.

Where it cannot be had the tests fail with what to install; they never skip.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # it needs cryptography, which not every environment that serves registries has
    from token_server import TokenServer

PROGRAMS = ("docker-registry", "registry")
INSTALL = (
    "the tests need a registry: install one (`apt-get install docker-registry`, or `make registry`), "
    "or set KITOPS_TEST_REGISTRY=host:port to one that takes anonymous pushes over plain HTTP"
)

USERNAME = "tester"
PASSWORD = "correct-horse"  # of the test registries only
HTPASSWD = f"{USERNAME}:$2b$04$8WeEJd4hScp5LpYEemYxluTdlg2gEU.AJK.pLZDPkICFilKRCYdVe\n"

CONFIG = """version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {root}/data}}
  delete: {{enabled: {delete}}}
http:
  addr: {address}
"""


@dataclass(frozen=True)
class Served:
    """A running registry.

    Attributes:
        address: ``127.0.0.1:port``.
        root: The directory with its configuration, its log and, below ``data``, its storage.
    """

    address: str
    root: Path

    def blob_path(self, digest: str) -> Path:
        """Where a blob's bytes lie, for tests that alter them."""
        algorithm, _, value = digest.partition(":")
        return self.root / "data/docker/registry/v2/blobs" / algorithm / value[:2] / value / "data"


@dataclass(frozen=True)
class TlsRegistry:
    """A registry that speaks TLS and wants a client certificate.

    Attributes:
        address: ``127.0.0.1:port``.
        ca: PEM file of the authority of both certificates.
        client: PEM file of the client's certificate and key.
    """

    address: str
    ca: Path
    client: Path


@dataclass(frozen=True)
class TokenRegistry:
    """A registry that wants bearer tokens, and the service that gives them."""

    address: str
    service: TokenServer


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def scratch_directory() -> str | None:
    """Where a registry's bytes go: memory where there is some, so that tests do not wait for a disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@contextmanager
def serve_registry(
    extra: str = "", *, scheme: str = "http", files: Mapping[str, str] | None = None, delete: bool = True
) -> Iterator[Served]:
    """Run a registry until the block ends.

    Args:
        extra: More YAML for its configuration; ``{root}`` stands for its directory.
        scheme: ``https`` where ``extra`` configures TLS; only then is a bare connection enough to call it up.
        files: Files to write below its directory first, by name.
        delete: Whether it deletes manifests.
    """
    program = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        pytest.fail(INSTALL, pytrace=False)
    with tempfile.TemporaryDirectory(prefix="kitops-registry-", dir=scratch_directory()) as name:
        root = Path(name)
        for file, text in (files or {}).items():
            (root / file).write_text(text)
        address = f"127.0.0.1:{free_port()}"
        config = root / "config.yml"
        config.write_text(
            CONFIG.format(root=root, address=address, delete=str(delete).lower()) + extra.replace("{root}", str(root))
        )
        with _serving([program, "serve", str(config)], address, scheme, root / "log"):
            yield Served(address, root)


@contextmanager
def serve_zot(program: str) -> Iterator[str]:
    """Run ``zot``, a registry with the referrers API, until the block ends; its ``host:port``."""
    with tempfile.TemporaryDirectory(prefix="kitops-registry-", dir=scratch_directory()) as name:
        root, port = Path(name), free_port()
        settings = {
            "distSpecVersion": "1.1.1",
            "storage": {"rootDirectory": str(root / "data"), "gc": False},
            "http": {"address": "127.0.0.1", "port": str(port)},
            "log": {"level": "error"},
        }
        config = root / "config.json"
        config.write_text(json.dumps(settings))
        address = f"127.0.0.1:{port}"
        with _serving([program, "serve", str(config)], address, "http", root / "log"):
            yield address


@contextmanager
def _serving(command: list[str], address: str, scheme: str, log: Path) -> Iterator[None]:
    go = {name: value for name, value in os.environ.items() if name == "GOGC"}
    with (
        log.open("wb") as output,
        subprocess.Popen(command, stdout=output, stderr=output, env={"PATH": "", **go}) as process,
    ):
        try:
            _wait(process, address, scheme, log)
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(process: subprocess.Popen[bytes], address: str, scheme: str, log: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        if _answers(address, scheme):
            return
        time.sleep(0.02)
    pytest.fail(f"the test registry did not come up on {address}: {log.read_text()[-2000:]}", pytrace=False)


def _answers(address: str, scheme: str) -> bool:
    host, _, port = address.partition(":")
    try:
        if scheme == "https":
            socket.create_connection((host, int(port)), timeout=1).close()
            return True
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        opener.open(f"http://{address}/v2/", timeout=2).close()
    except urllib.error.HTTPError as error:
        with error:
            return error.code == 401
    except OSError:
        return False
    return True
