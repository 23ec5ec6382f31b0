"""The local store: what it keeps, what it refuses, and what it says when something is wrong."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from local_kits import (
    SIGNATURE,
    StreamSource,
    blob_digests,
    digests_of,
    encoded,
    put_kit,
    put_referrer,
    read_kit,
)

from kitops_core.errors import (
    CancelledError,
    IntegrityError,
    InvalidReferenceError,
    NotFoundError,
    SourceChangedError,
    StoreError,
)
from kitops_core.events import Cancel, Control, Event
from kitops_core.oci import media_types
from kitops_core.oci.blob import BytesSource
from kitops_core.oci.manifest import Descriptor, build_manifest, sha256_digest
from kitops_core.storage.local import LocalRepository, LocalStore, store_home

NAME = "registry.example.com/ml/churn"


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "home", fsync=False)


@pytest.fixture
def repository(store: LocalStore) -> Iterator[LocalRepository]:
    repository = LocalRepository(store, NAME)
    yield repository
    repository.close()


def scratch_files(store: LocalStore) -> list[Path]:
    return list(store.scratch.glob("*"))


class TestHome:
    def test_kitops_home_decides(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("KITOPS_HOME", str(tmp_path))
        assert store_home() == tmp_path

    def test_relative_kitops_home_is_below_the_working_directory(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("KITOPS_HOME", "store")
        assert store_home() == tmp_path / "store"

    @pytest.mark.skipif(sys.platform == "darwin", reason="macOS keeps it in ~/Library/Caches")
    def test_else_the_data_home_else_the_users(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.delenv("KITOPS_HOME", raising=False)
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
        assert store_home() == tmp_path / "data" / "kitops"
        monkeypatch.delenv("XDG_DATA_HOME")
        monkeypatch.setenv("HOME", str(tmp_path))
        assert store_home() == tmp_path / ".local" / "share" / "kitops"


class TestReading:
    def test_an_empty_store_has_nothing_and_reading_makes_nothing(self, store: LocalStore) -> None:
        repository = LocalRepository(store, NAME)
        assert store.repositories() == []
        assert list(repository.tags()) == []
        assert repository.manifests() == []
        assert repository.referrers(sha256_digest(b"")) == []
        for target in ("latest", sha256_digest(b"x")):
            with pytest.raises(NotFoundError, match="not in the local store"):
                repository.resolve(target)
        assert not store.home.exists()

    def test_a_kit_is_found_by_tag_and_by_digest_and_reads_back(self, repository: LocalRepository) -> None:
        manifest = put_kit(repository, "1.0", "latest", model=b"m" * 5000)
        assert repository.resolve("1.0").digest == repository.resolve(manifest.digest).digest == manifest.digest
        assert repository.manifest("latest").raw == manifest.raw
        assert b"m" * 5000 in read_kit(repository, "latest").values()

    def test_a_digest_of_another_repository_is_not_known_here(
        self, store: LocalStore, repository: LocalRepository
    ) -> None:
        manifest = put_kit(repository, "1.0")
        with pytest.raises(NotFoundError):
            LocalRepository(store, "localhost/other").resolve(manifest.digest)

    def test_a_blob_that_is_not_a_manifest_cannot_be_resolved(self, repository: LocalRepository) -> None:
        manifest = put_kit(repository, "1.0")
        with pytest.raises(NotFoundError):
            repository.resolve(manifest.config.digest)

    @pytest.mark.parametrize("change", [b"x" + b"w" * 2999, b"w" * 2999, b"w" * 3001], ids=["bit", "short", "long"])
    def test_an_altered_blob_is_detected_when_read(self, repository: LocalRepository, change: bytes) -> None:
        manifest = put_kit(repository, "1.0", model=b"w" * 3000)
        replace_blob(repository, manifest.layers[0].digest, change)
        with pytest.raises(IntegrityError, match=manifest.layers[0].digest):
            read_kit(repository, "1.0")

    def test_an_altered_manifest_is_detected(self, repository: LocalRepository) -> None:
        manifest = put_kit(repository, "1.0")
        replace_blob(repository, manifest.digest, manifest.raw.replace(b"weights", b"WEIGHTS")[:-1] + b" ")
        with pytest.raises(IntegrityError, match="altered"):
            repository.manifest("1.0")

    def test_writing_an_altered_blob_again_mends_it(self, repository: LocalRepository) -> None:
        manifest = put_kit(repository, "1.0", model=b"w" * 3000)
        replace_blob(repository, manifest.layers[0].digest, b"z" * 3000)
        put_kit(repository, "1.0", model=b"w" * 3000)
        assert b"w" * 3000 in read_kit(repository, "1.0").values()

    def test_a_link_in_a_blobs_place_is_not_followed(self, repository: LocalRepository, tmp_path: Path) -> None:
        manifest = put_kit(repository, "1.0", model=b"secret")
        (tmp_path / "elsewhere").write_bytes(b"secret")
        path = blob_path(repository, manifest.layers[0].digest)
        path.unlink()
        path.symlink_to(tmp_path / "elsewhere")
        assert not repository.has_blob(manifest.layers[0])
        with pytest.raises(StoreError, match=r"cannot read .*"):
            repository.open_blob(manifest.layers[0], Control())

    def test_a_pipe_in_a_blobs_place_does_not_hang(self, repository: LocalRepository) -> None:
        manifest = put_kit(repository, "1.0")
        path = blob_path(repository, manifest.layers[0].digest)
        path.unlink()
        os.mkfifo(path)
        with pytest.raises(StoreError, match="not a plain file"):
            repository.open_blob(manifest.layers[0], Control())

    def test_what_is_no_digest_never_becomes_a_path(self, repository: LocalRepository) -> None:
        with pytest.raises(IntegrityError, match="is not a digest"):
            repository.open_blob(Descriptor("", "sha256:../../etc/passwd", 1), Control())


class TestWritingBlobs:
    def test_the_digest_is_learned_while_writing_and_every_step_is_told(self, repository: LocalRepository) -> None:
        events: list[Event] = []
        written = repository.write_blob(StreamSource(b"a" * 2500), Control(events.append))
        assert written.descriptor == Descriptor("application/vnd.kitops.modelkit.model.v1.tar", digest_of(b"a"), 2500)
        assert written.outcome == "written"
        assert [(e.phase, e.done, e.total) for e in events] == [
            ("start", 0, 2500),
            ("advance", 1024, 2500),
            ("advance", 2048, 2500),
            ("advance", 2500, 2500),
            ("finish", 2500, 2500),
        ]
        assert (events[-1].name, events[-1].outcome) == ("model", "written")

    def test_a_blob_is_read_only(self, repository: LocalRepository) -> None:
        written = repository.write_blob(StreamSource(b"a"), Control())
        assert stat.S_IMODE(blob_path(repository, written.descriptor.digest).stat().st_mode) == 0o444

    def test_known_bytes_that_are_there_are_not_read(self, repository: LocalRepository) -> None:
        descriptor = repository.write_blob(StreamSource(b"a" * 2500), Control()).descriptor

        class Unreadable(StreamSource):
            def stream(self) -> Iterator[memoryview]:
                raise AssertionError("must not be read")

        events: list[Event] = []
        written = repository.write_blob(Unreadable(b"", known=descriptor), Control(events.append))
        assert (written.descriptor, written.outcome) == (descriptor, "present")
        assert [(e.phase, e.outcome) for e in events] == [("start", ""), ("finish", "present")]

    def test_a_blob_of_any_repository_of_the_store_is_present(
        self, store: LocalStore, repository: LocalRepository
    ) -> None:
        descriptor = repository.write_blob(StreamSource(b"shared"), Control()).descriptor
        other = LocalRepository(store, "localhost/other")
        written = other.write_blob(StreamSource(b"shared", known=descriptor), Control(), mount_from=[NAME])
        other.close()
        assert written.outcome == "present"

    def test_bytes_that_turn_out_to_be_there_are_present(self, repository: LocalRepository) -> None:
        repository.write_blob(StreamSource(b"again"), Control())
        assert repository.write_blob(StreamSource(b"again"), Control()).outcome == "present"

    def test_bytes_other_than_announced_are_refused(self, store: LocalStore, repository: LocalRepository) -> None:
        announced = Descriptor("x", sha256_digest(b"announced"), 9)
        with pytest.raises(IntegrityError, match="expected 9 bytes"):
            repository.write_blob(StreamSource(b"different", known=announced), Control())
        assert not repository.has_blob(announced)
        assert scratch_files(store) == []

    def test_a_sha512_digest_is_kept_under_its_own_name(self, repository: LocalRepository) -> None:
        import hashlib

        known = Descriptor("x", "sha512:" + hashlib.sha512(b"data").hexdigest(), 4)
        assert repository.write_blob(StreamSource(b"data", known=known), Control()).descriptor == known
        with repository.open_blob(known, Control()) as reader:
            assert reader.read_all(10) == b"data"

    def test_cancelling_leaves_no_partial_file(self, store: LocalStore, repository: LocalRepository) -> None:
        cancel = Cancel()

        def stop(event: Event) -> None:
            if event.done >= 2048:
                cancel.cancel()

        with pytest.raises(CancelledError):
            repository.write_blob(StreamSource(b"a" * 9000), Control(stop, cancel))
        assert scratch_files(store) == []
        assert blob_digests(store.root) == set()

    def test_an_error_of_the_source_leaves_no_partial_file(
        self, store: LocalStore, repository: LocalRepository
    ) -> None:
        class Shrinking(StreamSource):
            def stream(self) -> Iterator[memoryview]:
                yield memoryview(self.data)
                raise SourceChangedError("model shrank while it was packed")

        with pytest.raises(SourceChangedError):
            repository.write_blob(Shrinking(b"a" * 10), Control())
        assert scratch_files(store) == []

    def test_a_full_disk_says_so_and_where(self, tmp_path: Path) -> None:
        """With a file size limit in a process of its own, which is what a full disk looks like from inside."""
        script = (
            "import resource, sys; from pathlib import Path; from local_kits import *;"
            "from kitops_core.storage.local import LocalRepository, LocalStore\n"
            "from kitops_core.errors import StoreError\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
            "store = LocalStore(Path(sys.argv[1]), fsync=False)\n"
            "repository = LocalRepository(store, 'localhost/full')\n"
            "put_kit(repository, 'small')\n"
            "try: put_kit(repository, 'large', model=bytes(200_000))\n"
            "except StoreError as error: print(error, '|', error.hint)\n"
            "assert list(repository.tags()) == ['small'] and not list(store.scratch.glob('*'))\n"
        )
        result = run_python(script, tmp_path)
        assert f"cannot write {tmp_path}/storage/" in result
        assert "limit" in result

    @pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="needs to mount a small file system")
    def test_a_really_full_disk(self, tmp_path: Path) -> None:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", tmp_path], capture_output=True)
        if mounted.returncode:
            pytest.skip("mounting is not allowed here")
        try:
            store = LocalStore(tmp_path / "home")
            repository = LocalRepository(store, NAME)
            put_kit(repository, "small")
            with pytest.raises(StoreError, match="No space left") as caught:
                put_kit(repository, "large", model=bytes(400_000))
            assert str(store.scratch) in caught.value.hint
            assert list(repository.tags()) == ["small"]
            assert scratch_files(store) == []
            read_kit(repository, "small")
            repository.close()
        finally:
            subprocess.run(["umount", tmp_path], check=True)

    def test_a_file_in_the_stores_place_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "home").write_text("")
        repository = LocalRepository(LocalStore(tmp_path / "home"), NAME)
        with pytest.raises(StoreError, match=f"cannot make the directory {tmp_path}/home"):
            put_kit(repository, "1.0")

    @pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
    def test_a_store_that_may_not_be_written_can_be_read(self, tmp_path: Path) -> None:
        for parent in (tmp_path, *tmp_path.parents):
            if parent.stat().st_uid == 0 and not stat.S_IMODE(parent.stat().st_mode) & 0o005:
                parent.chmod(parent.stat().st_mode | 0o055)
        repository = LocalRepository(LocalStore(tmp_path / "home"), "localhost/kit")
        put_kit(repository, "1.0")
        repository.close()
        script = (
            "import os, sys; from pathlib import Path; from local_kits import *\n"
            "from kitops_core.storage.local import LocalRepository, LocalStore\n"
            "from kitops_core.errors import StoreError\n"
            "os.setgid(65534); os.setuid(65534)\n"
            "repository = LocalRepository(LocalStore(Path(sys.argv[1])), 'localhost/kit')\n"
            "assert list(repository.tags()) == ['1.0']; read_kit(repository, '1.0')\n"
            "try: put_kit(repository, '2.0')\n"
            "except StoreError as error: print(error, '|', error.hint)\n"
        )
        result = run_python(script, tmp_path / "home")
        assert "Permission denied" in result
        assert "KITOPS_HOME" in result


class TestManifestsAndTags:
    def test_a_manifest_without_its_blobs_is_refused(self, store: LocalStore, repository: LocalRepository) -> None:
        manifest = build_manifest(
            artifact_type=media_types.MODELKIT_ARTIFACT,
            config=Descriptor(media_types.MODELKIT_CONFIG, sha256_digest(b"missing"), 7),
            layers=[],
        )
        with pytest.raises(NotFoundError, match=sha256_digest(b"missing")):
            repository.put_manifest(manifest, ["1.0"])
        assert store.repositories() == []

    def test_a_bad_tag_is_refused_before_anything_is_written(
        self, store: LocalStore, repository: LocalRepository
    ) -> None:
        with pytest.raises(InvalidReferenceError, match="not a valid tag"):
            put_kit(repository, "1.0", "-bad")
        assert store.repositories() == []

    def test_a_tag_moves_and_the_kit_it_left_stays_known(self, repository: LocalRepository) -> None:
        first = put_kit(repository, "latest", model=b"1")
        second = put_kit(repository, "latest", model=b"2")
        assert repository.resolve("latest").digest == second.digest
        assert repository.resolve(first.digest).digest == first.digest
        assert [d.digest for d in repository.manifests()] == [first.digest, second.digest]

    def test_tagging_needs_a_manifest_of_this_repository(self, store: LocalStore, repository: LocalRepository) -> None:
        manifest = put_kit(repository, "1.0")
        repository.tag(manifest.descriptor, "prod")
        assert list(repository.tags()) == ["1.0", "prod"]
        with pytest.raises(NotFoundError):
            LocalRepository(store, "localhost/other").tag(manifest.descriptor, "prod")
        with pytest.raises(InvalidReferenceError):
            repository.tag(manifest.descriptor, "no/slash")
        assert store.repositories() == [NAME]

    def test_untagging_leaves_the_manifest(self, repository: LocalRepository) -> None:
        manifest = put_kit(repository, "1.0")
        repository.untag("1.0")
        assert list(repository.tags()) == []
        assert repository.manifest(manifest.digest).raw == manifest.raw
        with pytest.raises(NotFoundError, match=r"1\.0"):
            repository.untag("1.0")

    def test_deleting_takes_every_tag_of_the_manifest_and_no_other(self, repository: LocalRepository) -> None:
        first = put_kit(repository, "a", "b", model=b"1")
        put_kit(repository, "c", model=b"2")
        repository.delete(first.digest)
        assert list(repository.tags()) == ["c"]
        for target in ("a", first.digest):
            with pytest.raises(NotFoundError):
                repository.resolve(target)
        with pytest.raises(NotFoundError):
            repository.delete(first.digest)

    def test_deleting_in_one_repository_leaves_the_same_kit_in_another(
        self, store: LocalStore, repository: LocalRepository
    ) -> None:
        manifest = put_kit(repository, "1.0")
        other = LocalRepository(store, "localhost/other")
        put_kit(other, "1.0")
        other.close()
        repository.delete(manifest.digest)
        assert store.repositories() == ["localhost/other"]
        assert {e["digest"] for e in store.files.read_index()} == {manifest.digest}
        read_kit(other, "1.0")

    def test_tags_are_sorted_and_those_that_only_hold_referrers_are_left_out(self, repository: LocalRepository) -> None:
        hexdigits = sha256_digest(b"x").replace(":", "-")
        put_kit(repository, "b", "a", hexdigits, f"{hexdigits}.sig", "sha256-short")
        assert list(repository.tags()) == ["a", "b", "sha256-short"]
        assert repository.resolve(hexdigits)

    def test_the_same_kit_again_changes_no_file(self, store: LocalStore, repository: LocalRepository) -> None:
        put_kit(repository, "1.0")
        before = {path: path.stat().st_mtime_ns for path in store.root.glob("*.json")}
        put_kit(repository, "1.0")
        assert {path: path.stat().st_mtime_ns for path in store.root.glob("*.json")} == before


class TestReferrers:
    def test_are_found_by_subject_and_type(self, repository: LocalRepository) -> None:
        subject = put_kit(repository, "1.0")
        signature = put_referrer(repository, subject.descriptor)
        record = put_referrer(repository, subject.descriptor, b"record", "application/vnd.example.record+json")
        put_referrer(repository, put_kit(repository, "2.0", model=b"2").descriptor, b"other")
        found = repository.referrers(subject.digest)
        assert {d.digest for d in found} == {signature.digest, record.digest}
        assert [d.digest for d in repository.referrers(subject.digest, SIGNATURE)] == [signature.digest]
        assert found[0].artifact_type == SIGNATURE

    def test_are_no_kits_in_the_repositorys_lists_but_known_by_digest(
        self, store: LocalStore, repository: LocalRepository
    ) -> None:
        subject = put_kit(repository, "1.0")
        signature = put_referrer(repository, subject.descriptor)
        assert list(repository.tags()) == ["1.0"]
        assert [d.digest for d in repository.manifests()] == [subject.digest]
        assert {e["digest"] for e in store.files.read_index()} == {subject.digest, signature.digest}
        assert repository.manifest(signature.digest).subject == subject.descriptor

    def test_can_be_tagged_and_deleted(self, repository: LocalRepository) -> None:
        subject = put_kit(repository, "1.0")
        signature = put_referrer(repository, subject.descriptor)
        repository.tag(signature.descriptor, "sig")
        repository.untag("sig")
        repository.delete(signature.digest)
        assert repository.referrers(subject.digest) == []

    def test_an_untagged_one_can_be_deleted(self, repository: LocalRepository) -> None:
        subject = put_kit(repository, "1.0")
        signature = put_referrer(repository, subject.descriptor)
        repository.delete(signature.digest)
        assert repository.referrers(subject.digest) == []
        assert list(repository.tags()) == ["1.0"]


class TestBrokenFiles:
    @pytest.mark.parametrize("content", ["", "{", "[]", '{"1.0": 5}', '{"1.0": {"mediaType": "x", "digest": "../x"}}'])
    def test_broken_tags_are_an_error_that_names_the_file(
        self, store: LocalStore, repository: LocalRepository, content: str
    ) -> None:
        put_kit(repository, "1.0")
        path = store.root / f"{encoded(NAME)}-tags.json"
        path.write_text(content)
        for action in (lambda: list(repository.tags()), lambda: put_kit(repository, "2.0", model=b"2")):
            with pytest.raises(StoreError, match=f"{path.name} is broken") as caught:
                action()
            assert caught.value.hint
        assert path.read_text() == content, "what may still be rescued must not be overwritten"

    @pytest.mark.parametrize("content", ['{"manifests": 5}', '{"manifests": [{}]}', "nonsense"])
    def test_broken_manifest_lists_are_an_error_that_names_the_file(
        self, store: LocalStore, repository: LocalRepository, content: str
    ) -> None:
        put_kit(repository, "1.0")
        path = store.root / f"{encoded(NAME)}-index.json"
        path.write_text(content)
        with pytest.raises(StoreError, match=path.name):
            repository.resolve("1.0")

    def test_one_broken_repository_does_not_stop_another(self, store: LocalStore, repository: LocalRepository) -> None:
        put_kit(repository, "1.0")
        other = LocalRepository(store, "localhost/other")
        put_kit(other, "1.0", model=b"2")
        (store.root / f"{encoded(NAME)}-tags.json").write_text("{")
        put_kit(other, "2.0", model=b"3")
        other.close()
        assert list(other.tags()) == ["1.0", "2.0"]

    def test_a_layout_version_of_the_future_is_refused(self, store: LocalStore, repository: LocalRepository) -> None:
        put_kit(repository, "1.0")
        repository.close()
        (store.root / "oci-layout").write_text('{"imageLayoutVersion":"2.0.0"}')
        with pytest.raises(StoreError, match="imageLayoutVersion"):
            put_kit(repository, "1.1")

    def test_a_tag_whose_manifest_is_gone_is_not_shown_and_says_so_when_asked_for(
        self, repository: LocalRepository
    ) -> None:
        gone = put_kit(repository, "gone", model=b"1")
        put_kit(repository, "here", model=b"2")
        blob_path(repository, gone.digest).unlink()
        assert list(repository.tags()) == ["here"]
        with pytest.raises(NotFoundError, match="its manifest is gone"):
            repository.resolve("gone")
        repository.untag("gone")

    def test_a_name_too_long_for_a_file_is_an_error(self, store: LocalStore) -> None:
        repository = LocalRepository(store, "localhost/" + "a" * 240)
        with pytest.raises(StoreError, match="File name too long") as caught:
            put_kit(repository, "1.0")
        assert "shorter" in caught.value.hint
        repository.close()


def digest_of(letter: bytes, count: int = 2500) -> str:
    return sha256_digest(letter * count)


def blob_path(repository: LocalRepository, digest: str) -> Path:
    return repository._blobs.path(digest)


def replace_blob(repository: LocalRepository, digest: str, data: bytes) -> None:
    path = blob_path(repository, digest)
    path.unlink()
    path.write_bytes(data)


def run_python(script: str, *args: Path) -> str:
    """Run a script in a process of its own, with the tests' helpers at hand; what it printed."""
    path = os.pathsep.join([str(Path(__file__).parents[2] / "support"), str(Path(__file__).parents[3])])
    result = subprocess.run(
        [sys.executable, "-c", script, *map(str, args)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_helpers_name_every_blob_of_a_kit(repository: LocalRepository, store: LocalStore) -> None:
    manifest = put_kit(repository, "1.0")
    assert blob_digests(store.root) == digests_of(manifest)
    assert BytesSource(b"", "x").known is not None
