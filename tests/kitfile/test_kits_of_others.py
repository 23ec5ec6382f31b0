"""Kits that other tools made, in a registry: shown, pulled and unpacked as far as their layers say what they are.

Docker Model Runner cannot be run here: its artifacts are written by hand, after the media types and annotations that
its sources define.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from contextlib import closing
from pathlib import Path

import pytest
from cli_runner import ok
from golden_cases import load_artifact
from tar_samples import tar_of

import kitops_core as kitops
from kitops_core.events import Control
from kitops_core.oci.blob import BytesSource
from kitops_core.oci.manifest import Descriptor, build_manifest, parse_manifest
from kitops_core.storage.registry import RegistryRepository

DOCKER = "application/vnd.docker.ai."
PATH = "org.cncf.model.filepath"
GGUF_CONFIG = {
    "config": {
        "format": "gguf",
        "quantization": "Q4_K_M",
        "parameters": "361.82 M",
        "architecture": "llama",
        "size": "256.35 MiB",
        "context_size": 4096,
        "gguf": {"general.name": "Smol", "general.license": "apache-2.0", "general.architecture": "llama"},
    },
    "descriptor": {"created": "2026-01-01T00:00:00Z"},
    "rootfs": {"type": "rootfs", "diff_ids": []},
}


@pytest.fixture
def name(registry: str) -> str:
    return f"{registry}/others/{uuid.uuid4().hex[:12]}"


def push(name: str, config: dict[str, object], layers: list[tuple[str, bytes, str]], version: str = "v0.2") -> str:
    """Push what Docker Model Runner would: layers by media type, bytes, and the path in the annotation if any."""
    with closing(RegistryRepository(*name.split("/", 1))) as storage:
        source = BytesSource(json.dumps(config).encode(), f"{DOCKER}model.config.{version}+json")
        storage.write_blob(source, Control())
        descriptors = []
        for kind, data, path in layers:
            written = storage.write_blob(BytesSource(data, DOCKER + kind, kind), Control()).descriptor
            notes = {PATH: path} if path else {}
            descriptors.append(Descriptor(written.media_type, written.digest, written.size, notes))
        manifest = build_manifest(artifact_type="", config=source.descriptor, layers=descriptors)
        storage.put_manifest(manifest, ["1"])
        return manifest.digest


def unpacked(name: str, directory: Path) -> dict[str, bytes]:
    ok("unpack", f"{name}:1", "--remote", "-d", directory)
    files = (path for path in directory.rglob("*") if path.is_file() and path.name != "Kitfile")
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}


def test_a_gguf_of_docker_model_runner(name: str, tmp_path: Path) -> None:
    weights = os.urandom(3000)
    layers = [("gguf.v3", weights, "smol.gguf"), ("license", b"Apache", "LICENSE"), ("mmproj", b"eyes", "")]
    digest = push(name, GGUF_CONFIG, layers)
    shown = ok("info", f"{name}:1", "--remote").out
    assert "smol.gguf" in shown
    config = ok("inspect", f"{name}:1", "--remote", "--json").json
    assert config["manifest"]["layers"][0]["mediaType"] == "application/vnd.docker.ai.gguf.v3"
    with kitops.open(f"{name}:1") as kit:
        assert kit.kitfile.package.name == "Smol"
        assert kit.kitfile.model is not None
        assert (kit.kitfile.model.path, kit.kitfile.model.format, kit.kitfile.model.framework) == (
            "smol.gguf",
            "gguf",
            "llama.cpp",
        )
        assert kit.kitfile.model.parameters == {
            "architecture": "llama",
            "quantization": "Q4_K_M",
            "parameters": "361.82 M",
            "size": "256.35 MiB",
            "context_size": 4096,
        }
    assert ok("pull", f"{name}:1", "--json").json["digest"] == digest
    assert unpacked(name, tmp_path / "out") == {"smol.gguf": weights, "LICENSE": b"Apache", "mmproj.gguf": b"eyes"}


def test_files_without_names_get_those_that_their_types_suggest(name: str, tmp_path: Path) -> None:
    layers = [("gguf.v3", b"one", ""), ("gguf.v3", b"two", ""), ("license", b"a", ""), ("license", b"b", "")]
    push(name, {"config": {"format": "gguf"}}, [*layers, ("chat.template.jinja", b"{{ x }}", "")], "v0.1")
    assert unpacked(name, tmp_path / "out") == {
        "model-00001-of-00002.gguf": b"one",
        "model-00002-of-00002.gguf": b"two",
        "LICENSE": b"a",
        "LICENSE-2": b"b",
        "chat_template.jinja": b"{{ x }}",
    }


def test_safetensors_with_their_configuration_in_a_tar(name: str, tmp_path: Path) -> None:
    archive = tar_of({"config.json": b"{}", "tokenizer.json": b"[]"})
    layers = [("safetensors", b"weights", "model.safetensors"), ("vllm.config.tar", archive, "vllm-config.tar")]
    push(name, {"config": {"format": "safetensors"}}, layers, "v0.1")
    files = {"model.safetensors": b"weights", "config.json": b"{}", "tokenizer.json": b"[]"}
    assert unpacked(name, tmp_path / "out") == files
    made = kitops.materialize(f"{name}:1", tmp_path / "served", where="registry")
    assert {path.name: path.read_bytes() for path in Path(made.directory).iterdir() if path.name in files} == files


def test_nested_files_keep_their_directories(name: str, tmp_path: Path) -> None:
    layers = [("safetensors", b"u", "unet/model.safetensors"), ("safetensors", b"v", "vae/model.safetensors")]
    push(name, {"config": {"format": "diffusers"}}, layers)
    assert set(unpacked(name, tmp_path / "out")) == {"unet/model.safetensors", "vae/model.safetensors"}


def test_a_name_that_leads_out_is_refused(name: str, tmp_path: Path) -> None:
    push(name, GGUF_CONFIG, [("gguf.v3", b"x", "../evil.gguf")])
    with pytest.raises(kitops.UnsafeLayerError, match="outside the kit"):
        kitops.unpack(f"{name}:1", tmp_path / "out", where="registry")


def test_a_config_that_is_none_is_refused(name: str) -> None:
    with closing(RegistryRepository(*name.split("/", 1))) as storage:
        source = BytesSource(b"[]", f"{DOCKER}model.config.v0.1+json")
        storage.write_blob(source, Control())
        layer = storage.write_blob(BytesSource(b"x", DOCKER + "gguf.v3"), Control()).descriptor
        storage.put_manifest(build_manifest(artifact_type="", config=source.descriptor, layers=[layer]), ["1"])
    with pytest.raises(kitops.IntegrityError, match="its config is not a JSON object"):
        kitops.open(f"{name}:1")


@pytest.mark.parametrize("artifact", ["foreign/modelpack-by-modctl", "foreign/files-by-oras"])
def test_what_modctl_and_oras_pushed(artifact: str, name: str, tmp_path: Path) -> None:
    """Artifacts that the tools themselves made."""
    loaded = load_artifact(artifact)
    with closing(RegistryRepository(*name.split("/", 1))) as storage:
        for digest, data in loaded.blobs.items():
            if digest != loaded.manifest_digest:
                storage.write_blob(BytesSource(data, "application/octet-stream"), Control())
        storage.put_manifest(parse_manifest(loaded.manifest, artifact), ["1"])
    assert "model.safetensors" in ok("info", f"{name}:1", "--remote").out
    assert ok("inspect", f"{name}:1", "--remote", "--json").json["digest"] == loaded.manifest_digest
    assert ok("pull", f"{name}:1", "--json").json["digest"] == loaded.manifest_digest
    files = unpacked(name, tmp_path / "out")
    assert {"model.safetensors", "config.json", "README.md"} <= set(files)
    held = {hashlib.sha256(data).hexdigest() for data in loaded.blobs.values()}
    assert artifact.endswith("modctl") or {hashlib.sha256(data).hexdigest() for data in files.values()} <= held
