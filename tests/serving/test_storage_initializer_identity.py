"""Who the storage initializer is: to the node it runs on, and to registries."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from clients import client
from fault_proxy import forward_proxy
from registry_fixture import HTPASSWD, PASSWORD, USERNAME, Served, free_port, serve_registry
from serving_kits import FLAT, read, write
from storage_initializing import initialize

import kitops_core as kitops
from kitops_core import Registries
from kitops_core.serving.cluster_credentials import cluster_registries


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """What KServe mounts: a directory that is there, and empty."""
    path = tmp_path / "mnt" / "models"
    path.mkdir(parents=True)
    return path


_AS_ANOTHER_USER = """\
import os, sys
from kitops_core.cli.storage_initializer import run
first, second, source, user, home = sys.argv[1:]
if os.geteuid() == 0:  # whose interpreter may lie where others cannot read: what is imported late is imported first
    assert run([source, first]) == 0
    os.setgroups([])
    os.setgid(int(user))
    os.setuid(int(user))
for name in ("HOME", "KITOPS_HOME", "TMPDIR"):
    os.environ.pop(name, None)
if home:
    os.environ["HOME"] = home

written = set()
def hook(event, args):
    if event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        written.add(os.fsdecode(args[0]))
    if event in ("os.mkdir", "os.rename", "os.symlink", "os.link"):
        written.update(os.fsdecode(arg) for arg in args[:2] if isinstance(arg, (str, bytes, os.PathLike)))
sys.addaudithook(hook)
code = run([source, second])
absolute = [path for path in written if path.startswith("/") and path != "/dev/null"]
assert absolute and all(path.startswith(second) for path in absolute), absolute
sys.exit(code)
"""


@pytest.mark.parametrize(("user", "home"), [(65534, "/nonexistent"), (54321, "")])
def test_another_user_without_a_home_on_a_read_only_root_writes_nothing_but_the_directory(
    auth_registry: Served, tmp_path: Path, user: int, home: str
) -> None:
    """Run by root, it becomes that user; run by anybody else, it stays who it is."""
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_uid == os.geteuid() and not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o055)
    read_only, models = tmp_path / "read-only", tmp_path / "models"
    models.mkdir()
    read_only.mkdir()
    docker_secret(read_only / ".dockerconfigjson", auth_registry.address)
    reference = f"{auth_registry.address}/serving/churn:1.0"
    client(
        registries=Registries(
            {reference.partition("/")[0]: kitops.RegistryOptions(username=USERNAME, password=PASSWORD)}
        )
    ).pack(write(tmp_path / "kit"), reference, push=True)
    if os.geteuid() == 0:
        os.chown(models, user, user)
    read_only.chmod(0o555)
    done = subprocess.run(
        [
            *(sys.executable, "-W", "ignore", "-c", _AS_ANOTHER_USER),
            *(tmp_path / "first", models, f"kit://{reference}", str(user), home),
        ],
        cwd=read_only,
        env={**os.environ, "DOCKER_CONFIG": str(read_only)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert read(models) == FLAT
    assert {path.stat().st_uid for path in models.iterdir()} == {user if os.geteuid() == 0 else os.geteuid()}
    assert os.listdir(read_only) == [".dockerconfigjson"]


def docker_secret(path: Path, registry: str, user: str = USERNAME, password: str = PASSWORD) -> None:
    """Credentials as Kubernetes mounts them."""
    auth = base64.b64encode(f"{user}:{password}".encode()).decode()
    path.write_text(json.dumps({"auths": {registry: {"auth": auth}}}))


class TestCredentials:
    @pytest.fixture
    def closed(self, auth_registry: Served, tmp_path: Path) -> str:
        """A kit in a registry that wants a user name and a password."""
        reference = f"{auth_registry.address}/serving/closed:1.0"
        options = kitops.RegistryOptions(username=USERNAME, password=PASSWORD)
        client(registries=Registries({auth_registry.address: options})).pack(
            write(tmp_path / "kit"), reference, push=True
        )
        return f"kit://{reference}"

    def test_none_are_denied_and_leave_nothing(self, closed: str, models: Path) -> None:
        ran = initialize(closed, models)
        assert ran.code == 5
        assert os.listdir(models) == []

    def test_user_and_password(self, closed: str, models: Path) -> None:
        assert initialize(closed, models, KIT_USER=USERNAME, KIT_PASSWORD=PASSWORD).code == 0
        assert read(models) == FLAT

    def test_a_wrong_password_is_denied_and_shown_nowhere(self, closed: str, models: Path) -> None:
        ran = initialize(closed, models, KIT_USER=USERNAME, KIT_PASSWORD="hunter2", KITOPS_DEBUG="")
        assert ran.code == 5
        assert "hunter2" not in ran.out + ran.err

    @pytest.mark.parametrize(("given", "missing"), [("KIT_USER", "KIT_PASSWORD"), ("KIT_PASSWORD", "KIT_USER")])
    def test_half_of_them_is_an_error(self, closed: str, models: Path, given: str, missing: str) -> None:
        ran = initialize(closed, models, **{given: "x"})
        assert ran.code == 3
        assert f"{missing} is missing" in ran.err

    @pytest.mark.parametrize("name", ["config.json", ".dockerconfigjson"])
    def test_a_docker_secret(self, closed: str, tmp_path: Path, models: Path, name: str) -> None:
        (tmp_path / "secret").mkdir()
        docker_secret(tmp_path / "secret" / name, closed.removeprefix("kit://").partition("/")[0])
        assert initialize(closed, models, DOCKER_CONFIG=str(tmp_path / "secret")).code == 0
        assert read(models) == FLAT

    def test_a_credential_file(self, closed: str, tmp_path: Path, models: Path) -> None:
        docker_secret(tmp_path / "auth.json", closed.removeprefix("kit://").partition("/")[0])
        assert initialize(closed, models, REGISTRY_AUTH_FILE=str(tmp_path / "auth.json")).code == 0


GAR = "europe-west1-docker.pkg.dev"


class MetadataServer(ThreadingHTTPServer):
    """A fake of Google's metadata server: it gives the test registry's password as a token."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.fail_first = 0
        super().__init__(("127.0.0.1", 0), _MetadataHandler)


class _MetadataHandler(BaseHTTPRequestHandler):
    server: MetadataServer  # type: ignore[assignment]

    def do_GET(self) -> None:
        self.server.seen.append(self.path)
        if self.headers.get("Metadata-Flavor") != "Google" or len(self.server.seen) <= self.server.fail_first:
            self.send_error(503 if self.headers.get("Metadata-Flavor") else 403)
            return
        body = json.dumps({"access_token": PASSWORD, "expires_in": 3599, "token_type": "Bearer"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def metadata() -> Iterator[MetadataServer]:
    with MetadataServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.slow
class TestGoogle:
    """An Artifact Registry that is a registry of the tests, found by a proxy under Google's name."""

    @pytest.fixture
    def garden(self, tmp_path: Path) -> Iterator[dict[str, str]]:
        """The environment in which the registry is found."""
        user = HTPASSWD.replace(f"{USERNAME}:", "oauth2accesstoken:")
        extra = "auth: {htpasswd: {realm: test, path: {root}/htpasswd}}\n"
        with serve_registry(extra, files={"htpasswd": user}) as served, forward_proxy({GAR: served.address}) as proxy:
            options = kitops.RegistryOptions(username="oauth2accesstoken", password=PASSWORD)
            client(registries=Registries({served.address: options})).pack(
                write(tmp_path / "kit"), f"{served.address}/ml/churn:1.0", push=True
            )
            yield {
                "KIT_UNPACK_FLAGS": f"--plain-http --proxy http://{proxy.address}",
                "GCP_WIF": "1",
                "GCP_GAR_LOCATION": "europe-west1",
            }

    def test_a_token_of_the_metadata_server(
        self, garden: dict[str, str], metadata: MetadataServer, models: Path
    ) -> None:
        metadata.fail_first = 1
        host = f"127.0.0.1:{metadata.server_address[1]}"
        ran = initialize(f"kit://{GAR}/ml/churn:1.0", models, **garden, GCE_METADATA_HOST=host)
        assert ran.code == 0, ran
        assert read(models) == FLAT
        assert metadata.seen == ["/computeMetadata/v1/instance/service-accounts/default/token"] * 2
        assert PASSWORD not in ran.out + ran.err

    def test_no_other_registry_is_sent_it(self, auth_registry: Served, metadata: MetadataServer, models: Path) -> None:
        host = f"127.0.0.1:{metadata.server_address[1]}"
        google = {"GCP_WIF": "1", "GCP_GAR_LOCATION": "europe-west1", "GCE_METADATA_HOST": host}
        ran = initialize(f"kit://{auth_registry.address}/serving/churn:1.0", models, **google)
        assert ran.code in (4, 5)
        assert metadata.seen == []

    def test_the_location_is_needed(self, models: Path) -> None:
        ran = initialize(f"kit://{GAR}/ml/churn:1.0", models, GCP_WIF="1")
        assert ran.code == 3
        assert "GCP_GAR_LOCATION is not" in ran.err

    def test_a_metadata_server_that_is_not_there(self, models: Path) -> None:
        google = {"GCP_WIF": "1", "GCP_GAR_LOCATION": "europe-west1", "GCE_METADATA_HOST": f"127.0.0.1:{free_port()}"}
        ran = initialize(f"kit://{GAR}/ml/churn:1.0", models, **google)
        assert ran.code == 5
        assert "cannot be reached" in ran.err

    def test_a_key_file_that_cannot_be_used_is_not_shown(self, tmp_path: Path, models: Path) -> None:
        pytest.importorskip("google.auth", reason="google-auth is not installed")
        (tmp_path / "key.json").write_text('{"type": "service_account", "private_key": "hunter2"}')
        google = {
            "GCP_WIF": "1",
            "GCP_GAR_LOCATION": "europe-west1",
            "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "key.json"),
        }
        ran = initialize(f"kit://{GAR}/ml/churn:1.0", models, **google)
        assert ran.code == 5
        assert "Google gave no token" in ran.err
        assert "hunter2" not in ran.err


def test_amazons_region_becomes_the_default_where_none_is_set() -> None:
    environ = {"AWS_ROLE_ARN": "arn:aws:iam::1:role/x", "AWS_ECR_REGION": "eu-west-1"}
    cluster_registries("1.dkr.ecr.eu-west-1.amazonaws.com", environ, {})
    assert environ["AWS_DEFAULT_REGION"] == "eu-west-1"
    environ = {"AWS_REGION": "eu-north-1", "AWS_ECR_REGION": "eu-west-1"}
    cluster_registries("1.dkr.ecr.eu-west-1.amazonaws.com", environ, {})
    assert "AWS_DEFAULT_REGION" not in environ
