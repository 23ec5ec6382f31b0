"""How a kit is put together from its layers, and how what was put together is stored and recorded."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from kitops_core.errors import InvalidInputError
from kitops_core.events import Control
from kitops_core.evidence.pack_evidence import PackEvidence
from kitops_core.kits.packed_layer import FinishedLayer, PackedLayer
from kitops_core.kits.packing import Packing
from kitops_core.oci import media_types
from kitops_core.oci.blob import BytesSource
from kitops_core.oci.manifest import MAX_MANIFEST_BYTES, Manifest, build_manifest
from kitops_core.oci.media_types import LayerType
from kitops_core.session import digest_of
from kitops_core.storage import Storage

if TYPE_CHECKING:
    from kitops_core.kitfile import KitfileData
    from kitops_core.layers.plan import Context
    from kitops_core.storage.local import LayerCache

CLI_VERSION = "kitops-core"
"""The ``cli-version`` annotation: constant, so that an upgrade of this package changes no digest."""


@dataclass(frozen=True)
class Recipe:
    """How a kit is put together: everything that decides its digest but the files.

    Attributes:
        kitfile: The Kitfile.
        how: How it is packed.
    """

    kitfile: KitfileData
    how: Packing

    def plan(
        self, context: Context, cache: LayerCache, control: Control, only: Container[str] | None = None
    ) -> list[PackedLayer]:
        """Walk the files: every layer with its exact size, and all that is wrong with them at once.

        Args:
            context: Where the files are.
            cache: What was packed before.
            control: Stops the walk.
            only: Addresses of the entries to plan, where others are packed elsewhere.
        """
        from kitops_core.layers.plan import Part, plan

        entries = self.kitfile.entries()
        parts = [Part(e.address, e.section, e.path) for e in entries if only is None or e.address in only]
        others = [e.path for e in entries if only is not None and e.address not in only]
        layers = []
        for planned in plan(context, parts, others=others, layer_format=self.how.layer_format, control=control):
            raw_stays_plain = planned.format == "raw" and (self.how.model_pack or planned.section == "mcpb")
            name = "none" if raw_stays_plain else self.how.compression
            compression: media_types.Compression = "gzip" if name == "gzip-fastest" else name
            layer_type = LayerType(planned.section, planned.format, compression)
            layers.append(PackedLayer(planned, layer_type, name, self.how.model_pack, cache))
        for layer in layers:
            layer.look_up()
        return layers

    def assemble(self, layers: Sequence[FinishedLayer]) -> tuple[BytesSource, Manifest]:
        """The config blob and the manifest.

        Raises:
            InvalidInputError: The manifest would be larger than registries take.
        """
        digests = {layer.address: (layer.descriptor.digest, layer.diff_id) for layer in layers}
        annotations = {media_types.ANNOTATION_CLI_VERSION: CLI_VERSION}
        if created := self.how.created or source_date_epoch():
            stamp = created.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
            annotations[media_types.ANNOTATION_CREATED] = stamp
        kit_config = self.kitfile.to_config(digests)
        if self.how.model_pack:
            from kitops_core.kitfile.modelpack import to_modelpack_config

            diff_ids = [layer.diff_id for layer in layers]
            config = BytesSource(to_modelpack_config(self.kitfile, diff_ids), media_types.MODELPACK_CONFIG)
            annotations[media_types.ANNOTATION_KITFILE] = kit_config.decode()
        else:
            config = BytesSource(kit_config, media_types.MODELKIT_CONFIG)
        manifest = build_manifest(
            artifact_type=media_types.MODELPACK_ARTIFACT if self.how.model_pack else media_types.MODELKIT_ARTIFACT,
            config=config.descriptor,
            layers=[layer.descriptor for layer in layers],
            annotations=annotations,
        )
        if len(manifest.raw) > MAX_MANIFEST_BYTES - 1024:
            raise InvalidInputError(
                f"{len(layers)} layers make a manifest larger than registries must take ({MAX_MANIFEST_BYTES} bytes)",
                hint="put files into fewer entries: one entry may be a whole directory",
            )
        return config, manifest


def check_packable(kitfile: KitfileData, model_pack: bool, where: str) -> None:
    """Check all that can be checked without looking at the files.

    Args:
        kitfile: The Kitfile.
        model_pack: Whether it is to be a ModelPack.
        where: What to call the Kitfile in errors.

    Raises:
        KitfileError: Names every problem.
        InvalidInputError: A ModelPack cannot hold it.
    """
    from kitops_core.kitfile.validation import check_kitfile

    check_kitfile(kitfile, where)
    if model_pack and kitfile.values.get("mcp_servers"):
        raise InvalidInputError(f"{where}: a ModelPack has no place for mcpServers", hint="pack it as a ModelKit")


def store_kit(
    config: BytesSource,
    manifest: Manifest,
    storage: Storage,
    before: Iterable[str],
    evidence: PackEvidence,
    control: Control,
) -> dict[str, str]:
    """Config, manifest, evidence, then the tags, those that have this kit already left alone.

    Returns the tags as they were when they moved: another writer may have moved one since ``before`` was read.

    Args:
        config: The config blob.
        manifest: The manifest, whose layers are there.
        storage: Where to.
        before: The tags.
        evidence: What to say of how the kit was made.
        control: Progress and cancelling.
    """
    storage.write_blob(config, control)
    control.check()
    if evidence.statements:
        # Whoever finds the kit by its tag finds its evidence too: a gate must not see one without the other.
        storage.put_manifest(manifest)
        evidence.attach(storage, manifest.descriptor, control)
    replaced = {tag: digest_of(storage, tag) for tag in before}
    for digest in {*replaced.values()} - {"", manifest.digest}:
        storage.keep_present(digest)
    storage.put_manifest(manifest, [tag for tag, digest in replaced.items() if digest != manifest.digest])
    return replaced


def source_date_epoch() -> datetime | None:
    """The time ``SOURCE_DATE_EPOCH`` names (reproducible-builds.org), if any.

    Raises:
        InvalidInputError: It is not a number of seconds.
    """
    text = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not text:
        return None
    try:
        return datetime.fromtimestamp(int(text), timezone.utc)
    except (ValueError, OverflowError, OSError):
        raise InvalidInputError(
            f"SOURCE_DATE_EPOCH is '{text}', not a number of seconds since 1970", hint="set it to a whole number"
        ) from None
