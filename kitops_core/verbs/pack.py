"""Pack: files to a storage, in one pass, reproducibly."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kitops_core.errors import (
    IntegrityError,
    InvalidInputError,
    InvalidReferenceError,
    NotFoundError,
    SourceError,
)
from kitops_core.events import Cancel, Control, Event
from kitops_core.oci import media_types
from kitops_core.oci.blob import BytesSource
from kitops_core.oci.manifest import MAX_MANIFEST_BYTES, Manifest, build_manifest
from kitops_core.oci.media_types import LayerType
from kitops_core.record import ModelKitRecord, Source
from kitops_core.reference import DEFAULT_TAG, check_tag, parse_reference
from kitops_core.storage import Storage
from kitops_core.verbs.contents import Contents
from kitops_core.verbs.generate import generate_kitfile
from kitops_core.verbs.locate import digest_of, open_storage
from kitops_core.verbs.packed_layer import CompressionName, PackedLayer
from kitops_core.verbs.parallel import run_all

if TYPE_CHECKING:
    from kitops_core.kitfile import Kitfile
    from kitops_core.layers.plan import Context
    from kitops_core.storage.local import LayerCache
    from kitops_core.storage.registry import RegistryOptions

CLI_VERSION = "kitops-core"
"""The ``cli-version`` annotation: constant, so that an upgrade of this package changes no digest."""


def pack(
    source: str | os.PathLike[str] | Contents,
    reference: str,
    *,
    push: bool = False,
    tags: Sequence[str] = (),
    kitfile: str | os.PathLike[str] | Kitfile | None = None,
    compression: CompressionName = "none",
    layer_format: Literal["tar", "raw"] = "tar",
    model_pack: bool = False,
    created: datetime | None = None,
    made_by: Source | None = None,
    parents: Sequence[str] = (),
    store: Path | None = None,
    registry: RegistryOptions | None = None,
    on_event: Callable[[Event], None] | None = None,
    cancel: Cancel | None = None,
) -> ModelKitRecord:
    """Pack a ModelKit into the local store, or with ``push`` straight into its registry.

    The same files give the same digest. A layer whose files did not change since they were last packed is not
    read again, and nothing is sent that is already there.

    Args:
        source: A directory with a Kitfile, a directory without one (a Kitfile is generated as ``kitops init``
            does), or contents by name.
        reference: Where to: ``registry/repository:tag``, a local ``name:tag``, or ``oci:PATH:tag``.
        push: Send it to the registry in the same pass; nothing is kept in the local store.
        tags: Further tags.
        kitfile: A Kitfile to use instead of the directory's: a path, or the Kitfile itself.
        compression: ``none``, ``gzip``, ``gzip-fastest`` or ``zstd`` (which the reference CLI reads from 1.15 on).
        layer_format: ``raw`` stores a single file as it is instead of in a tar.
        model_pack: Write a CNCF ModelPack instead of a ModelKit.
        created: A time to stamp into the manifest, which changes its digest; ``SOURCE_DATE_EPOCH`` sets it too.
        made_by: The pipeline run this comes from, for the record.
        parents: References, pinned by digest, of kits this one was made from, for the record.
        store: The local store's directory, where it is not the default.
        registry: How to talk to registries.
        on_event: Called with progress.
        cancel: A switch that stops between buffers.

    Raises:
        InvalidReferenceError: The reference cannot be packed to.
        KitfileError: The Kitfile has problems; all are named.
        SourceError: Files are missing, unreadable, or changed while they were read.
        DeniedError, RegistryError, StoreError: The storage refused or failed.
        CancelledError: The switch was flipped.
    """
    target = parse_reference(reference)
    if target.digest:
        raise InvalidReferenceError(f"'{reference}' names a digest, and what is packed decides that", hint="name a tag")
    all_tags = tuple(dict.fromkeys([target.tag or DEFAULT_TAG, *map(check_tag, tags)]))
    control = Control(on_event, cancel)
    context, description, where = _load(source, kitfile)
    description.validate_for_pack(where)
    if model_pack and description.mcp_servers:
        raise InvalidInputError(f"{where}: a ModelPack has no place for mcpServers", hint="pack it as a ModelKit")
    recipe = _Recipe(description, compression, layer_format, model_pack, created or _source_date_epoch())
    layers = recipe.plan(context, _layer_cache(store), control)
    if len(recipe.assemble(layers)[1].raw) > MAX_MANIFEST_BYTES - 1024:
        raise InvalidInputError(
            f"{where}: {len(layers)} layers make a manifest larger than registries must take "
            f"({MAX_MANIFEST_BYTES} bytes)",
            hint="put files into fewer entries: one entry may be a whole directory",
        )
    storage = open_storage(target, remote=push and not target.layout, store=store, registry=registry)
    try:
        before = {tag: digest_of(storage, tag) for tag in all_tags}
        manifest = _write(recipe, layers, storage, before, control)
    finally:
        storage.close()
    sent = sum(layer.known.size for layer in layers if layer.known and layer.outcome == "written")
    return ModelKitRecord(
        digest=manifest.digest,
        reference=str(target.with_tag(all_tags[0])),
        registry=target.registry,
        repository=target.repository,
        tag=all_tags[0],
        tags=all_tags,
        size=manifest.size,
        kit=description.package.model_dump(exclude_defaults=True),
        layers=tuple(layer.record() for layer in layers),
        changed=set(before.values()) != {manifest.digest},
        previous_digest=before[all_tags[0]],
        source=made_by or Source(),
        parents=tuple(parents),
        created=manifest.annotations.get(media_types.ANNOTATION_CREATED, ""),
        sent=sent,
        reused=manifest.size - manifest.config.size - sent,
    )


@dataclass(frozen=True)
class _Recipe:
    """How a kit is put together: everything that decides its digest but the files."""

    kitfile: Kitfile
    compression: CompressionName
    layer_format: Literal["tar", "raw"]
    model_pack: bool
    created: datetime | None

    def plan(self, context: Context, cache: LayerCache, control: Control) -> list[PackedLayer]:
        """Walk the files: every layer with its exact size, and all that is wrong with them at once."""
        from kitops_core.layers.plan import Part, plan

        parts = [Part(entry.address, entry.section, entry.path) for entry in self.kitfile.entries()]
        layers = []
        for planned in plan(context, parts, layer_format=self.layer_format, control=control):
            raw_stays_plain = planned.format == "raw" and (self.model_pack or planned.section == "mcpb")
            name = "none" if raw_stays_plain else self.compression
            compression: media_types.Compression = "gzip" if name == "gzip-fastest" else name
            layer_type = LayerType(planned.section, planned.format, compression)
            layers.append(PackedLayer(planned, layer_type, name, self.model_pack, cache))
        for layer in layers:
            layer.look_up()
        return layers

    def assemble(self, layers: Sequence[PackedLayer]) -> tuple[BytesSource, Manifest]:
        """The config blob and the manifest."""
        digests = {layer.plan.address: (layer.descriptor().digest, layer.diff_id) for layer in layers}
        annotations = {media_types.ANNOTATION_CLI_VERSION: CLI_VERSION}
        if self.created:
            stamp = self.created.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
            annotations[media_types.ANNOTATION_CREATED] = stamp
        kit_config = self.kitfile.to_config(digests)
        if self.model_pack:
            from kitops_core.kitfile.modelpack import to_modelpack_config

            diff_ids = [layer.diff_id for layer in layers]
            config = BytesSource(to_modelpack_config(self.kitfile, diff_ids), media_types.MODELPACK_CONFIG)
            annotations[media_types.ANNOTATION_KITFILE] = kit_config.decode()
        else:
            config = BytesSource(kit_config, media_types.MODELKIT_CONFIG)
        manifest = build_manifest(
            artifact_type=media_types.MODELPACK_ARTIFACT if self.model_pack else media_types.MODELKIT_ARTIFACT,
            config=config.descriptor,
            layers=[layer.descriptor() for layer in layers],
            annotations=annotations,
        )
        return config, manifest


def _write(
    recipe: _Recipe, layers: Sequence[PackedLayer], storage: Storage, before: dict[str, str], control: Control
) -> Manifest:
    """Blobs, then the manifest, then its tags; nothing at all where the tags hold this very kit already."""
    if all(layer.known for layer in layers):
        config, manifest = recipe.assemble(layers)
        if set(before.values()) == {manifest.digest}:
            for layer in layers:
                control.emit(Event("finish", layer.plan.path, layer.plan.size, layer.plan.size, "present"))
            return manifest
    likely = _layers_before(storage, next(iter(before.values())))
    largest_first = sorted(layers, key=lambda layer: -layer.plan.size)
    run_all([partial(layer.write, storage, likely.get(layer.plan.path, -1)) for layer in largest_first], control)
    config, manifest = recipe.assemble(layers)
    storage.write_blob(config, control)
    control.check()
    storage.put_manifest(manifest, [tag for tag, digest in before.items() if digest != manifest.digest])
    return manifest


def _layers_before(storage: Storage, digest: str) -> dict[str, int]:
    """Path and size of the layers of the kit that the tag has now, where it has one."""
    if not digest:
        return {}
    try:
        layers = storage.manifest(digest).layers
    except (IntegrityError, NotFoundError):  # an image or an index had the tag, or it went meanwhile
        return {}
    return {layer.annotations.get(media_types.ANNOTATION_FILEPATH, ""): layer.size for layer in layers}


def _load(
    source: str | os.PathLike[str] | Contents, kitfile: str | os.PathLike[str] | Kitfile | None
) -> tuple[Context, Kitfile, str]:
    """The files, the Kitfile that describes them, and what to call it in errors."""
    from kitops_core.kitfile import Kitfile, find_kitfile
    from kitops_core.layers.plan import Context

    if isinstance(source, Contents):
        if kitfile is not None:
            raise InvalidInputError("contents by name bring their own Kitfile", hint="pass a directory, or no kitfile")
        context, description = source.resolve()
        return context, description, "the contents"
    directory = Path(source)
    if not directory.is_dir():
        what = "is a file, not a directory" if directory.exists() else "does not exist"
        hint = "pack the directory it is in, or name it: Contents(model=...)" if directory.exists() else ""
        raise SourceError(f"'{directory}' {what}", hint=hint)
    context = Context.from_directory(directory)
    if isinstance(kitfile, Kitfile):
        return context, kitfile, "the Kitfile given"
    found = Path(kitfile) if kitfile is not None else find_kitfile(directory)
    if found is None:
        description = generate_kitfile(directory)
        if not description.entries():
            raise SourceError(f"'{directory}' has nothing to pack", hint="is it the right directory?")
        return context, description, f"the Kitfile generated for '{directory}'"
    return context, Kitfile.load(found), str(found)


def _layer_cache(store: Path | None) -> LayerCache:
    from kitops_core.storage.local import LocalStore

    return LocalStore(store).layer_cache()


def _source_date_epoch() -> datetime | None:
    """The time ``SOURCE_DATE_EPOCH`` names (reproducible-builds.org), if any."""
    text = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not text:
        return None
    try:
        return datetime.fromtimestamp(int(text), timezone.utc)
    except (ValueError, OverflowError, OSError):
        raise InvalidInputError(
            f"SOURCE_DATE_EPOCH is '{text}', not a number of seconds since 1970", hint="set it to a whole number"
        ) from None
