"""What pulls, unpacks and mounts container images takes the image of a kit; each test needs its tool on PATH."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import kitops_core as kitops

pytestmark = pytest.mark.slow

CONTAINERD = """\
version = 2
root = "{root}/root"
state = "{root}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{root}/socket"
"""


def needs(*tools: str) -> pytest.MarkDecorator:
    missing = [tool for tool in tools if shutil.which(tool) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not on PATH: {', '.join(missing)}")


def run(*command: str, fails: bool = False) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode != 0) is fails, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


@pytest.fixture
def model(tmp_path: Path) -> Path:
    root = tmp_path / "model"
    (root / "models").mkdir(parents=True)
    (root / "models" / "model.safetensors").write_bytes(uuid.uuid4().bytes * 20_000)
    (root / "models" / "config.json").write_text("{}")
    (root / "README.md").write_text("# model\n")
    return root


@pytest.fixture
def name(registry: str) -> str:
    return f"{registry}/runtimes/{uuid.uuid4().hex[:8]}"


def files(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.fixture
def ctr(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """``ctr`` for a containerd of this test's own."""
    root = tmp_path / "containerd"
    root.mkdir()
    (root / "config.toml").write_text(CONTAINERD.format(root=root))
    with (
        (root / "log").open("wb") as log,
        subprocess.Popen(["containerd", "-c", str(root / "config.toml")], stdout=log, stderr=log) as process,
    ):
        try:
            deadline = time.monotonic() + 60
            while not (root / "socket").exists():
                assert process.poll() is None, (root / "log").read_text()
                assert time.monotonic() < deadline, "containerd did not come up"
                time.sleep(0.05)
            yield lambda *args, **how: run("ctr", "-a", str(root / "socket"), *args, **how)
        finally:
            process.terminate()


@needs("containerd", "ctr")
@pytest.mark.skipif(os.geteuid() != 0, reason="containerd mounts, which only root may")
def test_containerd_pulls_and_mounts_the_image_and_not_the_kit(
    model: Path, name: str, tmp_path: Path, ctr: Callable[..., str]
) -> None:
    """An image volume is such a mount."""
    for compression in ("none", "gzip", "zstd"):
        kitops.pack(model, f"{name}:{compression}", push=True, how=kitops.Packing(compression=compression))
        image = kitops.image(f"{name}:{compression}")
        pinned = f"{name}@{image.digest}"
        ctr("images", "pull", "--plain-http", "--snapshotter", "native", pinned)
        mounted = tmp_path / compression
        mounted.mkdir()
        ctr("images", "mount", "--snapshotter", "native", pinned, str(mounted))
        try:
            assert files(mounted) == files(model)
        finally:
            ctr("images", "unmount", str(mounted))
    ctr("images", "pull", "--plain-http", "--snapshotter", "native", f"{name}:none", fails=True)


@needs("skopeo")
def test_skopeo_inspects_and_copies_the_image_unchanged(model: Path, name: str) -> None:
    packed = kitops.pack(model, f"{name}:1", push=True)
    image = kitops.image(f"{name}:1", tag="1-image")
    seen: Any = json.loads(run("skopeo", "inspect", "--tls-verify=false", f"docker://{name}:1-image"))
    assert seen["Digest"] == image.digest
    assert seen["Layers"] == [layer.digest for layer in packed.layers]
    assert (seen["Os"], seen["Architecture"]) == ("linux", "amd64")
    flags = ("--preserve-digests", "--src-tls-verify=false", "--dest-tls-verify=false")
    run("skopeo", "copy", *flags, f"docker://{name}:1-image", f"docker://{name}-copy:1-image")


@needs("skopeo", "umoci")
def test_umoci_unpacks_the_image(model: Path, name: str, tmp_path: Path) -> None:
    kitops.pack(model, f"{name}:1", push=True)
    kitops.image(f"{name}:1", tag="1-image")
    run("skopeo", "copy", "--src-tls-verify=false", f"docker://{name}:1-image", f"oci:{tmp_path}/layout:1")
    run("umoci", "unpack", "--rootless", "--image", f"{tmp_path}/layout:1", str(tmp_path / "bundle"))
    assert files(tmp_path / "bundle" / "rootfs") == files(model)
