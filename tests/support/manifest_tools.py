"""A kit with an image to print manifests for, and what is looked at in them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clients import client

import kitops_core as kitops
from kitops_core.serving.manifests.kinds import KINDS

FULL = {"pull_secret": "regcred", "key_secret": "cosign", "namespace": "ml", "image": "registry.example.com/kitops:1"}
Object = dict[str, Any]


def push_kit(registry: str, directory: Path, using: kitops.Client | None = None) -> str:
    """Push a kit, tagged ``1``, with its image; its name."""
    pushing = using or client()
    root = directory / "model"
    (root / "models").mkdir(parents=True)
    (root / "Kitfile").write_text(
        "manifestVersion: 1.0.0\npackage: {name: My Model 2}\n"
        "model: {path: models/model.bin, framework: scikit-learn}\n"
    )
    (root / "models" / "model.bin").write_bytes(uuid.uuid4().bytes * 10_000)
    name = f"{registry}/manifests/{uuid.uuid4().hex[:8]}"
    pushing.pack(root, f"{name}:1", push=True)
    pushing.image(f"{name}:1")
    return name


def all_kinds(name: str, **options: Any) -> Iterator[tuple[str, list[Object]]]:
    """Every kind of manifest, and every way of KServe."""
    names = kitops.ManifestOptions(**options)
    for kind in KINDS:
        if kind != "kserve":
            yield kind, kitops.manifests(kind, f"{name}:1", options=names)
    for mode in ("kit", "native", "fetch"):
        yield f"kserve {mode}", kitops.manifests("kserve", f"{name}:1", kserve=mode, options=names)


def pods(objects: list[Object]) -> Iterator[Object]:
    """The specs of all pods in some objects."""
    for made in objects:
        spec = made.get("spec", {})
        if made["kind"] == "Pod":
            yield spec
        elif made["kind"] == "CronJob":
            yield spec["jobTemplate"]["spec"]["template"]["spec"]
        elif "template" in spec:
            yield spec["template"]["spec"]
