"""A kit in a directory that cannot be replaced: errors undo what was moved, whatever was moved."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from clients import client
from serving_kits import FILES, push, read

from kitops_core.errors import ConflictError, StoreError
from kitops_core.serving.mount import Mount
from kitops_core.serving.resolved import EVERYTHING, Selection

pass

ALL = Selection(tuple(sorted(EVERYTHING)), keep_paths=True)


class FailingRename:
    """A fault: the n-th rename into or out of a directory fails, as of a disk that breaks."""

    def __init__(self, directory: Path, count: int) -> None:
        self.directory = str(directory)
        self.left = count
        self.failed = False
        self.rename = os.rename

    def __call__(self, source: Any, target: Any, **options: Any) -> None:
        paths = [os.path.dirname(path) for path in (os.fspath(source), os.fspath(target))]
        if any(path.startswith(self.directory) and ".kitops" not in path for path in paths):
            self.left -= 1
            if self.left == 0:
                self.failed = True
                raise OSError(5, "Input/output error")
        self.rename(source, target, **options)


@pytest.mark.slow
def test_an_error_at_any_rename_leaves_everything_as_it_was(
    registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = push(registry, tmp_path / "before")
    after = push(registry, tmp_path / "after", **{"models/churn/model.bin": "new", "src/more/a.py": "a"})
    failures = 0
    while True:
        models = tmp_path / str(failures)
        client().initialize_storage(before, models, selection=ALL)
        (models / "src" / "mine.py").write_text("mine")
        there = read(models)
        with monkeypatch.context() as patched:
            fault = FailingRename(models, failures + 1)
            patched.setattr(os, "rename", fault)
            try:
                client().initialize_storage(after, models, selection=ALL)
            except StoreError:
                assert fault.failed
        if not fault.failed:
            break
        failures += 1
        assert read(models) == there
        assert client().initialize_storage(before, models, selection=ALL).fetched is False
    wanted = {**FILES, "models/churn/model.bin": "new", "src/more/a.py": "a", "src/mine.py": "mine"}
    assert read(models) == {**wanted, "Kitfile": there["Kitfile"]}
    assert failures > 10


def test_a_directory_of_the_kit_before_makes_room_for_a_file_and_the_reverse(registry: str, tmp_path: Path) -> None:
    kitfile = "manifestVersion: 1.0.0\nmodel: {path: w}\n"
    file = push(registry, tmp_path / "file", Kitfile=kitfile, w="w")
    directory = push(registry, tmp_path / "directory", **{"Kitfile": kitfile, "w/a/b": "b"})
    keep = Selection(keep_paths=True)
    for reference, there in ((file, {"w": "w"}), (directory, {"w/a/b": "b"}), (file, {"w": "w"})):
        client().initialize_storage(reference, tmp_path / "models", selection=keep)
        assert read(tmp_path / "models") == there


def test_a_link_in_a_directorys_place_is_not_followed(registry: str, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "src").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConflictError, match="'src'"):
        client().initialize_storage(
            push(registry, tmp_path / "kit"), tmp_path / "models", selection=ALL, existing="overwrite"
        )
    assert os.listdir(tmp_path / "elsewhere") == []


def test_a_file_that_was_altered_is_fetched_again(registry: str, tmp_path: Path) -> None:
    reference, models = push(registry, tmp_path / "kit"), tmp_path / "models"
    client().initialize_storage(reference, models)
    (models / "config.json").write_text("")
    assert client().initialize_storage(reference, models).fetched
    assert (models / "config.json").read_text() == FILES["models/churn/config.json"]


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="needs to mount a small file system")
def test_a_full_volume_has_none_of_the_kit(registry: str, tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", volume], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        reference = push(registry, tmp_path / "kit", **{"models/churn/model.bin": os.urandom(1_000_000)})
        with pytest.raises(StoreError, match="No space left"):
            client().initialize_storage(reference, volume)
        assert os.listdir(volume) == []
    finally:
        subprocess.run(["umount", volume], check=True)


def test_a_file_in_the_directorys_place(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("")
    with pytest.raises(ConflictError, match="is not a directory"):
        Mount(tmp_path / "models")
