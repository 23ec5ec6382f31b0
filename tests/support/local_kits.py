"""Small kits for the tests of the local store and of layouts, and stores as the reference CLI writes them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kitops_core.events import Control
from kitops_core.oci import media_types
from kitops_core.oci.blob import BytesSource
from kitops_core.oci.manifest import Descriptor, Manifest, build_manifest, sha256_digest
from kitops_core.storage import Storage

MODEL_LAYER = "application/vnd.kitops.modelkit.model.v1.tar"
SIGNATURE = "application/vnd.dev.sigstore.bundle.v0.3+json"


@dataclass
class StreamSource:
    """Bytes whose digest nobody knows beforehand, in several buffers, as from files on the way into a layer."""

    data: bytes
    name: str = "model"
    media_type: str = MODEL_LAYER
    buffer: int = 1024
    known: Descriptor | None = None
    verified: bool = False

    @property
    def size(self) -> int | None:
        return len(self.data)

    def stream(self) -> Iterator[memoryview]:
        for start in range(0, len(self.data), self.buffer):
            yield memoryview(self.data)[start : start + self.buffer]


def put_kit(
    storage: Storage, *tags: str, model: bytes = b"weights", subject: Descriptor | None = None, artifact_type: str = ""
) -> Manifest:
    """Write a kit of one layer, in the order a pack does."""
    layer = storage.write_blob(StreamSource(model), Control()).descriptor
    config_data = json.dumps({"manifestVersion": "1.0.0", "model": {"digest": layer.digest}}).encode()
    config = storage.write_blob(BytesSource(config_data, media_types.MODELKIT_CONFIG), Control()).descriptor
    manifest = build_manifest(
        artifact_type=artifact_type or media_types.MODELKIT_ARTIFACT, config=config, layers=[layer], subject=subject
    )
    storage.put_manifest(manifest, tags)
    return manifest


def put_referrer(storage: Storage, subject: Descriptor, data: bytes = b"signature", kind: str = SIGNATURE) -> Manifest:
    """Write a manifest that refers to another, without a tag."""
    return put_kit(storage, model=data, subject=subject, artifact_type=kind)


def read_kit(storage: Storage, target: str) -> dict[str, bytes]:
    """Every blob of a kit, read to its end and so verified."""
    manifest = storage.manifest(target)
    blobs = {}
    for blob in manifest.blobs:
        with storage.open_blob(blob, Control()) as reader:
            blobs[blob.digest] = reader.read_all(1 << 30)
    return blobs


def blob_digests(root: Path) -> set[str]:
    """Digests of all blobs in a layout directory."""
    return {f"sha256:{path.name}" for path in (root / "blobs" / "sha256").glob("*")}


def digests_of(*manifests: Manifest) -> set[str]:
    """The digests of manifests and of all they name."""
    return {m.digest for m in manifests} | {blob.digest for m in manifests for blob in m.blobs}


def encoded(name: str) -> str:
    """The reference CLI's file name part for a repository."""
    return base64.urlsafe_b64encode(name.encode()).decode()


class KitStyleStore:
    """A store with exactly the files the reference CLI 1.7 writes, made without our code."""

    def __init__(self, home: Path) -> None:
        self.root = home / "storage"
        (self.root / "blobs" / "sha256").mkdir(parents=True)
        (self.root / "ingest").mkdir()
        (self.root / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        self.write("index.json", {"schemaVersion": 2, "mediaType": media_types.IMAGE_INDEX, "manifests": []})

    def pack(self, name: str, tag: str, model: bytes) -> dict[str, Any]:
        """What ``kit pack`` leaves: blobs with mode 0600, a manifest without mediaType, three JSON files."""
        layer = self.blob(model, MODEL_LAYER)
        config_data = json.dumps({"manifestVersion": "1.0.0", "package": {}, "model": {"digest": layer["digest"]}})
        config = self.blob(config_data.encode(), media_types.MODELKIT_CONFIG)
        manifest = {
            "schemaVersion": 2,
            "config": config,
            "layers": [layer],
            "annotations": {"ml.kitops.modelkit.cli-version": "1.7.0"},
        }
        entry = self.blob(json.dumps(manifest, separators=(",", ":")).encode(), media_types.IMAGE_MANIFEST)
        for file in ("index.json", f"{encoded(name)}-index.json"):
            index = self.read(file) or {"schemaVersion": 2, "manifests": []}
            if entry not in index["manifests"]:
                index["manifests"].append(entry)
            self.write(file, index)
        self.tag(name, tag, entry)
        return entry

    def tag(self, name: str, tag: str, entry: Mapping[str, Any]) -> None:
        """``kit tag``."""
        file = f"{encoded(name)}-tags.json"
        self.write(file, {**(self.read(file) or {}), tag: dict(entry)})

    def untag(self, name: str, tag: str) -> None:
        """``kit remove`` of one tag among several of a kit."""
        file = f"{encoded(name)}-tags.json"
        tags = self.read(file)
        del tags[tag]
        if tags:
            self.write(file, tags)
        else:
            (self.root / file).unlink()

    def remove(self, name: str, digest: str) -> None:
        """``kit remove`` of a whole kit: its tags, its entries and, without a second user, its manifest's blob."""
        file = f"{encoded(name)}-tags.json"
        for tag in [tag for tag, entry in (self.read(file) or {}).items() if entry["digest"] == digest]:
            self.untag(name, tag)
        for file in ("index.json", f"{encoded(name)}-index.json"):
            index = self.read(file)
            index["manifests"] = [entry for entry in index["manifests"] if entry["digest"] != digest]
            self.write(file, index)
        (self.root / "blobs" / "sha256" / digest.removeprefix("sha256:")).unlink()

    def blob(self, data: bytes, media_type: str) -> dict[str, Any]:
        """Write a blob; its descriptor."""
        digest = sha256_digest(data)
        path = self.root / "blobs" / "sha256" / digest.removeprefix("sha256:")
        if not path.exists():
            path.write_bytes(data)
            path.chmod(0o600)
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def read(self, file: str) -> Any:
        """A JSON file, or ``None``."""
        path = self.root / file
        return json.loads(path.read_bytes()) if path.exists() else None

    def write(self, file: str, data: Any) -> None:
        """A JSON file, in place as the reference CLI does it."""
        (self.root / file).write_text(json.dumps(data, separators=(",", ":")))
