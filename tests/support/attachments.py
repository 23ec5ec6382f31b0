"""Short ways to attach something to a kit, and to read what is attached."""

from __future__ import annotations

from blob_tools import ARTIFACT_TYPE
from clients import find_kit

from kitops_core.events import Control
from kitops_core.evidence.statements import Evidence, read_evidence
from kitops_core.oci.blob import BytesSource
from kitops_core.oci.manifest import Manifest, build_manifest
from kitops_core.oci.media_types import EMPTY_CONFIG
from kitops_core.reference import Where
from kitops_core.storage import Storage


def attach(storage: Storage, kit: Manifest, content: bytes, kind: str = ARTIFACT_TYPE) -> Manifest:
    """Attach a small artifact, as signatures and statements are."""
    control = Control()
    config = storage.write_blob(BytesSource(b"{}", EMPTY_CONFIG), control).descriptor
    layer = storage.write_blob(BytesSource(content, "application/vnd.test.bundle", "bundle"), control).descriptor
    manifest = build_manifest(
        artifact_type=kind,
        config=config,
        layers=[layer],
        annotations={"content": content.decode()},
        subject=kit.descriptor,
    )
    storage.put_manifest(manifest)
    return manifest


def attached(reference: str, kind: str = "", where: Where = "any") -> list[Evidence]:
    found = find_kit(reference, where)
    try:
        return read_evidence(found.storage, found.manifest.digest, predicate_type=kind)
    finally:
        found.storage.close()
