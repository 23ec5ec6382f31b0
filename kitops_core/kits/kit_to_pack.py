"""A kit before it is packed: what it consists of, its layers, and the manifest that they make."""

from __future__ import annotations

import os
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from kitops_core.errors import InvalidInputError
from kitops_core.events import Control
from kitops_core.kits.packed_layer import FinishedLayer, PackedLayer
from kitops_core.kits.packing import Packing
from kitops_core.oci import media_types
from kitops_core.oci.blob import BytesSource
from kitops_core.oci.manifest import MAX_MANIFEST_BYTES, Descriptor, Manifest, build_manifest
from kitops_core.oci.media_types import LayerType

if TYPE_CHECKING:
    from kitops_core.kitfile import KitfileData
    from kitops_core.layers.left_out import LeftOut
    from kitops_core.layers.plan import Context
    from kitops_core.storage.local import LayerCache

CLI_VERSION = "kitops-core"
"""The ``cli-version`` annotation: constant, so that an upgrade of this package changes no digest."""


_MOST_LAYER_BYTES = 260
"""What a layer takes of its manifest at most, beside its path."""
_MOST_ESCAPED = 6  # bytes for one, in JSON


@dataclass(frozen=True)
class KitToPack:
    """A kit before it is packed: everything that decides its digest but the files.

    Attributes:
        kitfile: The Kitfile.
        how: How it is packed.
    """

    kitfile: KitfileData
    how: Packing

    def check(self, where: str) -> None:
        """Check all that can be checked without looking at the files.

        Args:
            where: What to call the Kitfile in errors.

        Raises:
            KitfileError: Names every problem.
            InvalidInputError: A ModelPack cannot hold it, or there are more entries than a manifest has room for.
        """
        from kitops_core.kitfile.validation import check_kitfile

        check_kitfile(self.kitfile, where)
        if self.how.model_pack and self.kitfile.values.get("mcp_servers"):
            raise InvalidInputError(f"{where}: a ModelPack has no place for mcpServers", hint="pack it as a ModelKit")
        # Very many entries are too many at any size: said before their files are looked for, and measured only where
        # it may be so, as each of many workers asks.
        entries = self.kitfile.entries()
        most = sum(_MOST_LAYER_BYTES + _MOST_ESCAPED * len(e.path.encode()) for e in entries)
        if not self.how.model_pack and most < MAX_MANIFEST_BYTES // 8 * 7:
            return
        empty = Descriptor("", "sha256:" + "0" * 64, 0)
        self.config_and_manifest(
            [
                FinishedLayer(e.address, replace(empty, annotations=LayerType(e.section).annotations(e.path)), "")
                for e in entries
            ]
        )

    def check_room(self, layers: Sequence[PackedLayer]) -> None:
        """Check that a manifest has room for the layers, before the first byte is sent.

        Raises:
            InvalidInputError: It has not.
        """
        most = sum(12 * len(layer.plan.path) + 1024 for layer in layers)  # a path twice, all of it escaped
        if self.how.model_pack or most > MAX_MANIFEST_BYTES // 2:  # a ModelPack's holds the Kitfile as well
            self.config_and_manifest([layer.finished() for layer in layers])

    def plan(
        self,
        context: Context,
        cache: LayerCache,
        control: Control,
        only: Container[str] | None = None,
        leaves_out: list[LeftOut] | None = None,
    ) -> list[PackedLayer]:
        """Walk the files: every layer with its exact size, and all that is wrong with them at once.

        Args:
            context: Where the files are.
            cache: What was packed before.
            control: Stops the walk.
            only: Addresses of the entries to plan, where others are packed elsewhere.
            leaves_out: A list to put into what is left out.
        """
        from kitops_core.layers.check import check_files
        from kitops_core.layers.plan import Part, plan

        entries = self.kitfile.entries()
        parts = [Part(e.address, e.section, e.path) for e in entries if only is None or e.address in only]
        others = [e.path for e in entries if only is not None and e.address not in only]
        layers = []
        how = self.how
        plans = plan(
            context,
            parts,
            others=others,
            layer_format=how.layer_format,
            all_files=how.all_files,
            control=control,
            leaves_out=leaves_out,
        )
        check_files(plans, allow_pointers=how.allow_lfs_pointers, allow_secrets=how.allow_secrets)
        for planned in plans:
            raw_stays_plain = planned.format == "raw" and (self.how.model_pack or planned.section == "mcpb")
            name = "none" if raw_stays_plain else self.how.compression
            compression: media_types.Compression = "gzip" if name == "gzip-fastest" else name
            layer_type = LayerType(planned.section, planned.format, compression)
            layers.append(PackedLayer(planned, layer_type, name, self.how.model_pack, cache))
        for layer in layers:
            layer.look_up()
        return layers

    def config_and_manifest(self, layers: Sequence[FinishedLayer]) -> tuple[BytesSource, Manifest]:
        """The config blob and the manifest that the layers make.

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
        return config, manifest


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
