"""Push, pull, list, remove and gc where something is attached to kits."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
from attachments import attach
from cli_runner import ok
from clients import client
from fault_proxy import FaultProxy

import kitops_core as kitops
from kitops_core.errors import IntegrityError
from kitops_core.oci.manifest import Manifest
from kitops_core.storage.limits import MAX_REFERRERS_DEPTH
from kitops_core.storage.local import LocalRepository, LocalStore, collect_garbage
from kitops_core.storage.registry import RegistryRepository

pytestmark = pytest.mark.slow


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    root = tmp_path / "bundle"
    root.mkdir()
    (root / "Kitfile").write_text("manifestVersion: 1.0.0\npackage: {name: churn}\nmodel: {path: model.bin}\n")
    (root / "model.bin").write_bytes(b"weights")
    return root


@pytest.fixture
def name(either_faults: FaultProxy) -> str:
    """A repository that no other test uses, in either kind of registry."""
    return f"{either_faults.address}/test/{uuid4().hex[:12]}"


def attach_here(name: str, digest: str, content: bytes = b"signature") -> Manifest:
    """Attach something to a kit of the local store."""
    with closing(LocalRepository(LocalStore(), name)) as storage:
        return attach(storage, storage.manifest(digest), content)


def here(name: str, digest: str) -> list[str]:
    with closing(LocalRepository(LocalStore(), name)) as storage:
        return [descriptor.digest for descriptor in storage.referrers(digest)]


def there(name: str, digest: str) -> list[str]:
    with closing(RegistryRepository(*name.split("/", 1))) as storage:
        return [descriptor.digest for descriptor in storage.referrers(digest)]


def test_push_takes_what_is_attached_along(bundle: Path, name: str) -> None:
    kit = kitops.pack(bundle, f"{name}:1")
    signature = attach_here(name, kit.digest)
    countersigned = attach_here(name, signature.digest, b"countersignature")
    kitops.push(f"{name}:1", referrers=False)
    assert there(name, kit.digest) == []
    again = kitops.push(f"{name}:1")
    assert not again.changed
    assert there(name, kit.digest) == [signature.digest]
    assert there(name, signature.digest) == [countersigned.digest]


def test_what_is_attached_to_other_kits_stays_here(bundle: Path, name: str) -> None:
    first = kitops.pack(bundle, f"{name}:1")
    (bundle / "model.bin").write_bytes(b"other weights")
    second = kitops.pack(bundle, f"{name}:2")
    attach_here(name, first.digest)
    kitops.push(f"{name}:2")
    assert there(name, second.digest) == there(name, first.digest) == []


def test_a_push_with_nothing_attached_costs_no_request_for_it(
    bundle: Path, name: str, either_faults: FaultProxy
) -> None:
    kitops.pack(bundle, f"{name}:1")
    kitops.push(f"{name}:1")
    # The tag, the manifest, then the layer is looked for and sent, the config only sent, and its own tag
    # and the tag written.
    sent = [seen.method for seen in either_faults.seen]
    assert sorted(sent) == sorted(["HEAD", "HEAD", "HEAD", "POST", "PUT", "POST", "PUT", "PUT", "PUT"])
    either_faults.seen.clear()
    kitops.push(f"{name}:1")
    assert [seen.method for seen in either_faults.seen] == ["HEAD"]
    assert either_faults.count("GET") == 0


def test_pull_leaves_what_is_attached_unless_asked(bundle: Path, name: str, tmp_path: Path) -> None:
    kit = kitops.pack(bundle, f"{name}:1")
    signature = attach_here(name, kit.digest)
    kitops.push(f"{name}:1")
    stores = [tmp_path / "without", tmp_path / "with"]
    client(store=stores[0]).pull(f"{name}:1")
    client(store=stores[1]).pull(f"{name}:1", referrers=True)
    found = [LocalRepository(LocalStore(store), name).referrers(kit.digest) for store in stores]
    assert [[d.digest for d in some] for some in found] == [[], [signature.digest]]


def test_pull_mends_a_kit_whose_blob_is_gone_here(bundle: Path, name: str, home: Path, tmp_path: Path) -> None:
    kit = kitops.pack(bundle, f"{name}:1")
    kitops.push(f"{name}:1")
    for layer in kit.layers:
        (LocalStore().root / "blobs" / layer.digest.replace(":", "/")).unlink()
    kitops.pull(f"{name}:1")
    kitops.unpack(f"{name}:1", tmp_path / "out", where="store")
    assert (tmp_path / "out" / "model.bin").read_bytes() == b"weights"


def test_the_command_pulls_what_is_attached(bundle: Path, name: str) -> None:
    kit = kitops.pack(bundle, f"{name}:1")
    signature = attach_here(name, kit.digest)
    ok("push", f"{name}:1")
    ok("remove", "--all", "--force")
    ok("gc", "--grace", "0")
    assert here(name, kit.digest) == []
    ok("pull", f"{name}:1")
    assert here(name, kit.digest) == []
    ok("pull", f"{name}:1", "--referrers")
    assert here(name, kit.digest) == [signature.digest]


# --- the local store ---------------------------------------------------------------------------------------------


def test_removing_and_collecting_keep_what_is_attached_to_kits_that_stay(bundle: Path) -> None:
    name = "localhost/churn"
    old = kitops.pack(bundle, "churn:1")
    (bundle / "model.bin").write_bytes(b"new weights")
    new = kitops.pack(bundle, "churn:1")
    of_old, of_new = attach_here(name, old.digest, b"old"), attach_here(name, new.digest, b"new")
    of_of_new = attach_here(name, of_new.digest, b"of the new")
    with closing(LocalRepository(LocalStore(), name)) as storage:  # a tag of its own, once, puts it among the kits
        storage.tag(of_new.descriptor, "signature")
        storage.untag("signature")
    assert [kit.digest for kit in kitops.list_kits(untagged=True)] == [new.digest, old.digest]
    assert kitops.remove_all() == [f"{name}@{old.digest}".removeprefix("localhost/")]
    collect_garbage(LocalStore(), grace_seconds=0)
    assert here(name, new.digest) == [of_new.digest]
    assert here(name, of_new.digest) == [of_of_new.digest]
    assert here(name, old.digest) == []
    with closing(LocalRepository(LocalStore(), name)) as storage, pytest.raises(kitops.NotFoundError):
        storage.manifest(of_old.digest)


def test_what_is_attached_goes_with_the_last_kit(bundle: Path) -> None:
    kit = kitops.pack(bundle, "churn:1")
    attach_here("localhost/churn", kit.digest)
    kitops.remove("churn:1")
    assert kitops.list_kits(untagged=True) == []
    collect_garbage(LocalStore(), grace_seconds=0)
    assert not list((LocalStore().root / "blobs" / "sha256").iterdir())


def test_a_tree_of_referrers_without_end_is_not_read(bundle: Path, name: str) -> None:
    kit = kitops.pack(bundle, f"{name}:1")
    digest = kit.digest
    for level in range(MAX_REFERRERS_DEPTH):
        digest = attach_here(name, digest, str(level).encode()).digest
    (tree,) = kitops.referrers(f"{name}:1", where="store").referrers
    assert tree.referrers[0].referrers[0].referrers[0].referrers[0].digest == digest
    attach_here(name, digest, b"one too deep")
    with pytest.raises(IntegrityError, match=f"more than {MAX_REFERRERS_DEPTH} levels deep"):
        kitops.referrers(f"{name}:1", where="store")
