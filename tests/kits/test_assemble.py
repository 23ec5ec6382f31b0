"""A kit packed in parts by several workers is the kit that one worker packs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from clients import client

import kitops_core as kitops

KITFILE = """\
manifestVersion: 1.0.0
package: {name: sharded}
model:
  path: weights
  parts: [{path: weights/shard-0.bin}, {path: weights/shard-1.bin}]
code: [{path: src}]
docs: [{path: README.md}]
prompts: [{path: ask.prompt}]
"""
SHARDS = (["weights/shard-0.bin"], ["weights/shard-1.bin"], ["weights", "src", "README.md", "ask.prompt"])


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """All the files in one directory."""
    root = tmp_path / "whole"
    (root / "weights").mkdir(parents=True)
    (root / "src").mkdir()
    for number in range(2):
        (root / f"weights/shard-{number}.bin").write_bytes(bytes([number]) * 1000)
    (root / "weights/index.json").write_text("{}")
    (root / "src/train.py").write_text("print('train')\n")
    (root / "README.md").write_text("# sharded\n")
    (root / "ask.prompt").write_text("Why?\n")
    (root / "Kitfile").write_text(KITFILE)
    return root


@pytest.fixture
def name(registry: str) -> str:
    return f"{registry}/assemble/{uuid.uuid4().hex[:8]}"


def worker(whole: Path, entries: Sequence[str], place: Path) -> Path:
    """A directory of one worker: the Kitfile, and the files of its entries only."""
    for entry in entries:
        source, target = whole / entry, place / entry
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("shard-*"), dirs_exist_ok=True)
        else:
            shutil.copy(source, target)
    shutil.copy(whole / "Kitfile", place)
    return place


def shards(
    whole: Path, tmp_path: Path, name: str, store: Path | None = None, **options: Any
) -> list[kitops.LayerRecord]:
    """What three workers pack, the last of them first."""
    layers: list[kitops.LayerRecord] = []
    for number, entries in reversed([*enumerate(SHARDS)]):
        place = worker(whole, entries, tmp_path / f"worker-{number}")
        layers += client(store=store).pack_layers(place, name, entries, **options)
    return layers


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"layer_format": "raw"},
        {"compression": "gzip"},
        {"compression": "zstd", "layer_format": "raw"},
        {"model_pack": True},
    ],
    ids=str,
)
def test_the_digest_is_that_of_one_pack(whole: Path, tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    how = kitops.Packing(**options)
    layers = shards(whole, tmp_path, name, push=True, how=how)
    assembled = kitops.assemble(f"{name}:1", layers, kitfile=whole / "Kitfile", push=True, how=how)
    packed = kitops.pack(whole, f"{name}:2", push=True, how=how)
    assert assembled.digest == packed.digest
    assert [layer.path for layer in assembled.layers] == [layer.path for layer in packed.layers]
    kitops.unpack(f"{name}:1", tmp_path / "out", where="registry")
    assert (tmp_path / "out/weights/shard-1.bin").read_bytes() == b"\x01" * 1000


@pytest.mark.slow
def test_workers_are_processes_and_their_layers_json(whole: Path, tmp_path: Path, name: str) -> None:
    script = (
        "import json, sys, kitops_core as k; "
        "print(json.dumps([l.to_dict() for l in k.pack_layers(sys.argv[1], sys.argv[2], sys.argv[3:], push=True)]))"
    )
    places = [worker(whole, entries, tmp_path / f"w{number}") for number, entries in enumerate(SHARDS)]
    workers = [
        subprocess.Popen([sys.executable, "-c", script, str(place), name, *entries], stdout=subprocess.PIPE, text=True)
        for place, entries in zip(places, SHARDS, strict=True)
    ]
    layers = [layer for process in workers for layer in json.loads(process.communicate(timeout=60)[0])]
    assembled = kitops.assemble(f"{name}:1", layers, kitfile=whole / "Kitfile", push=True, tags=["dev"])
    assert assembled.digest == kitops.pack(whole, f"{name}:2", push=True).digest
    assert kitops.assemble(f"{name}:1", layers, kitfile=whole / "Kitfile", push=True, tags=["dev"]).changed is False


def test_it_works_in_the_local_store_too(whole: Path, tmp_path: Path) -> None:
    layers = shards(whole, tmp_path, "sharded:1")
    assembled = kitops.assemble("sharded:1", layers, kitfile=whole / "Kitfile")
    assert assembled.digest == kitops.pack(whole, "sharded:2").digest


def test_how_it_was_made_is_attached_as_for_a_pack(whole: Path, tmp_path: Path, name: str) -> None:
    layers = shards(whole, tmp_path, name, push=True)
    provenance = kitops.Provenance(metrics={"accuracy": 0.9})
    kitops.assemble(f"{name}:1", layers, kitfile=whole / "Kitfile", push=True, provenance=provenance)
    attached = kitops.referrers(f"{name}:1", where="registry").referrers
    assert {referrer.predicate_type.rpartition("/")[2] for referrer in attached} == {"v1", "v0.1"}


def test_the_record_is_that_of_a_pack(whole: Path, tmp_path: Path, name: str) -> None:
    options: dict[str, Any] = {
        "push": True,
        "how": kitops.Packing(created=datetime(2024, 1, 2, tzinfo=timezone.utc)),
        "parents": [f"{name}-base@sha256:{'a' * 64}"],
        "tags": ["2"],
    }
    by = client(run=kitops.Source(orchestrator="airflow", run="run-7"))
    layers = shards(whole, tmp_path, name, push=True)
    assembled = by.assemble(f"{name}:1", layers, kitfile=whole / "Kitfile", **options).to_dict()
    packed = by.pack(whole, f"{name}-packed:1", **options).to_dict()
    here = {"reference", "repository", "layers", "sent", "reused"}
    assert {key: assembled[key] for key in assembled.keys() - here} == {
        key: packed[key] for key in packed.keys() - here
    }
    outcomes = [layer.pop("outcome") for record in (assembled, packed) for layer in record["layers"]]
    assert assembled["layers"] == packed["layers"]
    assert len(outcomes) == 12


def test_a_worker_that_never_packed_it_does_not_send_again_what_did_not_change(
    whole: Path, tmp_path: Path, name: str
) -> None:
    packed = kitops.pack(whole, f"{name}:1", push=True)
    layers = shards(whole, tmp_path, f"{name}:1", push=True, store=tmp_path / "fresh")
    assert {layer.outcome for layer in layers} == {"present"}
    again = kitops.assemble(f"{name}:1", layers, kitfile=whole / "Kitfile", push=True)
    assert (again.digest, again.changed, again.sent) == (packed.digest, False, 0)


def test_every_entry_has_exactly_one_layer(whole: Path, tmp_path: Path) -> None:
    layers = shards(whole, tmp_path, "sharded:1")
    kitfile = whole / "Kitfile"
    with pytest.raises(kitops.InvalidInputError, match=r"'weights/shard-0\.bin' is missing; 'weights/shard-1\.bin' is"):
        kitops.assemble("sharded:1", [layer for layer in layers if "shard" not in layer.path], kitfile=kitfile)
    twice = [*layers, replace(layers[0], digest="sha256:" + "0" * 64)]
    with pytest.raises(kitops.InvalidInputError, match="was packed twice, and differently"):
        kitops.assemble("sharded:1", twice, kitfile=kitfile)
    with pytest.raises(kitops.InvalidInputError, match="'other' is no code entry"):
        kitops.assemble("sharded:1", [*layers, replace(layers[0], section="code", path="other")], kitfile=kitfile)


def test_a_layer_that_a_retry_packed_again_counts_once(whole: Path, tmp_path: Path) -> None:
    layers = shards(whole, tmp_path, "sharded:1")
    again = kitops.pack_layers(tmp_path / "worker-0", "sharded:1", SHARDS[0])
    assert [layer.outcome for layer in again] == ["present"]
    assembled = kitops.assemble("sharded:1", [*again, *layers], kitfile=whole / "Kitfile")
    assert assembled.digest == kitops.pack(whole, "sharded:2").digest


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"media_type": "application/vnd.kitops.modelkit.docs.v1.tar"}, "no prompt of a ModelKit"),
        ({"media_type": "application/vnd.cncf.model.code.v1.tar"}, "no prompt of a ModelKit"),
        ({"media_type": "text/plain"}, "no prompt of a ModelKit"),
        ({"diff_id": "sha256:" + "0" * 64}, "digest and diff_id differ"),
        ({"digest": "nothing"}, "digest, diff_id or size that cannot be"),
        ({"size": -1}, "digest, diff_id or size that cannot be"),
        ({"section": "docs"}, "is no docs entry"),
    ],
    ids=str,
)
def test_a_record_that_was_tampered_with_is_refused(
    whole: Path, tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    layers = {layer.path: layer.to_dict() for layer in shards(whole, tmp_path, "sharded:1")}
    layers["ask.prompt"] |= change
    with pytest.raises(kitops.InvalidInputError, match=f"'ask.prompt' .*{said}"):
        kitops.assemble("sharded:1", layers.values(), kitfile=whole / "Kitfile")


def test_layers_of_a_modelkit_make_no_modelpack(whole: Path, tmp_path: Path) -> None:
    layers = shards(whole, tmp_path, "sharded:1")
    with pytest.raises(kitops.InvalidInputError, match="no modelpart of a ModelPack"):
        kitops.assemble("sharded:1", layers, kitfile=whole / "Kitfile", how=kitops.Packing(model_pack=True))
    with_bundle = kitops.Kitfile.parse(KITFILE + "mcpServers: [{name: ask, path: ask.mcpb}]\n")
    with pytest.raises(kitops.InvalidInputError, match="no place for mcpServers"):
        kitops.assemble("sharded:1", layers, kitfile=with_bundle, how=kitops.Packing(model_pack=True))
    with pytest.raises(kitops.InvalidInputError, match="no place for mcpServers"):
        kitops.pack_layers(whole, "sharded:1", ["src"], kitfile=with_bundle, how=kitops.Packing(model_pack=True))


def test_blobs_that_are_not_in_the_repository_are_all_named_and_no_tag_appears(
    whole: Path, tmp_path: Path, name: str
) -> None:
    elsewhere = shards(whole, tmp_path, f"{name}-elsewhere", push=True)
    here = kitops.pack_layers(whole, name, ["src", "README.md", "ask.prompt", "weights"], push=True)
    layers = [*here, *(layer for layer in elsewhere if "shard" in layer.path)]
    with pytest.raises(kitops.NotFoundError, match=r"layer 'weights/shard-0\.bin' .*layer 'weights/shard-1\.bin'"):
        kitops.assemble(f"{name}:1", layers, kitfile=whole / "Kitfile", push=True)
    with pytest.raises(kitops.NotFoundError):
        kitops.open(f"{name}:1", where="registry")


def test_a_blob_of_another_size_is_not_the_layer(whole: Path, tmp_path: Path, name: str) -> None:
    first, *rest = shards(whole, tmp_path, name, push=True)
    with pytest.raises(kitops.NotFoundError, match=f"layer '{first.path}' .*{first.size + 1} bytes"):
        kitops.assemble(name, [replace(first, size=first.size + 1), *rest], kitfile=whole / "Kitfile", push=True)


def test_what_is_not_a_layer_is_refused(whole: Path, tmp_path: Path) -> None:
    first, *rest = shards(whole, tmp_path, "sharded:1")
    for wrong in ({"path": "x"}, {**first.to_dict(), "size": "7"}, None, [first]):
        with pytest.raises(kitops.InvalidInputError, match="a layer to assemble"):
            kitops.assemble("sharded:1", [wrong, *rest], kitfile=whole / "Kitfile")  # type: ignore[list-item]


def test_a_worker_needs_the_kitfile_of_the_whole_kit(whole: Path) -> None:
    (whole / "Kitfile").rename(whole.parent / "Kitfile")
    with pytest.raises(kitops.InvalidInputError, match="has no Kitfile"):
        kitops.pack_layers(whole, "sharded:1", ["src"])
    assert [layer.path for layer in kitops.pack_layers(whole, "sharded:1", ["src"], kitfile=whole.parent / "Kitfile")]


def test_an_entry_that_the_kitfile_does_not_have_is_refused(whole: Path, name: str) -> None:
    with pytest.raises(kitops.InvalidInputError, match=r"has no entry 'weights/shard-7\.bin'"):
        kitops.pack_layers(whole, name, ["weights/shard-7.bin"], push=True)
    with pytest.raises(kitops.InvalidInputError, match="has no entry nothing"):
        kitops.pack_layers(whole, name, [], push=True)
