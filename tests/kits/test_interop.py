"""Other tools copy our kits unchanged, and `kit` and we read each other; each test needs its tool on PATH."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest

import kitops_core as kitops


def needs(tool: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(tool) is None, reason=f"{tool} is not on PATH")


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    root = tmp_path / "bundle"
    (root / "src").mkdir(parents=True)
    (root / "Kitfile").write_text(
        "manifestVersion: 1.0.0\npackage: {name: churn}\nmodel: {path: model.bin}\ncode: [{path: src}]\n"
        "docs: [{path: README.md}]\nprompts: [{path: ask.prompt}]\n"
    )
    (root / "model.bin").write_bytes(os.urandom(100_000))
    (root / "src" / "train.py").write_text("print('train')\n")
    (root / "README.md").write_text("# churn\n")
    (root / "ask.prompt").write_text("Why?\n")
    return root


@pytest.fixture
def name(registry: str) -> str:
    return f"{registry}/interop/{uuid.uuid4().hex[:8]}"


def layout_digest(directory: Path) -> str:
    digest = json.loads((directory / "index.json").read_text())["manifests"][0]["digest"]
    assert isinstance(digest, str)
    return digest


@needs("skopeo")
def test_skopeo_copies_a_kit_from_registry_to_registry_unchanged(bundle: Path, name: str) -> None:
    record = kitops.pack(bundle, f"{name}:1", push=True)
    flags = ("--src-tls-verify=false", "--dest-tls-verify=false")
    run("skopeo", "copy", "--preserve-digests", *flags, f"docker://{name}:1", f"docker://{name}-copy:1")
    with kitops.open(f"{name}-copy:1", where="registry") as kit:
        assert kit.digest == record.digest
        assert kit.read("ask.prompt") == b"Why?\n"


@needs("skopeo")
def test_skopeo_reads_our_layout_and_we_read_its(bundle: Path, name: str, tmp_path: Path) -> None:
    record = kitops.pack(bundle, f"oci:{tmp_path}/ours:1")
    run("skopeo", "copy", "--dest-tls-verify=false", f"oci:{tmp_path}/ours:1", f"docker://{name}:1")
    run("skopeo", "copy", "--src-tls-verify=false", f"docker://{name}:1", f"oci:{tmp_path}/theirs:1")
    assert layout_digest(tmp_path / "theirs") == record.digest
    assert kitops.unpack(f"oci:{tmp_path}/theirs:1", tmp_path / "out").digest == record.digest


@needs("oras")
def test_oras_copies_a_kit_unchanged_and_pulls_raw_layers_by_name(bundle: Path, name: str, tmp_path: Path) -> None:
    record = kitops.pack(bundle, f"{name}:1", push=True, how=kitops.Packing(layer_format="raw"))
    run("oras", "cp", "--from-plain-http", "--to-plain-http", f"{name}:1", f"{name}-copy:1")
    assert json.loads(run("oras", "manifest", "fetch", "--plain-http", "--descriptor", f"{name}-copy:1"))["digest"] == (
        record.digest
    )
    run("oras", "pull", "--plain-http", f"{name}:1", "-o", str(tmp_path / "pulled"))
    assert (tmp_path / "pulled" / "model.bin").read_bytes() == (bundle / "model.bin").read_bytes()


@needs("oras")
def test_what_oras_pushes_is_unpacked(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    (tmp_path / "README.md").write_text("# plain\n")
    run("oras", "push", "--plain-http", f"{name}:1", "model.safetensors", "README.md")
    kitops.unpack(f"{name}:1", tmp_path / "out")
    assert (tmp_path / "out" / "README.md").read_text() == "# plain\n"


@needs("crane")
def test_crane_copies_a_kit_unchanged(bundle: Path, name: str) -> None:
    record = kitops.pack(bundle, f"{name}:1", push=True)
    run("crane", "copy", "--insecure", f"{name}:1", f"{name}-copy:1")
    assert run("crane", "digest", "--insecure", f"{name}-copy:1").strip() == record.digest


@needs("kit")
def test_kit_lists_unpacks_and_pushes_what_we_pack(bundle: Path, name: str, tmp_path: Path) -> None:
    record = kitops.pack(bundle, f"{name}:1")
    kit = ("kit", "--config", os.environ["KITOPS_HOME"])
    assert name in run(*kit, "list")
    run(*kit, "unpack", f"{name}:1", "-d", str(tmp_path / "out"))
    assert (tmp_path / "out" / "model.bin").read_bytes() == (bundle / "model.bin").read_bytes()
    run(*kit, "push", f"{name}:1", "--plain-http")
    with kitops.open(f"{name}:1", where="registry") as opened:
        assert opened.digest == record.digest


@needs("kit")
def test_what_kit_packs_we_list_and_unpack(bundle: Path, name: str, tmp_path: Path) -> None:
    run("kit", "--config", os.environ["KITOPS_HOME"], "pack", str(bundle), "-t", f"{name}:1")
    assert [kit.reference for kit in kitops.list_kits()] == [f"{name}:1"]
    kitops.unpack(f"{name}:1", tmp_path / "out")
    assert (tmp_path / "out" / "model.bin").read_bytes() == (bundle / "model.bin").read_bytes()
