"""What the reference CLI packed, byte for byte: layers, config, and the files that come out again."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from clients import find_kit
from golden_cases import Case, Kit, load_artifact, load_cases

import kitops_core as kitops
from kitops_core.events import Control
from kitops_core.oci.blob import BytesSource
from kitops_core.oci.manifest import parse_manifest
from kitops_core.storage.local import LocalRepository, LocalStore


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KITOPS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def pack(kit: Kit, directory: Path, reference: str, **options: Any) -> kitops.ModelKitRecord:
    kit.write(directory)
    return kitops.pack(directory, reference, how=kitops.Packing(**options))


def stored(reference: str) -> tuple[dict[str, Any], str]:
    """A kit's manifest and the text of its config."""
    found = find_kit(reference)
    with closing(found.storage) as storage, storage.open_blob(found.manifest.config, Control()) as reader:
        return json.loads(found.manifest.raw), reader.read_all(10_000_000).decode()


def tree(directory: Path) -> dict[str, str]:
    """Every file and directory below, in the goldens' notation: digest or ``dir``, and the mode."""
    out = {}
    for path in sorted(directory.rglob("*")):
        mode = oct(stat.S_IMODE(path.lstat().st_mode))
        what = "dir" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
        out[str(path.relative_to(directory))] = f"{what} {mode}"
    return out


def pack_case(case: Case, tmp_path: Path) -> kitops.ModelKitRecord:
    for index, first in enumerate(case.first):
        pack(first, tmp_path / f"first-{index}", first.tag)
    compression = "gzip" if "gzip" in case.args else "none"
    return pack(case, tmp_path / "context", "case:1", compression=compression)


@pytest.mark.parametrize("case", load_cases(fails=False), ids=lambda case: case.name)
def test_the_layers_and_the_config_are_those_of_the_reference_cli(case: Case, tmp_path: Path) -> None:
    record = pack_case(case, tmp_path)
    manifest, config = stored("case:1")
    keys = ("mediaType", "digest", "size")
    layers = [{key: layer[key] for key in keys} for layer in manifest["layers"]]
    if "gzip" in case.args:
        # Two gzip encoders need not agree; what they hold must.
        assert [layer.diff_id for layer in record.layers] == [layer["diffId"] for layer in case.layers]
        assert [layer["mediaType"] for layer in layers] == [layer["mediaType"] for layer in case.layers]
        expected = json.loads(case.config)
        ours = json.loads(config)
        for one, two in ((ours["model"], expected["model"]), (ours["docs"][0], expected["docs"][0])):
            assert {**one, "digest": ""} == {**two, "digest": ""}
    else:
        assert layers == [{key: layer[key] for key in keys} for layer in case.layers]
        assert config == case.config
        assert manifest["config"]["digest"] == case.expected["manifest"]["config"]["digest"]
    assert manifest["artifactType"] == "application/vnd.kitops.modelkit.manifest.v1+json"
    assert [layer.path for layer in record.layers] == [
        layer["annotations"]["org.cncf.model.filepath"] for layer in manifest["layers"]
    ]


@pytest.mark.parametrize("case", load_cases(fails=False), ids=lambda case: case.name)
def test_the_files_that_come_out_are_those_the_reference_cli_unpacks(case: Case, tmp_path: Path) -> None:
    pack_case(case, tmp_path)
    before = os.umask(0o022)
    try:
        kitops.unpack("case:1", tmp_path / "out")
    finally:
        os.umask(before)
    unpacked, expected = tree(tmp_path / "out"), dict(case.expected["unpacked"])
    kitfile = unpacked.pop("Kitfile")
    expected.pop("Kitfile")
    assert unpacked == expected
    assert kitfile.endswith("0o644")
    again = kitops.Kitfile.load(tmp_path / "out" / "Kitfile")
    assert again == kitops.Kitfile.parse(case.kitfile)


@pytest.mark.parametrize("case", load_cases(fails=True), ids=lambda case: case.name)
def test_what_the_reference_cli_refuses_is_refused_before_anything_is_written(
    case: Case, tmp_path: Path, store: Path
) -> None:
    with pytest.raises(kitops.InvalidInputError) as caught:
        pack_case(case, tmp_path)
    assert str(caught.value)
    assert not store.exists()


def test_all_that_is_wrong_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "Kitfile").write_text(
        "manifestVersion: 1.0.0\nmodel:\n  path: one.bin\ncode:\n  - path: two\ndatasets:\n  - path: three\n"
    )
    with pytest.raises(kitops.SourceError) as caught:
        kitops.pack(tmp_path, "a:1")
    assert all(name in str(caught.value) for name in ("one.bin", "two", "three"))


@pytest.mark.parametrize("compression", ["none", "gzip", "gzip-fastest", "zstd"])
@pytest.mark.parametrize("layer_format", ["tar", "raw"])
@pytest.mark.parametrize("model_pack", [False, True])
def test_every_way_of_writing_layers_gives_the_files_back(
    compression: Any, layer_format: Any, model_pack: bool, tmp_path: Path
) -> None:
    case = next(case for case in load_cases() if case.name == "basic")
    options = {"compression": compression, "layer_format": layer_format, "model_pack": model_pack}
    one = pack(case, tmp_path / "context", "kit:1", **options)
    two = kitops.pack(tmp_path / "context", "oci:" + str(tmp_path / "layout") + ":1", how=kitops.Packing(**options))
    assert one.digest == two.digest
    kitops.unpack("kit:1", tmp_path / "out")
    plain = kitops.pack(tmp_path / "context", "kit:plain")
    kitops.unpack("kit:plain", tmp_path / "plain")
    assert tree(tmp_path / "out") == tree(tmp_path / "plain")
    if layer_format == "tar":
        assert [layer.diff_id for layer in one.layers] == [layer.diff_id for layer in plain.layers]
    with kitops.open("kit:1") as kit:
        assert kit.read("README.md") == b"# churn\n"
        assert kit.read("src/util/io.py") == b"x = 1\n"


@pytest.mark.parametrize("name", ["foreign/modelpack-by-modctl", "foreign/files-by-oras"])
def test_kits_of_other_tools_are_read(name: str, tmp_path: Path) -> None:
    artifact = load_artifact(name)
    with closing(LocalRepository(LocalStore(), "localhost/foreign")) as storage:
        for digest, data in artifact.blobs.items():
            if digest != artifact.manifest_digest:
                storage.write_blob(BytesSource(data, "application/octet-stream"), Control())
        storage.put_manifest(parse_manifest(artifact.manifest, name), ["1"])
    kitops.unpack("foreign:1", tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"config.json", "model.safetensors", "README.md", "Kitfile"} <= names
    with kitops.open("foreign:1") as kit:
        assert kit.kitfile.model is not None
        assert kit.kitfile.model.path == "model.safetensors"
        assert kit.read("README.md") == b"# tiny\n"
