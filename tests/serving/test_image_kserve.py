"""KServe's own downloader takes the image of a kit from a registry, and says of the kit itself that it cannot."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from kserve_environment import KServe

import kitops_core as kitops

pytestmark = pytest.mark.slow


@pytest.fixture
def model(tmp_path: Path) -> Path:
    root = tmp_path / "model"
    (root / "models" / "onnx").mkdir(parents=True)
    (root / "models" / "model.safetensors").write_bytes(uuid.uuid4().bytes * 70_000)
    (root / "models" / "config.json").write_text("{}")
    (root / "models" / "onnx" / "model.onnx").write_bytes(uuid.uuid4().bytes)
    (root / "README.md").write_text("# model\n")
    return root


def files(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("by", ["tag", "digest"])
def test_kserve_fetches_what_is_under_models(
    compression: Any, by: str, model: Path, registry: str, tmp_path: Path, kserve: KServe
) -> None:
    name = f"{registry}/kserve/{uuid.uuid4().hex[:8]}"
    kitops.pack(model, f"{name}:1", push=True, how=kitops.Packing(compression=compression))
    image = kitops.image(f"{name}:1", tag="1-image")
    uri = f"oci://{name}:1-image" if by == "tag" else f"oci://{name}@{image.digest}"
    (tmp_path / "mnt").mkdir()
    done = kserve.download(uri, tmp_path / "mnt")
    assert done.returncode == 0, done.stderr
    assert files(tmp_path / "mnt") == files(model / "models")


def test_kserve_fetches_the_promoted_image_from_the_channels_own_registry(
    model: Path, registry: str, referrers_registry: str, tmp_path: Path, kserve: KServe
) -> None:
    name = f"kserve/{uuid.uuid4().hex[:8]}"
    kitops.pack(model, f"{registry}/{name}:dev", push=True)
    image = kitops.image(f"{registry}/{name}:dev")
    policy = tmp_path / "promotion.yaml"
    policy.write_text(
        f"kit: {registry}/{name}\nchannels: {{dev: {{}}, prod: {{from: dev, target: {referrers_registry}/{name}}}}}\n"
    )
    kitops.promote("dev", to="prod", policy=policy)
    (tmp_path / "mnt").mkdir()
    done = kserve.download(f"oci://{referrers_registry}/{name}@{image.digest}", tmp_path / "mnt")
    assert done.returncode == 0, done.stderr
    assert files(tmp_path / "mnt") == files(model / "models")


def test_kserve_does_not_read_what_we_warn_of(model: Path, registry: str, tmp_path: Path, kserve: KServe) -> None:
    """So that each warning of ``kitops image`` is true."""
    name = f"{registry}/kserve/{uuid.uuid4().hex[:8]}"
    (model / "models").rename(model / "weights")
    kitops.pack(model, f"{name}:elsewhere", push=True)
    assert kitops.image(f"{name}:elsewhere", tag="elsewhere-image").warnings
    (model / "weights").rename(model / "models")
    kitops.pack(model, f"{name}:zstd", push=True, how=kitops.Packing(compression="zstd"))
    assert kitops.image(f"{name}:zstd", tag="zstd-image").warnings
    for tag in ("elsewhere-image", "zstd-image", "zstd"):
        (tmp_path / tag).mkdir()
        assert kserve.download(f"oci://{name}:{tag}", tmp_path / tag).returncode != 0
        assert files(tmp_path / tag) == {}
