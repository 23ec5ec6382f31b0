"""Importing from the Hugging Face Hub when something is wrong: networks, digests, names, rights.

The real client and a real registry, before a stand-in for the Hub that misbehaves.
"""

from __future__ import annotations

import threading
import uuid
from pathlib import Path

import pytest
from clients import client
from fault_proxy import FaultProxy, drop
from hub_imports import FILES, QUICK, imported, nothing_at, provenance
from hub_server import PIECE, TOKEN, Fault, Hub, MadeUp

import kitops_core as kitops
from kitops_core import Registries
from kitops_core.errors import (
    DeniedError,
    IntegrityError,
    InvalidInputError,
    NotFoundError,
    RegistryError,
    UnsafeLayerError,
)

hub_api = pytest.importorskip("huggingface_hub", reason="the huggingface extra is not installed")


@pytest.fixture
def name(registry: str) -> str:
    return f"{registry}/imported/{uuid.uuid4().hex[:12]}"


@pytest.mark.parametrize("no_range", [False, True])
def test_a_dropped_connection_is_taken_up_where_it_broke(hub: Hub, name: str, no_range: bool) -> None:
    weights = MadeUp(3_000_000)
    hub.repo("acme/tiny").commit({**FILES, "model.safetensors": weights})
    hub.faults += [Fault("cdn/.*safetensors", cut=700_000), Fault("cdn/.*safetensors", cut=900_000, no_range=no_range)]
    hub.faults += [Fault("cdn/.*safetensors", no_range=no_range)]
    record = imported("acme/tiny", name)
    assert f"sha256:{weights.digest('sha256')}" in {layer.digest for layer in record.layers}
    ranges = [seen.range for seen in hub.seen if "/cdn/" in seen.path]
    assert ranges[0] == ""
    assert len(ranges) == 3
    assert all(asked.startswith("bytes=") for asked in ranges[1:])


@pytest.mark.parametrize(
    "path", ["resolve/.*config.json", "cdn/.*safetensors", "resolve/.*safetensors", "revision/|models/acme/tiny$"]
)
@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_the_hub_refuses_for_a_while_is_asked_again(hub: Hub, name: str, path: str, status: int) -> None:
    hub.repo("acme/tiny").commit(FILES)
    hub.faults.append(Fault(path, times=2, status=status))
    assert imported("acme/tiny", name).changed


def test_the_hub_says_how_long_to_wait(hub: Hub, name: str) -> None:
    hub.repo("acme/tiny").commit(FILES)
    hub.faults.append(Fault("cdn/.*safetensors", status=429, headers={"Retry-After": "1"}))
    said: list[str] = []
    imported("acme/tiny", name, on_event=lambda event: said.append(event.detail))
    assert "the Hub answers 429; trying again in 1 s" in said


def test_a_hub_that_stays_broken_is_named(hub: Hub, name: str) -> None:
    hub.repo("acme/tiny").commit(FILES)
    hub.faults.append(Fault("cdn/", times=99, status=500))
    with pytest.raises(
        RegistryError, match=r"cannot read 'model.safetensors' of hf://acme/tiny@\w+: the Hub answered 500"
    ):
        imported("acme/tiny", name)
    assert nothing_at(name)


def test_a_hub_that_is_silent_is_not_waited_for_for_ever(hub: Hub, name: str) -> None:
    hub.repo("acme/tiny").commit(FILES)
    hub.faults.append(Fault("/tree/", times=9, delay=30))
    impatient = kitops.RegistryOptions(timeout=0.2, keep_trying=0.3, backoff=0.01)
    with pytest.raises(RegistryError, match=r"list the files of hf://acme/tiny@\w+: the Hub did not answer in 2 s"):
        client(registries=Registries(others=impatient)).import_kit("acme/tiny", f"{name}:1", push=True)


def test_a_silent_hub_does_not_keep_who_wants_to_stop(hub: Hub, name: str) -> None:
    hub.repo("acme/tiny").commit(FILES)
    hub.faults.append(Fault("revision/|models/acme/tiny$", times=9, delay=30))
    cancel = kitops.Cancel()
    threading.Timer(0.5, cancel.cancel).start()
    with pytest.raises(kitops.CancelledError):
        imported("acme/tiny", name, cancel=cancel)


def flipped(piece: bytes) -> bytes:
    return bytes([piece[0] ^ 1]) + piece[1:]


@pytest.mark.parametrize("path", ["model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("push", [True, False])
def test_altered_bytes_are_refused_and_nothing_is_tagged(hub: Hub, name: str, path: str, push: bool) -> None:
    hub.repo("acme/tiny").commit(FILES)
    hub.faults.append(Fault(rf"(cdn|resolve)/.*{path}", times=99, alter=flipped))
    with pytest.raises(IntegrityError, match=f"'{path}' of hf://acme/tiny"):
        client(registries=Registries(others=QUICK)).import_kit("acme/tiny", f"{name}:1", push=push)
    assert nothing_at(name)


def test_a_wrong_digest_told_by_the_hub_is_refused(hub: Hub, name: str) -> None:
    repo = hub.repo("acme/tiny")
    repo.commit(FILES)
    repo.lfs_digests["model.safetensors"] = "1" * 64
    with pytest.raises(IntegrityError, match=r"'model.safetensors' .* from the Hub: blob sha256:1{64} was altered"):
        imported("acme/tiny", name)
    del repo.lfs_digests["model.safetensors"]
    repo.git_oids["config.json"] = "2" * 40
    with pytest.raises(IntegrityError, match=r"'config.json' .* was altered: the Hub announced git blob 2{40}"):
        imported("acme/tiny", name)
    assert nothing_at(name)


@pytest.mark.parametrize("more", [-1, 1])
@pytest.mark.parametrize("path", ["model.safetensors", "tokenizer.json"])
def test_a_file_of_another_size_than_announced_is_refused(hub: Hub, name: str, path: str, more: int) -> None:
    repo = hub.repo("acme/tiny")
    repo.commit(FILES)
    repo.sizes[path] = len(FILES[path]) + more
    with pytest.raises((RegistryError, IntegrityError), match=f"'{path}' of hf://acme/tiny"):
        imported("acme/tiny", name)
    assert nothing_at(name)


@pytest.mark.parametrize("access", ["private", "gated"])
def test_a_token_opens_what_is_closed_and_goes_to_the_hub_only(hub: Hub, name: str, access: str) -> None:
    hub.repo("acme/closed").commit(FILES)
    hub.repo("acme/closed").access = access
    with pytest.raises(DeniedError) as denied:
        imported("acme/closed", name, token="hf_wrong_token_wrong_token")
    assert "HF_TOKEN" in denied.value.hint
    assert "wrong_token" not in str(denied.value)
    assert imported("acme/closed", name, token=TOKEN).changed
    for seen in hub.seen:
        assert (TOKEN not in seen.token) == seen.host.startswith("localhost") or "wrong" in seen.token
    assert TOKEN not in str(provenance(f"{name}:1"))


def test_the_token_of_the_environment_is_used(hub: Hub, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.repo("acme/closed").commit(FILES)
    hub.repo("acme/closed").access = "private"
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert imported("acme/closed", name).changed


def test_the_token_that_was_saved_is_used(hub: Hub, name: str, home: Path) -> None:
    hub.repo("acme/closed").commit(FILES)
    hub.repo("acme/closed").access = "private"
    (home / "token").write_text(TOKEN)  # where `hf auth login` saves it, but for the directory
    assert imported("acme/closed", name).changed


@pytest.mark.parametrize(
    ("source", "ref", "error", "says"),
    [
        ("acme/none", "", DeniedError, "does not exist, or may not be read"),
        ("acme/tiny", "nowhere", NotFoundError, "no such revision"),
        ("acme/tiny@main", "", InvalidInputError, "not a repository"),
        ("spaces/acme/demo", "", InvalidInputError, "Space"),
        ("./model", "", InvalidInputError, "not a repository"),
        ("a/b/c", "", InvalidInputError, "not a repository"),
        ("https://models.example.com/acme/tiny", "", InvalidInputError, "not on the hub"),
        ("https://huggingface.co/acme/tiny/blob/main/config.json", "", InvalidInputError, "inside a repository"),
        ("hf://acme/tiny@v1", "v2", InvalidInputError, "names the revision"),
    ],
)
def test_what_cannot_be_imported_is_said(
    hub: Hub, name: str, source: str, ref: str, error: type[Exception], says: str
) -> None:
    hub.repo("acme/tiny").commit(FILES)
    with pytest.raises(error, match=says):
        imported(source, name, ref=ref)


@pytest.mark.parametrize("path", ["../evil.json", "a/../../evil.json", "/etc/passwd", "a//b", "half\ud800.json"])
def test_names_that_lead_out_are_refused(hub: Hub, name: str, path: str) -> None:
    hub.repo("acme/evil").commit({**FILES, path: b"x"})
    with pytest.raises(UnsafeLayerError, match="no path below a directory"):
        imported("acme/evil", name)


def test_a_cancelled_import_leaves_nothing(hub: Hub, name: str) -> None:
    hub.repo("acme/tiny").commit({**FILES, "model.safetensors": MadeUp(5_000_000)})
    cancel = kitops.Cancel()

    def on_event(event: kitops.Event) -> None:
        if event.phase == "advance" and event.name == "model.safetensors":
            cancel.cancel()

    with pytest.raises(kitops.CancelledError):
        imported("acme/tiny", name, on_event=on_event, cancel=cancel)
    assert nothing_at(name)


def test_a_registry_that_drops_an_upload_gets_the_file_again(hub: Hub, faults: FaultProxy) -> None:
    hub.repo("acme/tiny").commit({**FILES, "model.safetensors": MadeUp(3_000_000, seed=uuid.uuid4().int % 2**60)})
    faults.fault("PATCH", "/blobs/uploads/", drop(1_000_000))
    record = imported("acme/tiny", f"{faults.address}/imported/{uuid.uuid4().hex[:12]}")
    assert record.changed
    assert len([seen for seen in hub.seen if "/cdn/" in seen.path]) == 2


def test_offline_is_said(hub: Hub, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.repo("acme/tiny").commit(FILES)
    monkeypatch.setattr(hub_api.constants, "HF_HUB_OFFLINE", True)
    hub_api.close_session()
    try:
        with pytest.raises(InvalidInputError, match="HF_HUB_OFFLINE is set"):
            imported("acme/tiny", name)
    finally:
        hub_api.close_session()


def test_without_the_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(InvalidInputError) as refused:
        kitops.import_kit("acme/tiny")
    assert "kitops-core[huggingface]" in refused.value.hint


def test_an_endpoint_that_is_not_there_is_named(hub: Hub, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_api.constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(RegistryError, match=r"find hf://acme/tiny: http://127.0.0.1:9 cannot be reached"):
        imported("acme/tiny", name)


@pytest.mark.usefixtures("quiet_processor")
@pytest.mark.parametrize("fault", [None, Fault("cdn/.*weights", times=9, no_range=True), Fault("cdn/.*weights", cut=9)])
def test_a_large_file_comes_by_several_connections_where_each_is_slow(hub: Hub, name: str, fault: Fault | None) -> None:
    weights = MadeUp(32 * 1024 * 1024 + 7)
    hub.repo("acme/large").commit({"weights.bin": weights})
    hub.slow, hub.pause = "weights.bin", PIECE / 20e6
    if fault is not None:  # the first connection is spared
        hub.faults += [Fault("cdn/.*weights"), fault]
    record = imported("acme/large", name)
    assert f"sha256:{weights.digest('sha256')}" in {layer.digest for layer in record.layers}
    ranges = [seen.range for seen in hub.seen if "/cdn/" in seen.path]
    assert ranges[0] == ""
    assert len(ranges) >= (2 if fault is not None and fault.no_range else 3)
    assert len(hub.fetched("weights.bin")) == 1
