"""Pack, push, pull, copy and unpack against a real registry."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from clients import client
from registry_fixture import Served, serve_registry

import kitops_core as kitops
from kitops_core import Registries
from kitops_core.events import Event

KITFILE = """\
manifestVersion: 1.0.0
package: {name: churn}
model: {name: churn, path: model.bin}
code: [{path: src}]
docs: [{path: README.md}]
"""


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    root = tmp_path / "bundle"
    (root / "src").mkdir(parents=True)
    (root / "Kitfile").write_text(KITFILE)
    (root / "model.bin").write_bytes(os.urandom(3 * 1024 * 1024))
    (root / "src" / "train.py").write_text("print('train')\n")
    (root / "README.md").write_text("# churn\n")
    time.sleep(0.03)  # past the clock tick within which files would be read again, to be safe
    return root


@pytest.fixture
def name(registry: str) -> str:
    """A repository that no other test uses."""
    return f"{registry}/test/{uuid.uuid4().hex[:12]}"


def files(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def written_below(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def test_packing_straight_to_a_registry_keeps_nothing_here(bundle: Path, name: str, home: Path) -> None:
    record = kitops.pack(bundle, f"{name}:1", push=True)
    assert record.changed
    assert record.sent > 3 * 1024 * 1024
    assert kitops.list_kits() == []
    assert written_below(home) < 100_000
    assert [kit.digest for kit in kitops.list_kits(name)] == [record.digest]


def test_packing_to_the_registry_and_to_the_store_gives_the_same_kit(bundle: Path, name: str) -> None:
    there = kitops.pack(bundle, f"{name}:1", push=True)
    here = kitops.pack(bundle, f"{name}:2")
    assert here.digest == there.digest


def test_an_unchanged_pack_sends_nothing(bundle: Path, name: str) -> None:
    first = kitops.pack(bundle, f"{name}:1", push=True)
    events: list[Event] = []
    second = client(on_event=events.append).pack(bundle, f"{name}:1", push=True)
    assert (second.digest, second.changed, second.sent) == (first.digest, False, 0)
    assert not [event for event in events if event.phase == "advance"]


def test_only_the_layer_that_changed_is_sent(bundle: Path, name: str) -> None:
    first = kitops.pack(bundle, f"{name}:1", push=True)
    (bundle / "src" / "train.py").write_text("print('better')\n")
    second = kitops.pack(bundle, f"{name}:1", push=True)
    assert second.changed
    assert second.previous_digest == first.digest
    assert [layer.outcome for layer in second.layers] == ["present", "written", "present"]
    assert second.sent == second.layers[1].size


def test_of_two_that_push_one_tag_the_later_says_what_it_replaced(bundle: Path, name: str) -> None:
    kitops.pack(bundle, f"{name}:1", push=True)
    (bundle / "src" / "train.py").write_text("print('ours')\n")
    others: list[str] = []

    def meanwhile(event: Event) -> None:
        if event.name == "src" and not others:
            others.append("")
            other = kitops.Contents(docs=[bundle / "README.md"])
            others[0] = kitops.pack(other, f"{name}:1", push=True).digest

    with kitops.Client(on_event=meanwhile) as ours:
        record = ours.pack(bundle, f"{name}:1", push=True)
    assert (record.changed, record.previous_digest) == (True, others[0])


def test_another_repository_of_the_registry_takes_the_layers_without_sending(bundle: Path, name: str) -> None:
    kitops.pack(bundle, f"{name}:1", push=True)
    second = kitops.pack(bundle, f"{name}-prod:1", push=True)
    assert {layer.outcome for layer in second.layers} == {"mounted"}
    assert second.sent == 0


def test_push_and_pull_keep_the_digest(bundle: Path, name: str, tmp_path: Path) -> None:
    packed = kitops.pack(bundle, f"{name}:1")
    pushed = kitops.push(f"{name}:1")
    assert pushed.digest == packed.digest
    assert pushed.changed
    assert pushed.sent == pushed.size
    again = kitops.push(f"{name}:1")
    assert not again.changed
    assert (again.sent, again.reused) == (0, again.size)
    other = tmp_path / "other-store"
    pulled = client(store=other).pull(f"{name}:1")
    assert pulled.digest == packed.digest
    assert pulled.sent == pulled.size
    assert client(store=other).unpack(f"{name}:1", tmp_path / "out", where="store").digest == packed.digest
    assert files(tmp_path / "out") == {"Kitfile", "model.bin", "src/train.py", "README.md"}


def test_push_to_another_name(bundle: Path, name: str) -> None:
    kitops.pack(bundle, "churn:1")
    record = kitops.push("churn:1", f"{name}:from-local")
    assert [kit.tag for kit in kitops.list_kits(name)] == ["from-local"]
    assert record.reference == f"{name}:from-local"
    with pytest.raises(kitops.InvalidReferenceError, match="names no registry"):
        kitops.push("churn:1")


def test_a_copy_between_registries_keeps_the_digest(bundle: Path, name: str) -> None:
    record = kitops.pack(bundle, f"{name}:1", push=True)
    with serve_registry() as second:
        copied = kitops.copy(f"{name}:1", f"{second.address}/mirror:1", where="registry")
        assert copied.digest == record.digest
        assert copied.sent == copied.size
        mirrored = kitops.copy(f"{second.address}/mirror:1", f"{second.address}/prod:1", where="registry")
        assert mirrored.sent == 0


def test_the_local_store_comes_first_unless_told_otherwise(bundle: Path, name: str) -> None:
    there = kitops.pack(bundle, f"{name}:1", push=True)
    with kitops.open(f"{name}:1") as kit:
        assert kit.remote
    (bundle / "README.md").write_text("# local\n")
    here = kitops.pack(bundle, f"{name}:1")
    with kitops.open(f"{name}:1") as kit:
        assert (kit.remote, kit.digest) == (False, here.digest)
    with kitops.open(f"{name}:1", where="registry") as kit:
        assert (kit.remote, kit.digest) == (True, there.digest)
        assert kit.read("README.md") == b"# churn\n"


def test_what_is_in_neither_place_is_said_with_both(name: str) -> None:
    with pytest.raises(kitops.NotFoundError, match="not in the local store and not in"):
        kitops.open(f"{name}:1")


def test_an_altered_blob_in_the_registry_never_reaches_the_target(bundle: Path, tmp_path: Path) -> None:
    with serve_registry() as served:
        record = kitops.pack(bundle, f"{served.address}/churn:1", push=True)
        blob = served.blob_path(record.layers[0].digest)
        data = bytearray(blob.read_bytes())
        data[2000] ^= 1
        blob.write_bytes(data)
        with pytest.raises(kitops.IntegrityError, match="was altered"):
            kitops.unpack(f"{served.address}/churn:1", tmp_path / "out")
        assert not (tmp_path / "out").exists()
        with pytest.raises(kitops.IntegrityError, match="was altered"):
            kitops.pull(f"{served.address}/churn:1")
        assert kitops.list_kits() == []


def test_without_credentials_a_registry_denies_and_with_them_it_does_not(
    bundle: Path, auth_registry: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    from registry_fixture import PASSWORD, USERNAME

    with pytest.raises(kitops.DeniedError) as caught:
        kitops.pack(bundle, f"{auth_registry.address}/churn:1", push=True)
    assert caught.value.hint
    options = kitops.RegistryOptions(username=USERNAME, password=PASSWORD)
    assert PASSWORD not in repr(options)
    assert (
        client(registries=Registries({auth_registry.address: options}))
        .pack(bundle, f"{auth_registry.address}/churn:1", push=True)
        .changed
    )


def test_a_push_that_is_cancelled_leaves_no_tag(bundle: Path, name: str) -> None:
    cancel = kitops.Cancel()
    with pytest.raises(kitops.CancelledError):
        client(on_event=lambda _: cancel.cancel(), cancel=cancel).pack(bundle, f"{name}:1", push=True)
    with pytest.raises(kitops.NotFoundError):
        kitops.open(f"{name}:1")


@pytest.mark.slow
def test_a_killed_push_leaves_no_tag_and_the_next_one_completes(bundle: Path, name: str, home: Path) -> None:
    (bundle / "model.bin").write_bytes(os.urandom(64 * 1024 * 1024))
    script = (
        "import sys, kitops_core as kitops; "
        "client = kitops.Client(on_event=lambda event: print(event.phase, flush=True)); "
        "client.pack(sys.argv[1], sys.argv[2], push=True)"
    )
    for stop_at in ("start", "advance"):
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(bundle), f"{name}:1"], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == stop_at:
                break
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        with pytest.raises(kitops.NotFoundError):
            kitops.open(f"{name}:1")
    assert kitops.pack(bundle, f"{name}:1", push=True).changed


def test_a_fresh_checkout_of_the_same_files_sends_nothing(bundle: Path, name: str, tmp_path: Path) -> None:
    first = kitops.pack(bundle, f"{name}:1", push=True)
    for path in bundle.rglob("*"):
        os.utime(path)
    second = client(store=tmp_path / "another-machine").pack(bundle, f"{name}:1", push=True)
    assert (second.digest, second.changed, second.sent) == (first.digest, False, 0)
    assert {layer.outcome for layer in second.layers} == {"present"}


def test_a_file_that_changed_and_kept_its_size_is_sent(bundle: Path, name: str) -> None:
    first = kitops.pack(bundle, f"{name}:1", push=True)
    (bundle / "README.md").write_text("# CHURN\n")
    second = kitops.pack(bundle, f"{name}:1", push=True)
    assert second.digest != first.digest
    assert [layer.outcome for layer in second.layers] == ["present", "present", "written"]
