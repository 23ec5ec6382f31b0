"""A directory to serve: what is in it, when it is replaced, and what stands in its way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_runner import kit, ok
from clients import client
from fault_proxy import FaultProxy, corrupt
from serving_kits import FLAT, push, read, releases, write
from signing_tools import KEY, OTHER_KEY, trusting, write_keys

import kitops_core as kitops
from kitops_core.errors import (
    CancelledError,
    ConflictError,
    IntegrityError,
    InvalidInputError,
    NotFoundError,
    StoreError,
    VerificationError,
)
from kitops_core.events import Cancel


@pytest.fixture
def to(tmp_path: Path) -> Path:
    return tmp_path / "models" / "churn"


@pytest.fixture
def reference(registry: str, tmp_path: Path) -> str:
    return push(registry, tmp_path / "kit")


class TestWhatIsThere:
    def test_the_model_with_its_parts_lies_flat_in_it(self, reference: str, to: Path) -> None:
        made = kitops.materialize(reference, to)
        assert read(to) == FLAT
        assert (made.fetched, made.changed, made.files, made.size) == (True, True, 3, sum(map(len, FLAT.values())))
        assert made.directory == str(to)
        assert Path(made.release) == to.resolve()
        assert made.reference.endswith(f"1.0@{made.digest}")

    def test_the_directory_is_a_relative_link_so_that_the_volume_can_be_mounted_elsewhere(
        self, reference: str, to: Path
    ) -> None:
        kitops.materialize(reference, to)
        assert os.readlink(to).startswith(".churn.kitops/sha256-")
        to.parent.rename(to.parent.with_name("elsewhere"))
        assert read(to.parent.with_name("elsewhere") / "churn") == FLAT

    def test_with_the_kitfiles_paths(self, reference: str, to: Path) -> None:
        kitops.materialize(reference, to, keep_paths=True)
        assert set(read(to)) == {"models/churn/model.bin", "models/churn/config.json", "tokenizer/tokenizer.json"}

    def test_filters_take_what_they_name_instead_of_the_model(self, reference: str, to: Path) -> None:
        kitops.materialize(reference, to, only=["model", "code:src", "kitfile"])
        assert set(read(to)) == {*FLAT, "src/train.py", "Kitfile"}

    def test_the_model_of_the_kit_that_model_path_names_comes_with_this_kits_parts(
        self, reference: str, registry: str, tmp_path: Path, to: Path
    ) -> None:
        (tmp_path / "tuned").mkdir()
        (tmp_path / "tuned" / "generation_config.json").write_text("{}")
        (tmp_path / "tuned" / "Kitfile").write_text(
            f"manifestVersion: 1.0.0\nmodel: {{path: '{reference}', parts: [{{path: generation_config.json}}]}}\n"
        )
        tuned = f"{reference.rpartition(':')[0]}:tuned"
        kitops.pack(tmp_path / "tuned", tuned, push=True)
        kitops.materialize(tuned, to)
        assert read(to) == {**FLAT, "generation_config.json": "{}"}

        kitops.pack(write(tmp_path / "kit", **{"models/churn/model.bin": "new base"}), reference, push=True)
        assert kitops.materialize(tuned, to).fetched
        assert (to / "model.bin").read_text() == "new base"

    def test_of_a_kit_and_its_base_that_have_an_entry_of_one_path_the_kits_own_is_taken(
        self, tmp_path: Path, to: Path
    ) -> None:
        kitops.pack(write(tmp_path / "kit"), "base:1.0")
        config = tmp_path / "tuned" / "models" / "churn" / "config.json"
        config.parent.mkdir(parents=True)
        config.write_text("tuned")
        (tmp_path / "tuned" / "Kitfile").write_text(
            "manifestVersion: 1.0.0\nmodel: {path: 'base:1.0', parts: [{path: models/churn/config.json}]}\n"
        )
        kitops.pack(tmp_path / "tuned", "tuned:1.0")
        kitops.materialize("tuned:1.0", to)
        assert read(to) == {**FLAT, "config.json": "tuned"}
        kitops.unpack("tuned:1.0", tmp_path / "out", only=["model"])
        assert (tmp_path / "out" / "models" / "churn" / "config.json").read_text() == "tuned"

    @pytest.mark.parametrize("keep_paths", [False, True])
    def test_files_and_directories_that_are_closed_in_the_kit_are_open_to_the_server(
        self, registry: str, tmp_path: Path, to: Path, keep_paths: bool
    ) -> None:
        bundle = write(tmp_path / "kit", **{"models/churn/sub/x": "x"})
        (bundle / "Kitfile").write_text("manifestVersion: 1.0.0\nmodel: {path: models/churn}\n")
        for path, mode in (("models/churn/model.bin", 0o600), ("models/churn/sub", 0o700), ("models/churn", 0o700)):
            (bundle / path).chmod(mode)
        (bundle / "models" / "churn" / "config.json").chmod(0o750)
        kitops.pack(bundle, "churn:1.0")
        kitops.materialize("churn:1.0", to, keep_paths=keep_paths)
        model = to / "models" / "churn" if keep_paths else to
        wanted = {"": 0o755, "sub": 0o755, "model.bin": 0o644, "config.json": 0o754}
        assert {name: (model / name).stat().st_mode & 0o777 for name in wanted} == wanted

    def test_from_the_local_store(self, tmp_path: Path, to: Path) -> None:
        kitops.pack(write(tmp_path / "kit"), "churn:1.0")
        assert kitops.materialize("churn:1.0", to).storage == "local store"
        assert read(to) == FLAT


class TestAgain:
    def test_a_kit_that_is_there_is_not_fetched(self, faults: FaultProxy, tmp_path: Path, to: Path) -> None:
        reference = push(faults.address, tmp_path / "kit")
        first = kitops.materialize(reference, to, where="registry")
        blobs = faults.count("GET", "/blobs/")
        again = kitops.materialize(reference, to, where="registry")
        assert (again.fetched, again.changed) == (False, False)
        assert (again.digest, again.release) == (first.digest, first.release)
        assert faults.count("GET", "/blobs/") <= blobs + 1  # the Kitfile

    def test_for_a_digest_the_registry_is_not_even_asked(self, faults: FaultProxy, tmp_path: Path, to: Path) -> None:
        reference = push(faults.address, tmp_path / "kit")
        digest = kitops.materialize(reference, to, where="registry").digest
        pinned = f"{reference.rpartition(':')[0]}@{digest}"
        faults.seen.clear()
        assert not kitops.materialize(pinned, to, where="registry").changed
        assert faults.seen == []

    def test_a_file_that_is_gone_or_has_another_size_is_noticed(self, reference: str, to: Path) -> None:
        kitops.materialize(reference, to)
        for damage in (os.unlink, lambda path: Path(path).write_text("less")):
            damage(to / "model.bin")
            made = kitops.materialize(reference, to)
            assert made.fetched
            assert read(to) == FLAT

    def test_another_selection_of_the_same_kit_is_another_release(self, reference: str, to: Path) -> None:
        kitops.materialize(reference, to)
        made = kitops.materialize(reference, to, only=["code"])
        assert made.fetched
        assert set(read(to)) == {"src/train.py"}
        assert not kitops.materialize(reference, to, only=["code"]).fetched
        assert kitops.materialize(reference, to).changed


class TestReplacing:
    def test_a_new_kit_takes_the_directory_and_the_one_before_stays_for_who_reads_it(
        self, reference: str, tmp_path: Path, to: Path
    ) -> None:
        first = kitops.materialize(reference, to)
        kitops.pack(write(tmp_path / "kit", **{"models/churn/model.bin": "better"}), reference, push=True)
        second = kitops.materialize(reference, to)
        assert (to / "model.bin").read_text() == "better"
        assert read(Path(first.release)) == FLAT

        back = kitops.materialize(first.reference, to)
        assert (back.fetched, back.changed, back.release) == (False, True, first.release)

        kitops.pack(write(tmp_path / "kit", **{"models/churn/model.bin": "best"}), reference, push=True)
        third = kitops.materialize(reference, to)
        assert not Path(second.release).exists()
        assert sorted(Path(path).parent.name for path in (first.release, third.release)) == releases(to)

    def test_keep_says_how_many(self, reference: str, tmp_path: Path, to: Path) -> None:
        for version, keep, left in (("a", 2, 1), ("b", 2, 2), ("c", 2, 3), ("d", 2, 3), ("e", 0, 1)):
            kitops.pack(write(tmp_path / "kit", **{"models/churn/model.bin": version}), reference, push=True)
            kitops.materialize(reference, to, keep=keep)
            assert len(releases(to)) == left
            assert (to / "model.bin").read_text() == version

    def test_what_dead_processes_left_is_removed(self, reference: str, to: Path) -> None:
        place = to.parent / ".churn.kitops"
        for name in ("tmp-0123456789abcdef/kit", "claim-0123456789abcdef", "dead-01", "sha256-0-half/model"):
            (place / name).mkdir(parents=True)
        kitops.materialize(reference, to)
        (name,) = releases(to)
        assert name.startswith("sha256-")


class TestWhatIsInTheWay:
    def test_a_directory_is_not_touched(self, reference: str, to: Path) -> None:
        to.mkdir(parents=True)
        (to / "mine").write_text("mine")
        with pytest.raises(ConflictError, match="is a directory that was not made by materialize") as caught:
            kitops.materialize(reference, to)
        assert str(to / "model") in caught.value.hint
        assert os.listdir(to.parent) == ["churn"]
        assert os.listdir(to) == ["mine"]

    @pytest.mark.parametrize("target", ["elsewhere", ".churn.kitops", "../models/.churn.kitops/x/model"])
    def test_a_link_to_something_else_is_not_touched(self, reference: str, to: Path, target: str) -> None:
        to.parent.mkdir()
        to.symlink_to(target)
        with pytest.raises(ConflictError, match="is a symbolic link that was not made by materialize"):
            kitops.materialize(reference, to)
        assert os.readlink(to) == target

    def test_a_file_is_not_touched(self, reference: str, to: Path) -> None:
        to.parent.mkdir()
        to.write_text("mine")
        with pytest.raises(ConflictError, match="is a file"):
            kitops.materialize(reference, to)

    def test_two_parts_of_one_name_leave_nothing(self, registry: str, tmp_path: Path, to: Path) -> None:
        kitfile = "manifestVersion: 1.0.0\nmodel: {path: m/w.bin, parts: [{path: a}, {path: b}]}\n"
        files = {"Kitfile": kitfile, "m/w.bin": "w", "a/config.json": "a", "b/config.json": "b"}
        reference = push(registry, tmp_path / "kit", **files)
        with pytest.raises(ConflictError, match=r"would both be 'config\.json'"):
            kitops.materialize(reference, to)
        assert releases(to) == []
        assert not to.exists()
        kitops.materialize(reference, to, keep_paths=True)
        assert (to / "b" / "config.json").read_text() == "b"


class TestWhatFails:
    def test_a_damaged_blob_leaves_what_was_there(self, faults: FaultProxy, tmp_path: Path, to: Path) -> None:
        reference = push(faults.address, tmp_path / "kit")
        kitops.materialize(reference, to, where="registry")
        kitops.pack(write(tmp_path / "kit", **{"models/churn/model.bin": "new"}), reference, push=True)
        with kitops.open(reference, where="registry") as opened:
            digest = next(layer.descriptor.digest for layer in opened.layers if layer.entry.section == "model")
        faults.fault("GET", f"/blobs/{digest}", corrupt(600), times=10)
        with pytest.raises(IntegrityError):
            kitops.materialize(reference, to, where="registry")
        assert read(to) == FLAT
        assert len(releases(to)) == 1

    def test_unsigned_and_otherwise_signed_kits_are_not_fetched(self, faults: FaultProxy, tmp_path: Path) -> None:
        reference, to = push(faults.address, tmp_path / "kit"), tmp_path / "models" / "churn"
        with pytest.raises(VerificationError):
            kitops.materialize(reference, to, verify=trusting(KEY), where="registry")
        assert not to.parent.exists()
        assert faults.count("GET", "/blobs/") == 0
        kitops.sign(reference, KEY, where="registry")
        made = kitops.materialize(reference, to, verify=trusting(KEY), where="registry")
        with pytest.raises(VerificationError):
            kitops.materialize(made.reference, to, verify=trusting(OTHER_KEY), where="registry")
        assert read(to) == FLAT

    def test_a_base_that_a_tag_names_must_be_signed_too(self, reference: str, tmp_path: Path, to: Path) -> None:
        (tmp_path / "tuned").mkdir()
        (tmp_path / "tuned" / "Kitfile").write_text(f"manifestVersion: 1.0.0\nmodel: {{path: '{reference}'}}\n")
        tuned = f"{reference.rpartition(':')[0]}:tuned"
        kitops.pack(tmp_path / "tuned", tuned, push=True)
        kitops.sign(tuned, KEY, where="registry")
        with pytest.raises(VerificationError):
            kitops.materialize(tuned, to, verify=trusting(KEY))
        kitops.sign(reference, KEY, where="registry")
        kitops.materialize(tuned, to, verify=trusting(KEY))
        assert read(to) == FLAT

    def test_cancelling_leaves_nothing(self, reference: str, to: Path) -> None:
        cancel = Cancel()
        with pytest.raises(CancelledError):
            client(cancel=cancel, on_event=lambda event: cancel.cancel()).materialize(reference, to)
        assert releases(to) == []
        assert not to.is_symlink()

    @pytest.mark.parametrize("options", [{"keep": -1}, {"stale_after": 0}, {"only": ["weights"]}])
    def test_arguments_that_mean_nothing(self, to: Path, options: dict[str, object]) -> None:
        with pytest.raises(InvalidInputError):
            kitops.materialize("churn:1.0", to, **options)  # type: ignore[arg-type]

    def test_a_kit_or_a_part_that_is_not_there(self, reference: str, to: Path) -> None:
        with pytest.raises(NotFoundError):
            kitops.materialize(f"{reference}-not", to)
        with pytest.raises(NotFoundError, match="nothing the filter takes"):
            kitops.materialize(reference, to, only=["datasets"])
        assert releases(to) == []

    @pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="needs to mount a small file system")
    def test_a_full_volume_keeps_the_release_it_has(self, registry: str, tmp_path: Path) -> None:
        volume = tmp_path / "volume"
        volume.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", volume], capture_output=True)
        if mounted.returncode:
            pytest.skip("mounting is not allowed here")
        try:
            reference = push(registry, tmp_path / "kit")
            kitops.materialize(reference, volume / "churn")
            big = {"models/churn/model.bin": os.urandom(1_000_000)}
            kitops.pack(write(tmp_path / "kit", **big), reference, push=True)
            with pytest.raises(StoreError, match="No space left"):
                kitops.materialize(reference, volume / "churn")
            assert read(volume / "churn") == FLAT
            assert len(releases(volume / "churn")) == 1
        finally:
            subprocess.run(["umount", volume], check=True)


class TestTheCommand:
    def test_answers(self, reference: str, to: Path) -> None:
        first = ok("materialize", reference, "--to", to)
        assert first.out.startswith("materialized  sha256:")
        assert "from the registry" in first.err
        assert ok("materialize", reference, "--to", to).out.startswith("unchanged  sha256:")
        assert ok("materialize", reference, "--to", to, "--print").out == f"{to}\n"
        answer = ok("materialize", reference, "--to", to, "--json").json
        assert (answer["directory"], answer["changed"], answer["files"]) == (str(to), False, 3)

    def test_print_and_json_exclude_each_other(self, to: Path) -> None:
        assert kit("materialize", "churn:1.0", "--to", to, "--print", "--json").code == 2

    def test_verifies_by_key(self, reference: str, tmp_path: Path, to: Path) -> None:
        write_keys(tmp_path, KEY, "release")
        write_keys(tmp_path, OTHER_KEY, "other")
        command = ("materialize", reference, "--to", to, "--verify", tmp_path / "release.pub")
        assert kit(*command).code == 6
        kitops.sign(reference, KEY, where="registry")
        assert kit(*command[:-1], tmp_path / "other.pub").code == 6
        assert not to.exists()
        ok(*command, "--verify", tmp_path / "other.pub")
        assert read(to) == FLAT

    def test_what_is_in_the_way_is_a_conflict(self, to: Path) -> None:
        to.mkdir(parents=True)
        ran = kit("materialize", "churn:1.0", "--to", to)
        assert ran.code == 8
        assert "hint: remove it" in ran.err

    def test_a_release_says_what_it_is(self, reference: str, to: Path) -> None:
        made = kitops.materialize(reference, to)
        said = json.loads((Path(made.release).parent / "release.json").read_text())
        assert (said["schema"], said["digest"]) == ("kitops/release/v1", made.digest)
        assert set(said["files"]) == set(FLAT)
