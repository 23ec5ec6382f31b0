"""The local store and the reference CLI's are one: each sees what the other wrote, moved and removed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from local_kits import KitStyleStore, blob_digests, digests_of, encoded, put_kit, put_referrer, read_kit

from kitops_core.errors import NotFoundError
from kitops_core.oci import media_types
from kitops_core.storage.local import LocalRepository, LocalStore, collect_garbage

NAME = "registry.example.com/ml/churn"


@pytest.fixture
def kit(tmp_path: Path) -> KitStyleStore:
    return KitStyleStore(tmp_path)


@pytest.fixture
def store(tmp_path: Path, kit: KitStyleStore) -> LocalStore:
    return LocalStore(tmp_path, fsync=False)


def put(store: LocalStore, *tags: str, model: bytes = b"weights", name: str = NAME) -> str:
    repository = LocalRepository(store, name)
    digest = put_kit(repository, *tags, model=model).digest
    repository.close()
    return digest


def repository_of(store: LocalStore) -> LocalRepository:
    return LocalRepository(store, NAME)


class TestWeReadWhatKitWrote:
    def test_its_kits_are_listed_resolved_and_read(self, kit: KitStyleStore, store: LocalStore) -> None:
        entry = kit.pack(NAME, "1.0", b"by kit")
        kit.tag(NAME, "latest", entry)
        kit.pack("localhost/other", "dev", b"2")
        repository = repository_of(store)
        assert store.repositories() == ["localhost/other", NAME]
        assert list(repository.tags()) == ["1.0", "latest"]
        assert repository.resolve(entry["digest"]).size == entry["size"]
        assert b"by kit" in read_kit(repository, "1.0").values()
        assert repository.manifest("1.0").artifact_type == ""

    def test_reading_changes_no_file(self, kit: KitStyleStore, store: LocalStore) -> None:
        kit.pack(NAME, "1.0", b"by kit")
        before = sorted(kit.root.rglob("*"))
        read_kit(repository_of(store), "1.0")
        assert sorted(kit.root.rglob("*")) == before

    def test_its_blobs_are_not_written_twice(self, kit: KitStyleStore, store: LocalStore) -> None:
        kit.pack(NAME, "1.0", b"same")
        put(store, "ours", model=b"same")
        assert list(repository_of(store).tags()) == ["1.0", "ours"]

    def test_a_file_it_is_just_rewriting_is_read_again(
        self, kit: KitStyleStore, store: LocalStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kit.pack(NAME, "1.0", b"by kit")
        path = kit.root / f"{encoded(NAME)}-tags.json"
        whole = path.read_text()
        path.write_text(whole[:20])
        monkeypatch.setattr("kitops_core.storage.local.index.time.sleep", lambda _: path.write_text(whole))
        assert list(repository_of(store).tags()) == ["1.0"]


class TestKitReadsWhatWeWrote:
    def test_the_files_are_exactly_its_files(self, tmp_path: Path) -> None:
        store = LocalStore(tmp_path, fsync=False)
        digest = put(store, "1.0")
        files = {path.name for path in store.root.iterdir()}
        assert files == {
            "oci-layout",
            "index.json",
            "blobs",
            f"{encoded(NAME)}-index.json",
            f"{encoded(NAME)}-tags.json",
            ".kitops-core",
        }
        below_ours = {path.name for path in (store.root / ".kitops-core").rglob("*")}
        assert below_ours == {"lock", "writers", "turn", "ingest"}, (
            "kit looks for index.json files anywhere below storage"
        )
        entry = {"mediaType": media_types.IMAGE_MANIFEST, "digest": digest, "size": store_size(store, digest)}
        assert text(store, "oci-layout") == {"imageLayoutVersion": "1.0.0"}
        assert text(store, "index.json") == {
            "schemaVersion": 2,
            "mediaType": media_types.IMAGE_INDEX,
            "manifests": [entry],
        }
        assert text(store, f"{encoded(NAME)}-index.json") == {"schemaVersion": 2, "manifests": [entry]}
        assert text(store, f"{encoded(NAME)}-tags.json") == {"1.0": entry}

    def test_names_are_encoded_as_kit_does(self, tmp_path: Path) -> None:
        store = LocalStore(tmp_path, fsync=False)
        put(store, "1.0", name="localhost/a")
        assert (store.root / "bG9jYWxob3N0L2E=-index.json").exists()

    def test_files_of_a_repository_go_with_its_last_kit(self, tmp_path: Path) -> None:
        store = LocalStore(tmp_path, fsync=False)
        repository_of(store).delete(put(store, "1.0"))
        assert {path.name for path in store.root.glob("*.json")} == {"index.json"}
        assert text(store, "index.json")["manifests"] == []

    def test_fields_it_wrote_that_we_do_not_know_survive(self, kit: KitStyleStore, store: LocalStore) -> None:
        entry = {**kit.pack(NAME, "1.0", b"by kit"), "platform": {"os": "any"}, "annotations": {"a": "b"}}
        for file in ("index.json", f"{encoded(NAME)}-index.json"):
            kit.write(file, {"schemaVersion": 2, "new": True, "manifests": [entry]})
        kit.tag(NAME, "1.0", entry)
        put(store, "2.0")
        assert kit.read(f"{encoded(NAME)}-tags.json")["1.0"] == entry
        for file in ("index.json", f"{encoded(NAME)}-index.json"):
            assert kit.read(file)["new"] is True
            assert kit.read(file)["manifests"][0] == entry

    def test_a_referrer_is_not_in_its_list_of_kits(self, kit: KitStyleStore, store: LocalStore) -> None:
        repository = repository_of(store)
        subject = put_kit(repository, "1.0")
        put_referrer(repository, subject.descriptor)
        repository.close()
        assert [e["digest"] for e in kit.read(f"{encoded(NAME)}-index.json")["manifests"]] == [subject.digest]


class TestWhoWins:
    """The files are the only truth, so the last writer does, whichever program it was."""

    def test_kit_moved_our_tag(self, kit: KitStyleStore, store: LocalStore) -> None:
        ours = put(store, "1.0")
        theirs = kit.pack(NAME, "1.0", b"moved by kit")["digest"]
        put(store, "2.0", model=b"and life goes on")
        assert repository_of(store).resolve("1.0").digest == theirs
        assert repository_of(store).resolve(ours).digest == ours

    def test_kit_removed_our_tag(self, kit: KitStyleStore, store: LocalStore) -> None:
        put(store, "1.0", "latest")
        kit.untag(NAME, "latest")
        put(store, "2.0", model=b"2")
        assert list(repository_of(store).tags()) == ["1.0", "2.0"]

    def test_kit_removed_our_kit(self, kit: KitStyleStore, store: LocalStore) -> None:
        gone = put(store, "1.0")
        kit.remove(NAME, gone)
        put(store, "2.0", model=b"2")
        repository = repository_of(store)
        assert list(repository.tags()) == ["2.0"]
        with pytest.raises(NotFoundError):
            repository.resolve(gone)
        assert gone not in {e["digest"] for e in kit.read("index.json")["manifests"]}

    def test_we_moved_and_removed_kits_tags(self, kit: KitStyleStore, store: LocalStore) -> None:
        entry = kit.pack(NAME, "1.0", b"by kit")
        kit.tag(NAME, "old", entry)
        ours = put(store, "1.0")
        repository_of(store).untag("old")
        assert {t: e["digest"] for t, e in kit.read(f"{encoded(NAME)}-tags.json").items()} == {"1.0": ours}
        repository_of(store).delete(entry["digest"])
        assert [e["digest"] for e in kit.read(f"{encoded(NAME)}-index.json")["manifests"]] == [ours]


class TestAfterKitLostAnUpdate:
    """The reference CLI writes back what it read when it started. What can be mended without guessing is."""

    def test_what_it_dropped_from_the_shared_index_is_listed_again(self, kit: KitStyleStore, store: LocalStore) -> None:
        stale = kit.read("index.json")
        ours = put(store, "1.0")
        kit.write("index.json", stale)
        put(store, "2.0", model=b"2")
        assert ours in {e["digest"] for e in kit.read("index.json")["manifests"]}

    def test_a_tagged_manifest_it_dropped_from_the_repository_is_listed_again(
        self, kit: KitStyleStore, store: LocalStore
    ) -> None:
        kit.pack(NAME, "kits", b"by kit")
        stale = kit.read(f"{encoded(NAME)}-index.json")
        ours = put(store, "1.0")
        kit.write(f"{encoded(NAME)}-index.json", stale)
        assert ours in {d.digest for d in repository_of(store).manifests()}
        put(store, "2.0", model=b"2")
        assert ours in {e["digest"] for e in kit.read(f"{encoded(NAME)}-index.json")["manifests"]}

    def test_a_kit_it_dropped_whole_is_gone_as_if_removed_and_packing_it_again_brings_it_back(
        self, kit: KitStyleStore, store: LocalStore
    ) -> None:
        kit.pack(NAME, "kits", b"by kit")
        stale = {file: kit.read(file) for file in (f"{encoded(NAME)}-index.json", f"{encoded(NAME)}-tags.json")}
        ours = put(store, "1.0")
        for file, data in stale.items():
            kit.write(file, data)
        assert list(repository_of(store).tags()) == ["kits"]
        assert put(store, "1.0") == ours
        assert list(repository_of(store).tags()) == ["1.0", "kits"]


class TestCollectingAStoreThatKitUses:
    def test_its_kits_are_live(self, kit: KitStyleStore, store: LocalStore) -> None:
        kit.pack(NAME, "1.0", b"by kit")
        before = blob_digests(kit.root)
        assert collect_garbage(store, 0).removed == ()
        assert blob_digests(kit.root) == before

    def test_kits_it_keeps_in_lists_of_a_newer_version_are_live(self, kit: KitStyleStore, store: LocalStore) -> None:
        """Its image indexes are kept in files whose names we do not know."""
        entry = kit.pack(NAME, "1.0", b"by kit")
        index = {"schemaVersion": 2, "mediaType": media_types.IMAGE_INDEX, "manifests": [entry]}
        index_entry = kit.blob(json.dumps(index).encode(), media_types.IMAGE_INDEX)
        large = kit.blob(bytes(5_000_000), "application/octet-stream")
        kit.write(f"{encoded(NAME)}-kitindex.json", {"schemaVersion": 2, "manifests": [index_entry, large]})
        kit.untag(NAME, "1.0")
        (kit.root / f"{encoded(NAME)}-index.json").unlink()
        before = blob_digests(kit.root)
        assert collect_garbage(store, 0).removed == ()
        assert blob_digests(kit.root) == before

    def test_what_it_is_just_pulling_is_young_and_spared(self, kit: KitStyleStore, store: LocalStore) -> None:
        kit.blob(b"half a kit", "x")
        (kit.root / "ingest" / "partial").write_bytes(b"half a blob")
        report = collect_garbage(store)
        assert (report.removed, report.unfinished, report.spared) == ((), 0, 1)
        report = collect_garbage(store, 0)
        assert (len(report.removed), report.unfinished) == (1, 1)

    def test_an_entry_that_another_tool_tagged_in_the_index_is_live(
        self, kit: KitStyleStore, store: LocalStore
    ) -> None:
        entry = kit.pack(NAME, "1.0", b"by kit")
        tagged = {**entry, "annotations": {"org.opencontainers.image.ref.name": "by-oras"}}
        kit.write("index.json", {"schemaVersion": 2, "manifests": [tagged]})
        for file in ("index", "tags"):
            (kit.root / f"{encoded(NAME)}-{file}.json").unlink()
        assert collect_garbage(store, 0).removed == ()


def text(store: LocalStore, file: str) -> dict[str, object]:
    data: dict[str, object] = json.loads((store.root / file).read_text())
    return data


def store_size(store: LocalStore, digest: str) -> int:
    return (store.root / "blobs" / "sha256" / digest.removeprefix("sha256:")).stat().st_size


def test_what_the_helper_writes_is_a_whole_kit(kit: KitStyleStore, store: LocalStore) -> None:
    kit.pack(NAME, "1.0", b"by kit")
    assert digests_of(repository_of(store).manifest("1.0")) == blob_digests(kit.root)
