"""Credentials are for one host, a signer signs all that is said, and one promotion takes several registries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import yaml
from channels import Project
from registry_fixture import PASSWORD, USERNAME, Served
from runs import repository

import kitops_core as kitops
from prefect_kitops import (
    OCIRegistry,
    modelkit_promotion,
    pack_modelkit,
    promote_modelkit,
    pull_modelkit,
    resolve_modelkit,
    sign_modelkit,
)
from prefect_kitops.flows import plan_promotion

KEY = "of the tests only"


@contextmanager
def curious_registry() -> Iterator[tuple[str, list[str]]]:
    """A fake of a registry that asks everybody for a password: its address, and what it was told."""
    told: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.append(self.headers.get("Authorization", ""))
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="curious"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"127.0.0.1:{server.server_port}", told
        finally:
            server.shutdown()


def login(registry: Served) -> OCIRegistry:
    return OCIRegistry(host=registry.address, username=USERNAME, password=PASSWORD)


def two_registries(root: Path, first: str, second: str) -> tuple[str, str, str]:
    """A policy whose channels are in two registries: its file, and the repositories of ``dev`` and ``prod``."""
    dev, prod = repository(first), repository(second)
    channels = {"dev": None, "prod": {"from": "dev", "target": prod}}
    (root / "promotion.yaml").write_text(yaml.safe_dump({"kit": dev, "channels": channels}))
    return str(root / "promotion.yaml"), dev, prod


def test_credentials_of_one_host_go_to_no_other(auth_registry: Served, bundle: Path, tmp_path: Path) -> None:
    block = login(auth_registry)
    with curious_registry() as (curious, told):
        policy, dev, _ = two_registries(tmp_path, auth_registry.address, curious)
        pack_modelkit.fn(bundle, f"{dev}:dev", registry=block)
        with pytest.raises(kitops.DeniedError):
            promote_modelkit.fn("dev", to="prod", policy=policy, registry=block)
        with pytest.raises(kitops.DeniedError):
            resolve_modelkit.fn(f"{curious}/ml/churn:dev", registry=block)
    assert told
    assert set(told) == {""}


def test_one_promotion_goes_across_two_registries(
    auth_registry: Served, registry: str, bundle: Path, tmp_path: Path
) -> None:
    policy, dev, prod = two_registries(tmp_path, auth_registry.address, registry)
    digest = pack_modelkit.fn(bundle, f"{dev}:dev", registry=login(auth_registry)).digest
    blocks = [OCIRegistry(host=registry), login(auth_registry)]
    assert promote_modelkit.fn("dev", to="prod", policy=policy, registry=blocks).digest == digest
    assert kitops.resolve(f"{prod}:prod", where="registry") == digest


def signed_project(tmp_path: Path, registry: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Project, OCIRegistry]:
    """Channels that a kit must be signed for; the key is in the environment, its password too."""
    private, public = kitops.generate_key_pair(KEY.encode())
    (tmp_path / "release.pub").write_bytes(public)
    monkeypatch.setenv("RELEASE_KEY", private.decode())
    monkeypatch.setenv("COSIGN_PASSWORD", KEY)
    gates = [{"signed": {}}, {"metric": {"name": "accuracy", "min": 0.5}}]
    project = Project(tmp_path, registry, dev={}, staging={"from": "dev", "gates": gates})
    policy = yaml.safe_load(project.policy.read_text())
    project.policy.write_text(yaml.safe_dump({**policy, "trust": {"keys": ["release.pub"]}}, sort_keys=False))
    return project, OCIRegistry(host=registry, signer="env://RELEASE_KEY")


def test_what_is_packed_with_a_signer_passes_the_gates_that_ask_for_its_key(
    registry: str, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, release = signed_project(tmp_path, registry, monkeypatch)
    kit = pack_modelkit.fn(bundle, f"{project.kit}:dev", metrics={"accuracy": 0.9}, registry=release)
    promoted = promote_modelkit.fn(kit, to="staging", policy=str(project.policy), registry=release)
    assert promoted.digest == kit.digest == project.digest("staging")


def test_signing_after_a_pull_signs_in_the_registry(
    registry: str, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = repository(registry)
    kit = pack_modelkit.fn(bundle, f"{name}:dev")
    pull_modelkit.fn(kit)
    private, public = kitops.generate_key_pair(KEY.encode())
    monkeypatch.setenv("COSIGN_PASSWORD", KEY)
    (tmp_path / "release.key").write_bytes(private)
    (tmp_path / "release.pub").write_bytes(public)
    sign_modelkit.fn(f"{name}:dev", registry=OCIRegistry(host=registry, signer=str(tmp_path / "release.key")))
    assert kitops.verify(f"{name}:dev", keys=[tmp_path / "release.pub"], where="registry").digest == kit.digest


@pytest.mark.usefixtures("prefect_server")
def test_an_unsigned_figure_is_not_shown_to_who_approves_where_only_signed_ones_count(
    registry: str, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, release = signed_project(tmp_path, registry, monkeypatch)
    kit = pack_modelkit.fn(bundle, f"{project.kit}:dev", metrics={"accuracy": 0.51}, registry=release)
    kitops.attest_metrics(kit.reference, {"accuracy": 0.99, "charm": 1.0})
    plan = plan_promotion(kit.reference, "staging", str(project.policy))
    assert "| accuracy | 0.51 |" in plan["markdown"]
    assert "0.99" not in plan["markdown"]
    assert "charm" not in plan["markdown"]
    release.save("release", overwrite=True)
    promoted = modelkit_promotion(to="staging", policy=str(project.policy), registry="oci-registry/release")
    assert promoted.digest == kit.digest
