"""Symbolic links: those to files are packed as the files, so that no kit is without its model."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from layer_files import Told, members, names, plan_one, plan_paths, read, write_files

import kitops_core as kitops
from kitops_core.errors import SourceChangedError, SourceError
from kitops_core.layers.plan import Context
from kitops_core.sources.generate import generate_kitfile


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    """A model as the Hugging Face Hub's client leaves it: a tree of links into a cache of blobs."""
    cache = tmp_path / "models--org--tiny"
    write_files(cache, {"blobs/4f2a": "weights " * 4000, "blobs/91bc": "{}"})
    root = cache / "snapshots/main"
    root.mkdir(parents=True)
    (root / "model.safetensors").symlink_to("../../blobs/4f2a")
    (root / "config.json").symlink_to("../../blobs/91bc")
    return root


def copied(snapshot: Path, target: Path) -> Path:
    """The same tree with files in place of links."""
    target.mkdir(parents=True)
    for link in snapshot.iterdir():
        (target / link.name).write_bytes(link.read_bytes())
    return target


@pytest.mark.parametrize("layer_format", ["tar", "raw"])
@pytest.mark.parametrize("named", [True, False])
def test_a_snapshot_of_the_hub_is_the_kit_that_its_files_are(
    snapshot: Path, tmp_path: Path, named: bool, layer_format: str
) -> None:
    how = kitops.Packing(layer_format=layer_format)  # type: ignore[arg-type]
    plain = copied(snapshot, tmp_path / "plain" / snapshot.name)
    with kitops.Client(store=tmp_path / "store") as client:
        linked, files = (
            client.pack(kitops.Contents(model=root) if named else root, f"tiny:{tag}", how=how)
            for tag, root in (("linked", snapshot), ("plain", plain))
        )
        assert [layer.digest for layer in linked.layers] == [layer.digest for layer in files.layers]
        client.unpack("tiny:linked", tmp_path / "out")
    (found,) = (tmp_path / "out").rglob("model.safetensors")
    assert found.read_bytes() == (snapshot / "model.safetensors").read_bytes()
    assert not found.is_symlink()


def test_a_generated_kitfile_has_them(snapshot: Path) -> None:
    kitfile = generate_kitfile(snapshot)
    assert kitfile.model is not None
    assert [entry.path for entry in kitfile.entries()] == ["model.safetensors", "config.json"]


def test_that_files_come_from_outside_is_said_once(snapshot: Path) -> None:
    control = Told()
    plan_paths(snapshot, ".", control=control)
    (event,) = control.events
    assert (event.phase, event.name) == ("warning", "config.json")
    assert event.detail == "2 symbolic links followed to files outside of the context (config.json, …)"


def test_one_to_a_file_inside_is_that_file_and_nothing_to_speak_of(tmp_path: Path) -> None:
    write_files(tmp_path, {"d/v2.bin": "m"})
    (tmp_path / "d/latest.bin").symlink_to("v2.bin")
    control = Told()
    (layer,) = plan_paths(tmp_path, "d", control=control)
    assert [(member.name, member.isreg()) for member in members(read(layer))][1:] == [
        ("d/latest.bin", True),
        ("d/v2.bin", True),
    ]
    assert control.events == []


def test_one_to_a_directory_inside_is_left_out_and_told_of(tmp_path: Path) -> None:
    write_files(tmp_path, {"d/v2/model.bin": "m"})
    (tmp_path / "d/latest").symlink_to("v2")
    control = Told()
    (layer,) = plan_paths(tmp_path, "d", control=control)
    assert names(layer) == ["d", "d/v2", "d/v2/model.bin"]
    (event,) = control.events
    assert event.detail == "1 symbolic links left out: the files of a directory are packed where it is (d/latest)"


def test_those_that_cannot_be_packed_are_named_all_at_once(tmp_path: Path) -> None:
    root = write_files(tmp_path / "context", {"d/a": "a"})
    (root / "d/circle").symlink_to("circle")
    (root / "d/device").symlink_to("/dev/null")
    (root / "d/nothing").symlink_to("nowhere")
    (root / "d/outside").symlink_to(tmp_path)
    with pytest.raises(SourceError) as caught:
        plan_one(root, "d")
    assert str(caught.value).splitlines() == [
        "4 paths cannot be packed",
        "  * 'd/circle' is a symbolic link that cannot be followed: Too many levels of symbolic links",
        "  * 'd/device' is a symbolic link to what is neither a file nor a directory",
        "  * 'd/nothing' is a symbolic link to nothing",
        f"  * 'd/outside' is a symbolic link out of the context, to the directory '{tmp_path.resolve()}'",
    ]
    with pytest.raises(SourceError, match=r"'d/circle' is a symbolic link that cannot be followed"):
        generate_kitfile(root)
    write_files(root, {".kitignore": "d/*\n!d/a\n"})
    assert names(plan_one(root, "d")) == ["d", "d/a"]


def test_an_entry_may_be_one_to_a_file_and_not_one_to_a_directory(tmp_path: Path) -> None:
    write_files(tmp_path, {"v2/model.bin": "m"})
    (tmp_path / "latest").symlink_to("v2")
    (tmp_path / "model.bin").symlink_to("latest/model.bin")
    assert names(plan_one(tmp_path, "model.bin")) == ["model.bin"]
    with pytest.raises(SourceError, match=r"'latest' is a symbolic link to '.*v2'"):
        plan_one(tmp_path, "latest")
    with pytest.raises(SourceError, match=r"'latest/model\.bin' leads through a symbolic link to '.*v2/model.bin'"):
        plan_one(tmp_path, "latest/model.bin")
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(SourceError, match="'circle' cannot be read"):
        plan_one(tmp_path, "circle")


def test_contents_from_anywhere_have_them_too(snapshot: Path, tmp_path: Path) -> None:
    write_files(tmp_path, {"card.md": "# Tiny"})
    context = Context.from_files({"weights": snapshot, "card.md": tmp_path / "card.md"})
    assert names(plan_one(context, "weights")) == ["weights", "weights/config.json", "weights/model.safetensors"]


def test_one_that_leads_elsewhere_since_the_plan_is_an_error(snapshot: Path) -> None:
    layer = plan_one(snapshot, ".")
    (snapshot.parents[1] / "blobs/other").write_text("weights " * 4000)
    (snapshot / "model.safetensors").unlink()
    (snapshot / "model.safetensors").symlink_to("../../blobs/other")
    with pytest.raises(SourceChangedError, match=r"'model\.safetensors' was replaced"):
        read(layer)


def test_what_it_shows_decides_whether_a_layer_is_known(snapshot: Path) -> None:
    before = plan_one(snapshot, ".").fingerprint()
    assert plan_one(snapshot, ".").fingerprint() == before
    time.sleep(0.01)  # file systems count time in ticks
    (snapshot.parents[1] / "blobs/91bc").write_text("[]")
    assert plan_one(snapshot, ".").fingerprint() != before


def test_a_model_without_files_is_an_error(tmp_path: Path) -> None:
    write_files(tmp_path, {"model/weights.bin": "m", ".kitignore": "**/*.bin\n"})
    with pytest.raises(SourceError, match=r"model: 'model' has no files") as caught:
        kitops.pack(tmp_path, "empty:1", kitfile=kitops.Kitfile.parse("manifestVersion: 1.0.0\nmodel: {path: model}\n"))
    assert "ignore rules" in caught.value.hint
