"""``oras`` copies kits with all that is attached to them, shows that, and gives the files of raw layers by name."""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import Any

import pytest
from signing_tools import KEY
from variants import make_index

import kitops_core as kitops
from kitops_core.evidence.bundle import BUNDLE
from kitops_core.oci.media_types import IMAGE_CONFIG

pytestmark = pytest.mark.skipif(shutil.which("oras") is None, reason="oras is not on PATH")


def oras(*args: str) -> str:
    done = subprocess.run(["oras", *args], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"oras {' '.join(args)}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture
def model(tmp_path: Path) -> Path:
    root = tmp_path / "model"
    (root / "models").mkdir(parents=True)
    (root / "Kitfile").write_text(
        "manifestVersion: 1.0.0\npackage: {name: churn}\n"
        "model: {path: models/model.bin, parts: [{path: models/config.json}]}\ndocs: [{path: README.md}]\n"
    )
    (root / "models" / "model.bin").write_bytes(uuid.uuid4().bytes * 10_000)
    (root / "models" / "config.json").write_text("{}")
    (root / "README.md").write_text("# churn\n")
    return root


@pytest.fixture
def name(either_registry: str) -> str:
    return f"{either_registry}/oras/{uuid.uuid4().hex[:8]}"


def files(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_pull_gives_the_files_of_raw_layers_under_their_paths(model: Path, name: str, tmp_path: Path) -> None:
    kitops.pack(model, f"{name}:1", push=True, how=kitops.Packing(layer_format="raw"))
    oras("pull", "--plain-http", f"{name}:1", "--output", str(tmp_path / "out"))
    (model / "Kitfile").unlink()
    assert files(tmp_path / "out") == files(model)


def test_pull_gives_the_files_of_a_modelpack_too(model: Path, name: str, tmp_path: Path) -> None:
    kitops.pack(model, f"{name}:1", push=True, how=kitops.Packing(layer_format="raw", model_pack=True))
    oras("pull", "--plain-http", f"{name}:1", "--output", str(tmp_path / "out"))
    (model / "Kitfile").unlink()
    assert files(tmp_path / "out") == files(model)


def test_pull_has_no_names_for_tar_layers_and_takes_none(model: Path, name: str, tmp_path: Path) -> None:
    """As with the reference CLI's kits: a tar under the name of the file in it would be no use to anyone."""
    kitops.pack(model, f"{name}:1", push=True)
    (tmp_path / "out").mkdir()
    oras("pull", "--plain-http", f"{name}:1", "--output", str(tmp_path / "out"))
    assert files(tmp_path / "out") == {}


def test_discover_shows_signature_and_image(model: Path, name: str) -> None:
    kitops.pack(model, f"{name}:1", push=True)
    image = kitops.image(f"{name}:1")
    signature = kitops.sign(f"{name}:1", KEY)
    tree: Any = json.loads(oras("discover", "--plain-http", "--format", "json", f"{name}:1"))
    found = {one["digest"]: one["artifactType"] for one in tree.get("referrers") or tree["manifests"]}
    assert found == {image.digest: IMAGE_CONFIG, signature.digest: BUNDLE}


def test_cp_takes_along_what_is_attached_and_what_is_attached_to_that(model: Path, name: str) -> None:
    record = kitops.pack(model, f"{name}:1", push=True)
    image = kitops.image(f"{name}:1")
    kitops.sign(f"{name}:1", KEY)
    kitops.sign(f"{name}@{image.digest}", KEY)
    oras("cp", "--recursive", "--from-plain-http", "--to-plain-http", f"{name}:1", f"{name}-copy:1")
    assert kitops.verify(f"{name}-copy:1", keys=[KEY.public]).digest == record.digest
    assert kitops.verify(f"{name}-copy@{image.digest}", keys=[KEY.public]).digest == image.digest
    assert kitops.image(f"{name}-copy:1", tag="served").digest == image.digest


def test_cp_to_a_layout_and_back_keeps_kit_and_signature(model: Path, name: str, tmp_path: Path) -> None:
    record = kitops.pack(model, f"{name}:1", push=True)
    kitops.sign(f"{name}:1", KEY)
    layout = str(tmp_path / "layout")
    oras("cp", "--recursive", "--from-plain-http", "--to-oci-layout", f"{name}:1", f"{layout}:1")
    assert kitops.verify(f"oci:{layout}:1", keys=[KEY.public]).digest == record.digest
    assert kitops.unpack(f"oci:{layout}:1", tmp_path / "out").digest == record.digest
    oras("cp", "--recursive", "--from-oci-layout", "--to-plain-http", f"{layout}:1", f"{name}-back:1")
    assert kitops.verify(f"{name}-back:1", keys=[KEY.public]).digest == record.digest


def test_what_oras_attaches_is_listed_and_promoted(
    model: Path, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kitops.pack(model, f"{name}:1", push=True)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "card.json").write_text('{"name": "churn"}')
    kind = "application/vnd.example.card"
    oras("attach", "--plain-http", "--artifact-type", kind, f"{name}:1", "card.json:application/json")
    (row,) = kitops.referrers(f"{name}:1").referrers
    assert (row.artifact_type, row.title, row.problem) == (kind, "card.json", "")
    kitops.copy(f"{name}:1", f"{name}-prod:1", referrers=True)
    assert [one.digest for one in kitops.referrers(f"{name}-prod:1").referrers] == [row.digest]


def test_an_index_and_its_kits_keep_their_bytes_on_the_way(tmp_path: Path, name: str) -> None:
    make_index(tmp_path, name, push=True)
    raw = kitops.index_bytes(f"{name}:all", where="registry")
    oras("cp", "-r", "--from-plain-http", "--to-plain-http", f"{name}:all", f"{name}-copy:all")
    assert kitops.index_bytes(f"{name}-copy:all", where="registry") == raw
    chosen = kitops.unpack(f"{name}-copy:all?quantization=q4_0", tmp_path / "out", where="registry")
    assert chosen.digest == kitops.resolve(f"{name}:q4_0")
