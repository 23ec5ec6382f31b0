"""A kit as a container image: a second manifest over the kit's own layers, for whatever mounts or pulls images.

Kubernetes image volumes and KServe's ``oci+native://`` and ``oci+fetch://`` read images and nothing else. A tar layer
of a kit is a layer of an image, byte for byte, so all that such an image needs is a config with the layers' diff IDs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from kitops_core.errors import ConflictError, IntegrityError, InvalidInputError, NotFoundError
from kitops_core.events import Control
from kitops_core.kits.filters import parse_filters, takes_entry
from kitops_core.kits.stored_kit import StoredKit, StoredLayer, read_kit
from kitops_core.oci import media_types
from kitops_core.oci.blob import BytesSource
from kitops_core.oci.manifest import Descriptor, Manifest, build_manifest
from kitops_core.reference import Where, check_tag
from kitops_core.session import Session
from kitops_core.storage import Storage

KSERVE_DIRECTORY = "models"
"""The directory of an image that KServe reads; everything else in it is passed over."""

MOUNTED_LAYERS = 127
"""How many layers of an image every container runtime mounts; some take more."""

_PLATFORM = re.compile(r"(linux)/([a-z0-9]+)(?:/([a-z0-9.]+))?")


@dataclass(frozen=True)
class KitImage:
    """An image over a kit's layers.

    Attributes:
        reference: The image, pinned to its digest, with its tag where it was given one.
        digest: Digest of the image's manifest.
        kit: The kit, pinned to its digest.
        platform: The platform its config names, ``linux/amd64``; the files are the same on all.
        paths: Paths in the kit of the entries whose layers it has, in their order.
        size: Bytes of its config and layers; the layers are the kit's own and take no room of their own.
        storage: Which storage it is in: ``registry``, ``local store`` or ``layout``.
        changed: Whether the image or its tag is new.
        warnings: What will keep a server from reading it, one sentence each.
    """

    reference: str
    digest: str
    kit: str
    platform: str
    paths: tuple[str, ...]
    size: int
    storage: str
    changed: bool
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON."""
        return {**vars(self), "paths": list(self.paths), "warnings": list(self.warnings)}


def image(
    session: Session,
    reference: str,
    *,
    tag: str = "",
    only: Sequence[str] = (),
    platform: str = "linux/amd64",
    where: Where = "any",
) -> KitImage:
    """See :meth:`kitops_core.Client.image`."""
    if tag:
        check_tag(tag)
    os_, architecture, variant = _parse_platform(platform)
    control = session.control
    filters = parse_filters(only)
    found = session.find(reference, where)
    with closing(found.storage):
        if tag and found.where == "local store":
            raise ConflictError(
                f"{found.reference} is in the local store, where only kits have tags",
                hint="tag the image in the registry, with --remote; a push takes it there without a tag",
            )
        kit = read_kit(found.storage, found.manifest, control)
        layers = [layer for layer in kit.layers if takes_entry(filters, layer.entry)]
        _check_layers(kit, layers, str(found.reference), only)
        config = _config(os_, architecture, variant, layers)
        manifest = _manifest(config, layers, found.manifest)
        changed = _put(found.storage, manifest, config, tag, control)
    return KitImage(
        reference=str(replace(found.reference, tag=tag, digest=manifest.digest)),
        digest=manifest.digest,
        kit=str(found.reference),
        platform=platform,
        paths=tuple(layer.entry.path for layer in layers),
        size=manifest.size,
        storage=found.where,
        changed=changed,
        warnings=tuple(_warnings(layers)),
    )


def _parse_platform(text: str) -> tuple[str, str, str]:
    match = _PLATFORM.fullmatch(text)
    if match is None:
        raise InvalidInputError(f"'{text}' is not the platform of a node", hint="write linux/amd64 or linux/arm64")
    return match[1], match[2], match[3] or ""


def _check_layers(kit: StoredKit, layers: Sequence[StoredLayer], reference: str, only: Sequence[str]) -> None:
    """Raise where these layers make no image that anyone could use."""
    takes_model = any(filter_.takes("model", "") for filter_ in parse_filters(only)) or not only
    if takes_model and (base := kit.kitfile.model_reference()):
        raise InvalidInputError(
            f"the model of {reference} is another kit, {base}, and an image has only layers of its own repository",
            hint=f"make the image of {base}, or of the other parts with a filter: --filter code,docs",
        )
    if not layers:
        entries = ", ".join(layer.entry.path for layer in kit.layers) or "none"
        raise NotFoundError(
            f"{reference} has nothing for an image" + (f" that the filter {', '.join(only)} takes" if only else ""),
            hint=f"it has {entries}",
        )
    raw = [layer.entry.path for layer in layers if layer.type.format == "raw"]
    if raw:
        named = ", ".join(f"'{path}'" for path in raw)
        raise InvalidInputError(
            f"{reference}: {named} cannot be in an image, whose layers are tars, and this one is stored raw"
            if len(raw) == 1
            else f"{reference}: {named} cannot be in an image, whose layers are tars, and these are stored raw",
            hint="pack the kit with --layer-format tar, or leave them out with a filter (--filter model)",
        )
    unknown = [layer.entry.path for layer in layers if not _diff_id(layer)]
    if unknown:
        raise InvalidInputError(
            f"{reference} does not say the digest of the uncompressed bytes of '{unknown[0]}', which an image needs",
            hint="pack the kit again, best with --compression none",
        )


def _diff_id(layer: StoredLayer) -> str:
    """The digest of the uncompressed bytes: of an uncompressed layer its own, whatever the config says."""
    return layer.descriptor.digest if layer.type.compression == "none" else layer.diff_id


def _config(os_: str, architecture: str, variant: str, layers: Sequence[StoredLayer]) -> BytesSource:
    """The image's config; it carries no time, so that the same kit gives the same image."""
    data = {
        "architecture": architecture,
        "os": os_,
        **({"variant": variant} if variant else {}),
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [_diff_id(layer) for layer in layers]},
    }
    raw = json.dumps(data, separators=(",", ":")).encode()
    return BytesSource(raw, media_types.IMAGE_CONFIG, "image config")


def _manifest(config: BytesSource, layers: Sequence[StoredLayer], kit: Manifest) -> Manifest:
    # Without an artifactType: CRI-O takes a manifest that has one for an artifact, and mounts its tars unextracted.
    # Without the layers' annotations: what names files by them (CRI-O, oras) shall not take this for a kit.
    return build_manifest(
        config=config.descriptor,
        layers=[
            Descriptor(layer.type.image_layer(), layer.descriptor.digest, layer.descriptor.size) for layer in layers
        ],
        subject=Descriptor(kit.media_type, kit.digest, len(kit.raw)),
    )


def _put(storage: Storage, manifest: Manifest, config: BytesSource, tag: str, control: Control) -> bool:
    """Store the image where it is not there yet, and tag it; whether anything changed."""
    subject = manifest.subject.digest if manifest.subject else ""
    listed = manifest.digest in {descriptor.digest for descriptor in storage.referrers(subject)}
    before = _image_at(storage, tag) if tag else manifest.digest
    if not listed:
        storage.write_blob(config, control)
        control.check()
        storage.put_manifest(manifest)
    if before != manifest.digest:
        storage.put_manifest(manifest, [tag])
    return not listed or before != manifest.digest


def _image_at(storage: Storage, tag: str) -> str:
    """The digest of the image that has the tag, or an empty string where nothing has it.

    Raises:
        ConflictError: Something else has it.
    """
    try:
        there = storage.manifest(tag)
    except NotFoundError:
        return ""
    except IntegrityError:
        kind = "no image manifest"
    else:
        if there.config.media_type == media_types.IMAGE_CONFIG:
            return there.digest
        kind = "a kit" if there.artifact_type.startswith("application/vnd.kitops.") else "another artifact"
    raise ConflictError(f"{storage.name}:{tag} is {kind}", hint=f"give the image a tag of its own: {tag}-image")


def _warnings(layers: Sequence[StoredLayer]) -> list[str]:
    found = []
    models = [layer.entry.path for layer in layers if layer.type.section in ("model", "modelpart")]
    outside = [path for path in models if path.split("/")[0] not in (KSERVE_DIRECTORY, ".")]
    if outside:
        named = ", ".join(outside[:3]) + (f" and {len(outside) - 3} more" if len(outside) > 3 else "")
        found.append(
            f"{named} {'is' if len(outside) == 1 else 'are'} not under {KSERVE_DIRECTORY}/, where KServe's "
            "oci+native:// and oci+fetch:// look: `kitops init --servable` moves a model there. An image volume of "
            "your own needs no such place"
        )
    if len(layers) > MOUNTED_LAYERS:
        found.append(
            f"{len(layers)} layers are more than the {MOUNTED_LAYERS} that every container runtime mounts: put files "
            "that belong together into one directory of the Kitfile"
        )
    if any(layer.type.compression == "zstd" for layer in layers):
        found.append("KServe's oci+fetch:// does not read zstd layers; pack with --compression none or gzip")
    return found
