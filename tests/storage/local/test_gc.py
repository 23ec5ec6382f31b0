"""The collector removes what no kit needs, and nothing else."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from local_kits import StreamSource, blob_digests, digests_of, put_kit, put_referrer, read_kit

from kitops_core.errors import CancelledError, IntegrityError, NotFoundError, StoreError
from kitops_core.events import Cancel, Control
from kitops_core.oci.manifest import sha256_digest
from kitops_core.storage.local import GcReport, LocalRepository, LocalStore, collect_garbage
from kitops_core.storage.local.locks import FileLock

NAME = "localhost/kit"


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path, fsync=False)


@pytest.fixture
def repository(store: LocalStore) -> Iterator[LocalRepository]:
    repository = LocalRepository(store, NAME)
    yield repository
    repository.close()


def write_garbage(store: LocalStore, data: bytes = b"garbage") -> str:
    repository = LocalRepository(store, NAME)
    digest = repository.write_blob(StreamSource(data), Control()).descriptor.digest
    repository.close()
    return digest


def age(store: LocalStore, digest: str, seconds: float) -> None:
    path = store.blobs("").path(digest)
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_collecting_where_there_is_no_store_makes_none(store: LocalStore, tmp_path: Path) -> None:
    assert collect_garbage(store) == GcReport()
    assert list(tmp_path.iterdir()) == []


def test_blobs_that_no_kit_names_go_and_kits_stay_whole(store: LocalStore, repository: LocalRepository) -> None:
    kept = [put_kit(repository, f"1.{i}", model=bytes([i]) * 100) for i in range(3)]
    repository.close()
    garbage = write_garbage(store)
    report = collect_garbage(store, 0)
    assert report == GcReport((garbage,), len(b"garbage"))
    assert blob_digests(store.root) == digests_of(*kept)
    for manifest in kept:
        read_kit(repository, manifest.digest)


def test_a_dry_run_says_the_same_and_removes_nothing(store: LocalStore, repository: LocalRepository) -> None:
    deleted = put_kit(repository, "1.0")
    repository.close()
    repository.delete(deleted.digest)
    before = blob_digests(store.root)
    report = collect_garbage(store, 0, dry_run=True)
    assert blob_digests(store.root) == before
    assert report.dry_run
    real = collect_garbage(store, 0)
    assert (report.removed, report.freed) == (real.removed, real.freed)
    assert set(real.removed) == digests_of(deleted)


def test_young_blobs_are_spared_by_default(store: LocalStore) -> None:
    young, old = write_garbage(store, b"young"), write_garbage(store, b"old")
    age(store, old, 25 * 3600)
    report = collect_garbage(store)
    assert (report.removed, report.spared) == ((old,), 1)
    assert blob_digests(store.root) == {young}


def test_a_blob_found_present_is_young_again(store: LocalStore, repository: LocalRepository) -> None:
    descriptor = repository.write_blob(StreamSource(b"layer"), Control()).descriptor
    age(store, descriptor.digest, 48 * 3600)
    repository.write_blob(StreamSource(b"layer", known=descriptor), Control())
    repository.close()
    assert collect_garbage(store).removed == ()


def test_untagged_kits_are_kits(store: LocalStore, repository: LocalRepository) -> None:
    moved_from = put_kit(repository, "latest", model=b"1")
    put_kit(repository, "latest", model=b"2")
    by_digest = put_kit(repository, model=b"3")
    repository.close()
    assert collect_garbage(store, 0).removed == ()
    read_kit(repository, moved_from.digest)
    read_kit(repository, by_digest.digest)


def test_layers_shared_with_a_deleted_kit_stay(store: LocalStore, repository: LocalRepository) -> None:
    first = put_kit(repository, "1.0", model=b"same")
    other = LocalRepository(store, "localhost/other")
    second = put_kit(other, "1.0", model=b"same")
    other.close()
    repository.close()
    assert first.digest == second.digest
    repository.delete(first.digest)
    assert collect_garbage(store, 0).removed == ()
    read_kit(other, "1.0")


def test_referrers_live_as_long_as_their_subject(store: LocalStore, repository: LocalRepository) -> None:
    subject = put_kit(repository, "1.0")
    signature = put_referrer(repository, subject.descriptor, b"signature")
    counter_signature = put_referrer(repository, signature.descriptor, b"signature of the signature")
    repository.close()
    assert collect_garbage(store, 0).removed == ()
    assert [d.digest for d in repository.referrers(signature.digest)] == [counter_signature.digest]
    repository.delete(subject.digest)
    assert set(collect_garbage(store, 0).removed) == digests_of(subject, signature, counter_signature)
    assert store.files.read_index() == []
    with pytest.raises(NotFoundError):
        repository.resolve(signature.digest)


def test_a_tagged_referrer_outlives_its_subject(store: LocalStore, repository: LocalRepository) -> None:
    subject = put_kit(repository, "1.0")
    signature = put_referrer(repository, subject.descriptor)
    repository.tag(signature.descriptor, "keep")
    repository.close()
    repository.delete(subject.digest)
    collect_garbage(store, 0)
    assert blob_digests(store.root) == digests_of(signature)


def test_files_a_killed_writer_left_go(store: LocalStore, repository: LocalRepository) -> None:
    put_kit(repository, "1.0")
    repository.close()
    (store.scratch / "left-behind.123").write_bytes(b"12345")
    report = collect_garbage(store)
    assert (report.unfinished, report.freed) == (1, 5)
    assert list(store.scratch.iterdir()) == []


def test_it_waits_for_a_writer_that_has_not_put_its_manifest_yet(
    store: LocalStore, repository: LocalRepository
) -> None:
    """Without a grace: only the lock keeps the writer's blobs."""
    repository.write_blob(StreamSource(b"weights"), Control())
    reports: list[GcReport] = []
    collector = threading.Thread(target=lambda: reports.append(collect_garbage(store, 0)))
    collector.start()
    time.sleep(0.1)
    assert reports == []
    put_kit(repository, "1.0", model=b"weights")
    repository.close()
    collector.join(10)
    assert reports[0].removed == ()
    read_kit(repository, "1.0")


def test_it_says_so_when_a_writer_does_not_finish(store: LocalStore, repository: LocalRepository) -> None:
    repository.write_blob(StreamSource(b"weights"), Control())
    with pytest.raises(StoreError, match="another process is writing") as caught:
        collect_garbage(store, 0, patience=0.1)
    assert caught.value.hint
    cancel = Cancel()
    cancel.cancel()
    with pytest.raises(CancelledError):
        collect_garbage(store, 0, control=Control(cancel=cancel))


def test_a_repository_nobody_closed_holds_it_up_only_as_long_as_it_exists(store: LocalStore) -> None:
    repository = LocalRepository(store, NAME)
    put_kit(repository, "1.0")
    del repository
    assert collect_garbage(store, 0, patience=1).removed == ()


def test_a_writer_waits_for_the_collector_and_can_be_cancelled(store: LocalStore, repository: LocalRepository) -> None:
    store.prepare()
    cancel = Cancel()
    with store.writers(shared=False, control=Control()):
        threading.Timer(0.1, cancel.cancel).start()
        with pytest.raises(CancelledError):
            repository.write_blob(StreamSource(b"x"), Control(cancel=cancel))
    repository.write_blob(StreamSource(b"x"), Control())


def test_it_gets_its_turn_beside_packs_that_follow_each_other(store: LocalStore) -> None:
    garbage = write_garbage(store)
    enough = threading.Event()
    packed: list[str] = []

    def pack(worker: int) -> None:
        """One kit after the other; those of several workers overlap, so that somebody always writes."""
        while not enough.is_set():
            repository = LocalRepository(store, f"localhost/kit{worker}")
            repository.write_blob(StreamSource(b"weights"), Control())
            time.sleep(0.05)
            packed.append(put_kit(repository, "1.0", model=b"weights").digest)
            repository.close()

    workers = [threading.Thread(target=pack, args=(worker,)) for worker in range(4)]
    for worker in workers:
        worker.start()
    try:
        time.sleep(0.2)
        assert garbage in collect_garbage(store, 0, patience=10).removed
        before = len(packed)
        end = time.monotonic() + 10
        while len(packed) == before and time.monotonic() < end:
            time.sleep(0.01)
        assert len(packed) > before, "who waited for the collector goes on"
    finally:
        enough.set()
        for worker in workers:
            worker.join()


@pytest.mark.parametrize("lock", ["lock", "writers", "turn"])
def test_waiting_for_another_process_ends_when_cancelled(tmp_path: Path, lock: str) -> None:
    cancel = Cancel()
    store = LocalStore(tmp_path, fsync=False, control=Control(cancel=cancel))
    store.prepare()

    def write_one(repository: LocalRepository, tag: str) -> None:
        repository.write_blob(StreamSource(tag.encode()), store.control)

    with FileLock(store.own / lock):
        flipped: list[float] = []
        timer = threading.Timer(0.1, lambda: (flipped.append(time.monotonic()), cancel.cancel()))
        timer.start()
        work = put_kit if lock == "lock" else write_one
        with closing(LocalRepository(store, NAME)) as repository, pytest.raises(CancelledError):
            work(repository, "1.0")
        assert time.monotonic() - flipped[0] < 5


def test_nothing_is_removed_while_it_is_unknown_what_a_kit_needs(
    store: LocalStore, repository: LocalRepository
) -> None:
    manifest = put_kit(repository, "1.0")
    repository.close()
    path = store.blobs("").path(manifest.digest)
    path.chmod(0o644)
    path.write_bytes(manifest.raw[:-1] + b" ")
    before = blob_digests(store.root)
    with pytest.raises(IntegrityError, match=manifest.digest) as caught:
        collect_garbage(store, 0)
    assert "remove that kit" in caught.value.hint
    assert blob_digests(store.root) == before
    repository.delete(manifest.digest)
    assert set(collect_garbage(store, 0).removed) == before


def test_a_broken_list_stops_it(store: LocalStore, repository: LocalRepository) -> None:
    put_kit(repository, "1.0")
    repository.close()
    store.files.manifests_path(NAME).write_text("{")
    with pytest.raises(StoreError, match="broken"):
        collect_garbage(store, 0)
    assert len(blob_digests(store.root)) == 3


def test_a_layer_that_looks_like_a_manifest_does_not_keep_anything(
    store: LocalStore, repository: LocalRepository
) -> None:
    garbage = write_garbage(store)
    bait = b'{"schemaVersion":2,"layers":[{"digest":"' + garbage.encode() + b'"}]}'
    put_kit(repository, "1.0", model=bait)
    repository.close()
    assert collect_garbage(store, 0).removed == (garbage,)


def test_what_is_no_blob_is_left_alone(store: LocalStore, repository: LocalRepository) -> None:
    put_kit(repository, "1.0")
    repository.close()
    (store.root / "blobs" / "sha256" / "README").write_text("mine")
    (store.root / "blobs" / "notes").mkdir()
    (store.root / "blobs" / "notes" / sha256_digest(b"")[7:]).write_text("mine")
    collect_garbage(store, 0)
    assert (store.root / "blobs" / "sha256" / "README").exists()
    assert list((store.root / "blobs" / "notes").iterdir())
