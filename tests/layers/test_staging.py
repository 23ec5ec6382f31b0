"""The staging directory: nothing at the target before all is well, nothing left when it is not."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from layer_files import open_below

from kitops_core.errors import CancelledError, ConflictError, StoreError, UnsafeLayerError
from kitops_core.layers.publish import Existing, PublishReport, publish
from kitops_core.layers.staging import Staging
from kitops_core.staged import STALE_SECONDS

not_as_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def fill(directory: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = directory / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def texts(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): "" if path.is_dir() else path.read_text()
        for path in sorted(directory.rglob("*"))
    }


def unpack(target: Path, files: dict[str, str], existing: Existing = "refuse") -> PublishReport:
    with Staging(target) as staging:
        fill(staging.path, files)
        return staging.publish(existing)


def leftovers(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir() if ".kitops-" in path.name]


class TestStaging:
    def test_is_beside_the_target_and_for_its_owner_only(self, tmp_path: Path) -> None:
        with Staging(tmp_path / "model") as staging:
            outer = staging.path.parent
            assert outer.parent == tmp_path
            assert outer.name.startswith(".model.kitops-")
            assert outer.stat().st_mode & 0o777 == 0o700
            assert os.fstat(staging.fd).st_ino == staging.path.stat().st_ino
        assert list(tmp_path.iterdir()) == []

    def test_nothing_is_made_before_it_is_entered(self, tmp_path: Path) -> None:
        Staging(tmp_path / "a" / "b")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("error", [UnsafeLayerError("bad"), CancelledError("stop"), KeyboardInterrupt()])
    def test_goes_with_everything_in_it_when_something_goes_wrong(self, tmp_path: Path, error: BaseException) -> None:
        def work() -> None:
            with Staging(tmp_path / "made" / "for" / "this") as staging:
                fill(staging.path, {"d/e/f": "1", "g": "2"})
                raise error

        with pytest.raises(type(error)):
            work()
        assert list(tmp_path.iterdir()) == []

    def test_leaves_parents_that_someone_else_uses_by_now(self, tmp_path: Path) -> None:
        with Staging(tmp_path / "a" / "b" / "model"):
            (tmp_path / "a" / "other").touch()
        assert texts(tmp_path) == {"a": "", "a/other": ""}

    def test_makes_missing_parents(self, tmp_path: Path) -> None:
        unpack(tmp_path / "a" / "b" / "model", {"f": "1"})
        assert texts(tmp_path) == {"a": "", "a/b": "", "a/b/model": "", "a/b/model/f": "1"}

    def test_a_target_that_is_a_file_is_refused_at_once(self, tmp_path: Path) -> None:
        (tmp_path / "model").touch()
        with pytest.raises(ConflictError, match="is not a directory"), Staging(tmp_path / "model"):
            pytest.fail("entered")

    def test_a_parent_that_is_a_file_is_a_typed_error(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(StoreError, match="cannot make a directory"), Staging(tmp_path / "file" / "model"):
            pytest.fail("entered")

    @not_as_root
    def test_a_parent_that_may_not_be_written_is_a_typed_error(self, tmp_path: Path) -> None:
        (tmp_path / "closed").mkdir(mode=0o555)
        with pytest.raises(StoreError, match="Permission denied"), Staging(tmp_path / "closed" / "model"):
            pytest.fail("entered")

    @not_as_root
    def test_a_target_in_a_parent_that_may_not_be_written_is_staged_inside(self, tmp_path: Path) -> None:
        (tmp_path / "closed" / "model").mkdir(parents=True)
        (tmp_path / "closed").chmod(0o555)
        try:
            with Staging(tmp_path / "closed" / "model") as staging:
                assert staging.path.parent.parent == tmp_path / "closed" / "model"
                fill(staging.path, {"f": "1"})
                staging.publish()
            assert texts(tmp_path / "closed" / "model") == {"f": "1"}
        finally:
            (tmp_path / "closed").chmod(0o755)

    @pytest.mark.skipif(not os.path.ismount("/dev/shm"), reason="needs a mount that may be written")
    def test_a_target_that_is_a_mount_is_staged_inside(self) -> None:
        name = f"kitops-test-{os.getpid()}"
        with Staging(Path("/dev/shm")) as staging:
            assert staging.path.parent.parent == Path("/dev/shm")
            fill(staging.path, {name: "1"})
            assert staging.publish() == PublishReport(1)
        try:
            assert Path("/dev/shm", name).read_text() == "1"
        finally:
            Path("/dev/shm", name).unlink()

    def test_a_target_the_user_names_through_a_link_is_followed(self, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to("real")
        unpack(tmp_path / "link", {"f": "1"})
        assert texts(tmp_path / "real") == {"f": "1"}
        assert (tmp_path / "link").is_symlink()

    def test_a_relative_target_and_the_current_directory_will_do(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")
        unpack(Path("."), {"f": "1"})
        unpack(Path("sub/model"), {"g": "2"})
        assert texts(tmp_path) == {
            "here": "",
            "here/f": "1",
            "here/sub": "",
            "here/sub/model": "",
            "here/sub/model/g": "2",
        }

    def test_a_target_with_a_very_long_name_works(self, tmp_path: Path) -> None:
        unpack(tmp_path / ("ü" * 120), {"f": "1"})
        assert texts(tmp_path / ("ü" * 120)) == {"f": "1"}

    def test_takes_files_of_our_own_unless_a_layer_brought_them(self, tmp_path: Path) -> None:
        with Staging(tmp_path / "model") as staging:
            staging.write_file("Kitfile", b"manifestVersion: 1.0.0\n")
            with pytest.raises(UnsafeLayerError, match="the kit: entry 'Kitfile' is there twice"):
                staging.write_file("Kitfile", b"evil")
            staging.publish()
        assert texts(tmp_path / "model") == {"Kitfile": "manifestVersion: 1.0.0\n"}

    def test_leaves_no_descriptor_open(self, tmp_path: Path) -> None:
        unpack(tmp_path / "model", {"d/f": "1"})
        unpack(tmp_path / "model", {"d/f": "2"}, "overwrite")
        with pytest.raises(ConflictError):
            unpack(tmp_path / "model", {"d/f": "3"})
        assert open_below(tmp_path) == []


class TestPublishToNewTarget:
    def test_the_target_appears_whole_with_ordinary_modes(self, tmp_path: Path) -> None:
        with Staging(tmp_path / "model") as staging:
            fill(staging.path, {"d/a": "1", "b": "2", "empty/": ""})
            assert not (tmp_path / "model").exists()
            assert staging.publish() == PublishReport(2)
        assert texts(tmp_path / "model") == {"b": "2", "d": "", "d/a": "1", "empty": ""}
        assert (tmp_path / "model").stat().st_mode & 0o777 == 0o755
        assert [path.name for path in tmp_path.iterdir()] == ["model"]

    def test_its_mode_follows_the_umask(self, tmp_path: Path) -> None:
        os.umask(0o077)
        unpack(tmp_path / "model", {"a": "1"})
        assert (tmp_path / "model").stat().st_mode & 0o777 == 0o700

    def test_of_two_that_race_for_it_one_gets_a_conflict(self, tmp_path: Path) -> None:
        with Staging(tmp_path / "model") as one, Staging(tmp_path / "model") as two:
            fill(one.path, {"a": "one"})
            fill(two.path, {"a": "two"})
            one.publish()
            with pytest.raises(ConflictError, match="already has 1"):
                two.publish()
        assert texts(tmp_path / "model") == {"a": "one"}
        assert leftovers(tmp_path) == []


class TestPublishToExistingTarget:
    def test_directories_are_merged(self, tmp_path: Path) -> None:
        fill(tmp_path / "model", {"d/old": "old", "d/e/old": "old"})
        report = unpack(tmp_path / "model", {"d/new": "1", "d/e/new": "2", "d/f/new": "3", "top": "4"})
        assert report == PublishReport(4)
        assert texts(tmp_path / "model") == {
            "d": "", "d/e": "", "d/e/new": "2", "d/e/old": "old", "d/f": "", "d/f/new": "3",
            "d/new": "1", "d/old": "old", "top": "4",
        }  # fmt: skip

    def test_an_existing_directory_keeps_its_mode(self, tmp_path: Path) -> None:
        (tmp_path / "model").mkdir()
        (tmp_path / "model").chmod(0o750)
        unpack(tmp_path / "model", {"a": "1"})
        assert (tmp_path / "model").stat().st_mode & 0o777 == 0o750

    def test_existing_files_are_named_before_anything_is_moved(self, tmp_path: Path) -> None:
        fill(tmp_path / "model", {"d/b": "mine", "c": "mine"})
        with pytest.raises(ConflictError, match="already has 2 of the kit's files: 'c', 'd/b'") as caught:
            unpack(tmp_path / "model", {"d/a": "1", "d/b": "2", "c": "3", "x": "4"})
        assert caught.value.hint == "--overwrite replaces them, --ignore-existing keeps them"
        assert caught.value.exit_code == 8
        assert texts(tmp_path / "model") == {"c": "mine", "d": "", "d/b": "mine"}
        assert leftovers(tmp_path) == []

    def test_at_most_ten_are_named(self, tmp_path: Path) -> None:
        many = {f"file-{number:02}": "x" for number in range(13)}
        fill(tmp_path / "model", many)
        with pytest.raises(ConflictError, match=r"'file-00', .*'file-09' and 3 more$"):
            unpack(tmp_path / "model", many)

    def test_overwrite_replaces_them(self, tmp_path: Path) -> None:
        fill(tmp_path / "model", {"d/a": "old", "keep": "mine"})
        assert unpack(tmp_path / "model", {"d/a": "1", "b": "2"}, "overwrite") == PublishReport(2, replaced=1)
        assert texts(tmp_path / "model") == {"b": "2", "d": "", "d/a": "1", "keep": "mine"}

    def test_ignore_existing_keeps_them(self, tmp_path: Path) -> None:
        fill(tmp_path / "model", {"d/a": "old"})
        assert unpack(tmp_path / "model", {"d/a": "1", "b": "2"}, "ignore") == PublishReport(1, kept=1)
        assert texts(tmp_path / "model") == {"b": "2", "d": "", "d/a": "old"}
        assert leftovers(tmp_path) == []

    @pytest.mark.parametrize("existing", ["refuse", "overwrite", "ignore"])
    def test_a_file_for_a_directory_or_the_reverse_is_never_replaced(self, tmp_path: Path, existing: Existing) -> None:
        fill(tmp_path / "model", {"file": "mine", "dir/inner": "mine"})
        with pytest.raises(ConflictError, match="'dir', 'file'") as caught:
            unpack(tmp_path / "model", {"file/inner": "1", "dir": "2"}, existing)
        assert "move these away" in caught.value.hint
        assert texts(tmp_path / "model") == {"dir": "", "dir/inner": "mine", "file": "mine"}

    @pytest.mark.parametrize("existing", ["refuse", "overwrite", "ignore"])
    def test_a_link_where_the_kit_has_a_directory_is_never_followed(self, tmp_path: Path, existing: Existing) -> None:
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "model").mkdir()
        (tmp_path / "model" / "d").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(ConflictError, match="'d'"):
            unpack(tmp_path / "model", {"d/a": "1"}, existing)
        assert list((tmp_path / "elsewhere").iterdir()) == []

    @pytest.mark.parametrize("to", ["precious", "nowhere"])
    def test_a_link_where_the_kit_has_a_file_counts_as_existing(self, tmp_path: Path, to: str) -> None:
        (tmp_path / "precious").write_text("mine")
        (tmp_path / "model").mkdir()
        (tmp_path / "model" / "a").symlink_to(tmp_path / to)
        with pytest.raises(ConflictError, match="already has 1"):
            unpack(tmp_path / "model", {"a": "1"})
        unpack(tmp_path / "model", {"a": "1"}, "overwrite")
        assert not (tmp_path / "model" / "a").is_symlink()
        assert texts(tmp_path) == {"model": "", "model/a": "1", "precious": "mine"}

    def test_a_socket_counts_as_existing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "model").mkdir()
        monkeypatch.chdir(tmp_path / "model")  # a socket's path must be short
        with socket.socket(socket.AF_UNIX) as unix:
            unix.bind("s")
        with pytest.raises(ConflictError, match="already has 1 of the kit's files: 's'"):
            unpack(tmp_path / "model", {"s": "1"})

    @not_as_root
    def test_directories_that_may_not_be_written_are_named_before_anything_is_moved(self, tmp_path: Path) -> None:
        fill(tmp_path / "model", {"d/": "", "e/": ""})
        (tmp_path / "model" / "d").chmod(0o555)
        with pytest.raises(StoreError, match="'d/'"):
            unpack(tmp_path / "model", {"d/a": "1", "e/b": "2", "c": "3"})
        assert texts(tmp_path / "model") == {"d": "", "e": ""}

    @pytest.mark.skipif(not os.path.ismount("/dev/shm"), reason="needs a second file system")
    def test_another_file_system_is_found_out_before_anything_is_moved(self, tmp_path: Path) -> None:
        fill(tmp_path / "staged", {"a": "1"})
        target = Path("/dev/shm", f"kitops-test-{os.getpid()}-other")
        target.mkdir()
        try:
            with pytest.raises(StoreError, match="another file system"):
                publish(tmp_path / "staged", target)
            assert list(target.iterdir()) == []
        finally:
            target.rmdir()


KILLED = """
import os, signal, sys
from pathlib import Path
from kitops_core.layers.staging import Staging
with Staging(Path(sys.argv[1])) as staging:
    staging.write_file("half", b"x")
    print("ready", flush=True)
    if sys.argv[2] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    sys.stdin.read()
"""


class TestStale:
    def test_what_a_killed_process_left_is_removed_by_the_next(self, tmp_path: Path) -> None:
        done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "model"), "die"], capture_output=True)
        assert done.returncode == -signal.SIGKILL
        assert len(leftovers(tmp_path)) == 1
        unpack(tmp_path / "other", {"a": "1"})
        assert len(leftovers(tmp_path)) == 1
        unpack(tmp_path / "model", {"a": "1"})
        assert leftovers(tmp_path) == []

    def test_what_a_living_process_uses_is_left_alone_however_old(self, tmp_path: Path) -> None:
        with subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path / "model"), "live"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            (outer,) = leftovers(tmp_path)
            os.utime(tmp_path / outer, (0, 0))
            unpack(tmp_path / "model", {"a": "1"})
            assert leftovers(tmp_path) == [outer]
            process.communicate(b"")
        assert leftovers(tmp_path) == []

    def test_one_without_a_lock_is_removed_only_when_it_is_old(self, tmp_path: Path) -> None:
        bare = tmp_path / ".model.kitops-0123456789ab"
        bare.mkdir()
        unpack(tmp_path / "model", {"a": "1"})
        assert bare.exists()
        old = time.time() - STALE_SECONDS - 60
        os.utime(bare, (old, old))
        unpack(tmp_path / "model", {"b": "1"})
        assert not bare.exists()

    def test_names_that_only_look_alike_are_left_alone(self, tmp_path: Path) -> None:
        fill(tmp_path, {".model.kitops-backup/lock": "", ".model2.kitops-0123456789ab/lock": ""})
        (tmp_path / "precious").mkdir()
        (tmp_path / ".model.kitops-0123456789ab").symlink_to("precious")
        before = texts(tmp_path)
        unpack(tmp_path / "model", {"a": "1"})
        assert texts(tmp_path) == {**before, "model": "", "model/a": "1"}

    def test_where_locks_are_not_supported_age_decides(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def no_locks(fd: int, how: int) -> None:
            raise OSError(errno.ENOLCK, "no locks")

        monkeypatch.setattr(fcntl, "flock", no_locks)
        with Staging(tmp_path / "model") as first:
            outer = first.path.parent
            with Staging(tmp_path / "model"):
                assert outer.exists()
            os.utime(outer, (0, 0))
            with Staging(tmp_path / "model"):
                assert not outer.exists()
