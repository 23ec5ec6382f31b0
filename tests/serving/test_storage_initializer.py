"""The storage initializer of KServe, run as its init container is, in a mounted directory."""

from __future__ import annotations

import json
import os
import threading
import uuid
from pathlib import Path
from typing import Any

import pytest
from fault_proxy import FaultProxy, corrupt
from serving_kits import FILES, FLAT, push, read, write
from signing_tools import KEY, OTHER_KEY, write_keys
from storage_initializing import initialize, initialize_in_a_process
from variants import make_index

import kitops_core as kitops


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """What KServe mounts: a directory that is there, and empty."""
    path = tmp_path / "mnt" / "models"
    path.mkdir(parents=True)
    return path


@pytest.fixture
def reference(registry: str, tmp_path: Path) -> str:
    return push(registry, tmp_path / "kit")


class TestTheArguments:
    @pytest.mark.parametrize("args", [(), ("kit://a.b/c:1",), ("kit://a.b/c:1", "/x", "kit://a.b/c:2")])
    def test_a_wrong_number_prints_the_usage_and_fails(self, args: tuple[str, ...]) -> None:
        ran = initialize(*args)
        assert ran.code == 2
        assert ran.err.startswith("Usage: kitops-storage-initializer SRC DEST [SRC DEST ...]")
        assert ran.out == ""

    def test_help_and_version(self) -> None:
        assert initialize_in_a_process("--help").out.startswith("Usage: kitops-storage-initializer")
        assert initialize("--version").out == f"kitops-storage-initializer {kitops.__version__}\n"

    @pytest.mark.parametrize(
        ("source", "message"),
        [
            ("s3://bucket/model", "'s3://bucket/model' is not a kit:// URI"),
            ("kit://churn:1.0", "names no registry"),
            ("kit://oci:/x:1", "names no registry"),
            ("kit://a.b/C:1", "not a ModelKit reference"),
            ("kit://a.b/c@sha256:12", "is not a digest"),
        ],
    )
    def test_a_source_that_is_no_kit_of_a_registry(self, models: Path, source: str, message: str) -> None:
        ran = initialize(source, models)
        assert ran.code == 3
        assert message in ran.err

    def test_nothing_is_fetched_when_a_later_pair_is_wrong(self, reference: str, models: Path) -> None:
        assert initialize(f"kit://{reference}", models, "s3://b/m", models / "b").code == 3
        assert initialize(f"kit://{reference}", models, f"kit://{reference}", f"{models}/.").code == 3
        assert os.listdir(models) == []


class TestWhatIsThere:
    def test_the_model_lies_flat_where_servers_look(self, reference: str, models: Path) -> None:
        ran = initialize(f"kit://{reference}", models)
        assert ran.code == 0, ran
        assert read(models) == FLAT
        assert sorted(os.listdir(models)) == [".kitops.json", *sorted(FLAT)]
        assert ran.out.startswith(f"ready  {reference}@sha256:")

    def test_all_of_the_kit_under_the_kitfiles_paths_as_the_container_of_kitops_has_it(
        self, reference: str, models: Path
    ) -> None:
        assert initialize(f"kit://{reference}", models, KITOPS_LAYOUT="kitfile").code == 0
        assert set(read(models)) == set(FILES)

    def test_the_flags_of_unpack(self, reference: str, models: Path) -> None:
        ran = initialize(f"kit://{reference}", models, KIT_UNPACK_FLAGS="--filter 'code:src' --kitfile --model=false")
        assert ran.code == 0, ran
        assert set(read(models)) == {"src/train.py", "Kitfile"}

    def test_a_digest(self, reference: str, tmp_path: Path, models: Path) -> None:
        with kitops.open(reference, where="registry") as kit:
            pinned = f"{reference.rpartition(':')[0]}@{kit.digest}"
        kitops.pack(write(tmp_path / "kit", **{"models/churn/model.bin": "new"}), reference, push=True)
        assert initialize(f"kit://{pinned}", models).code == 0
        assert read(models) == FLAT

    def test_several_kits(self, reference: str, registry: str, tmp_path: Path, models: Path) -> None:
        other = push(registry, tmp_path / "other", **{"models/churn/model.bin": "other"})
        ran = initialize(f"kit://{reference}", models / "a", f"kit://{other}", models / "b")
        assert ran.code == 0, ran
        assert (read(models / "a"), (models / "b" / "model.bin").read_text()) == (FLAT, "other")

    def test_of_several_kits_one_that_fails_leaves_nothing_of_itself(self, reference: str, models: Path) -> None:
        ran = initialize(f"kit://{reference}", models / "a", f"kit://{reference}-not", models / "b")
        assert ran.code == 4
        assert read(models / "a") == FLAT
        assert not (models / "b").exists()

    def test_a_container_that_starts_again_finds_it_there(self, faults: FaultProxy, tmp_path: Path) -> None:
        reference, models = push(faults.address, tmp_path / "kit"), tmp_path / "mnt"
        assert initialize_in_a_process(f"kit://{reference}", models).code == 0
        (models / "lost+found").mkdir()
        faults.seen.clear()
        ran = initialize(f"kit://{reference}", models)
        assert (ran.code, ran.out.split()[0]) == (0, "unchanged")
        assert faults.count("GET", "/blobs/") <= 1
        digest = json.loads((models / ".kitops.json").read_text())["digest"]
        faults.seen.clear()
        assert initialize(f"kit://{reference.rpartition(':')[0]}@{digest}", models).code == 0
        assert faults.seen == []

    def test_another_kit_replaces_the_files_of_the_one_before(
        self, reference: str, registry: str, tmp_path: Path, models: Path
    ) -> None:
        (models / "mine.txt").write_text("mine")
        assert initialize(f"kit://{reference}", models, KITOPS_LAYOUT="kitfile").code == 0
        assert initialize(f"kit://{reference}", models).code == 0
        assert read(models) == {**FLAT, "mine.txt": "mine"}
        assert sorted(os.listdir(models)) == [".kitops.json", *sorted([*FLAT, "mine.txt"])]


class TestWhatIsInTheWay:
    def test_files_that_are_there_are_a_conflict_and_are_not_touched(self, reference: str, models: Path) -> None:
        (models / "config.json").write_text("mine")
        ran = initialize(f"kit://{reference}", models)
        assert ran.code == 8
        assert "already has 1 of the kit's files: 'config.json'" in ran.err
        assert {path: (models / path).read_text() for path in os.listdir(models)} == {"config.json": "mine"}

    @pytest.mark.parametrize(("flag", "text"), [("-o", FLAT["config.json"]), ("--ignore-existing", "mine")])
    def test_unless_a_flag_says_what_to_do(self, reference: str, models: Path, flag: str, text: str) -> None:
        (models / "config.json").write_text("mine")
        ran = initialize(f"kit://{reference}", models, KIT_UNPACK_FLAGS=flag)
        assert ran.code == 0, ran
        assert read(models) == {**FLAT, "config.json": text}
        assert initialize(f"kit://{reference}", models, KIT_UNPACK_FLAGS=flag).out.startswith("unchanged")

    def test_a_directory_in_a_files_place(self, reference: str, models: Path) -> None:
        (models / "model.bin" / "x").mkdir(parents=True)
        ran = initialize(f"kit://{reference}", models, KIT_UNPACK_FLAGS="-o")
        assert ran.code == 8
        assert "'model.bin'" in ran.err
        assert os.listdir(models) == ["model.bin"]

    def test_a_damaged_blob_leaves_nothing(self, faults: FaultProxy, tmp_path: Path, models: Path) -> None:
        reference = push(faults.address, tmp_path / "kit")
        faults.fault("GET", "/blobs/", corrupt(600), times=10)
        faults.fault("GET", "/blobs/", corrupt(600), times=10)
        ran = initialize(f"kit://{reference}", models)
        assert ran.code == 6
        assert os.listdir(models) == []


class TestTheEnvironment:
    @pytest.mark.parametrize(
        ("flags", "message"),
        [
            ("--include-remote", "--include-remote cannot be used here"),
            ("--no-such-flag", "--no-such-flag"),
            ("--filter", "requires an argument"),
            ("--filter weights", "'weights' is not a type"),
            ("--filter 'model", "cannot be split into words"),
            ("--dir /elsewhere", "--dir cannot be used here"),
            ("-d /elsewhere", "--dir cannot be used here"),
            ("--verify-files release.pub", "--verify-files cannot be used here"),
            ("--json", "--json cannot be used here"),
            ("--help", "asks for help"),
            ("another", "unexpected extra argument"),
            ("-o -i", "--overwrite and --ignore-existing exclude each other"),
        ],
    )
    def test_flags_that_cannot_be_used(self, reference: str, models: Path, flags: str, message: str) -> None:
        ran = initialize(f"kit://{reference}", models, KIT_UNPACK_FLAGS=flags)
        assert ran.code == 3
        assert message in ran.err
        assert os.listdir(models) == []

    def test_a_layout_that_is_none(self, models: Path) -> None:
        assert "'nested' is not a layout" in initialize("kit://a.b/c:1", models, KITOPS_LAYOUT="nested").err

    def test_only_what_one_of_the_keys_signed(self, reference: str, tmp_path: Path, models: Path) -> None:
        write_keys(tmp_path, KEY, "release")
        write_keys(tmp_path, OTHER_KEY, "other")
        keys = f"{tmp_path}/other.pub env://RELEASE_KEY"
        environment = {"KITOPS_VERIFY_KEY": keys, "RELEASE_KEY": (tmp_path / "release.pub").read_text()}
        ran = initialize(f"kit://{reference}", models, **environment)
        assert ran.code == 6
        assert os.listdir(models) == []
        kitops.sign(reference, KEY, where="registry")
        assert initialize(f"kit://{reference}", models, **environment).code == 0
        assert read(models) == FLAT
        ran = initialize(f"kit://{reference}", models, KITOPS_VERIFY_KEY=f"{tmp_path}/other.pub")
        assert ran.code == 6  # also where it is there already

    def test_a_key_that_is_set_and_empty_does_not_switch_verification_off(self, reference: str, models: Path) -> None:
        ran = initialize(f"kit://{reference}", models, KITOPS_VERIFY_KEY=" ")
        assert ran.code == 3
        assert "KITOPS_VERIFY_KEY is set and empty" in ran.err
        assert os.listdir(models) == []


@pytest.mark.slow
def test_two_at_once_into_one_volume_fetch_it_once(faults: FaultProxy, tmp_path: Path, models: Path) -> None:
    reference = push(faults.address, tmp_path / "kit")
    with kitops.open(reference, where="registry") as kit:
        digest = next(layer.descriptor.digest for layer in kit.layers if layer.entry.section == "model")
    results: list[Any] = []
    threads = [
        threading.Thread(target=lambda: results.append(initialize(f"kit://{reference}", models))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [ran.code for ran in results] == [0, 0, 0], results
    assert faults.count("GET", f"/blobs/{digest}") == 1
    assert read(models) == FLAT


class TestAnIndex:
    @pytest.mark.parametrize(
        ("rules", "environment"),
        [
            ("?quantization=q4_0", {}),
            ("?vram%3C%3D8GB", {}),
            ("", {"KITOPS_LABEL": "'vram<=8GB' quantization=q4_0"}),
            ("", {"KIT_UNPACK_FLAGS": "--label quantization=q4_0"}),
            ("?quantization=q4_0", {"KITOPS_LABEL": "quantization=f16"}),
        ],
    )
    def test_one_kit_of_it_is_chosen_by_the_source_or_the_environment(
        self, registry: str, tmp_path: Path, models: Path, rules: str, environment: dict[str, str]
    ) -> None:
        name = f"{registry}/test/{uuid.uuid4().hex[:12]}"
        make_index(tmp_path, name, push=True)
        ran = initialize(f"kit://{name}:all{rules}", models, **environment)
        assert ran.code == 0, ran
        assert [path.name for path in models.glob("*.gguf")] == ["q4_0.gguf"]

    def test_without_a_rule_it_says_what_there_is(self, registry: str, tmp_path: Path, models: Path) -> None:
        name = f"{registry}/test/{uuid.uuid4().hex[:12]}"
        make_index(tmp_path, name, push=True)
        ran = initialize(f"kit://{name}:all", models)
        assert ran.code == 3
        assert f"{name}:q4_0  (quantization=q4_0, vram=6GB)" in ran.err
        assert list(models.iterdir()) == []

    def test_auto_takes_what_fits_the_largest_gpu_that_is_there(
        self, registry: str, tmp_path: Path, models: Path
    ) -> None:
        """The program is a stand-in for nvidia-smi, which needs a GPU: it lists two, of 16 and 8 GiB."""
        program = tmp_path / "bin" / "nvidia-smi"
        program.parent.mkdir()
        program.write_text("#!/bin/sh\nprintf '16384\\n8192\\n'\n")
        program.chmod(0o755)
        name = f"{registry}/test/{uuid.uuid4().hex[:12]}"
        make_index(tmp_path, name, push=True)
        path = f"{program.parent}:{os.environ['PATH']}"
        assert initialize(f"kit://{name}:all?auto", models, PATH=path).code == 0
        assert [found.name for found in models.glob("*.gguf")] == ["q8_0.gguf"]
