"""The last steps of making a kit, wherever its files come from: layers, manifest, evidence, tags, record."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from kitops_core.errors import IntegrityError, NotFoundError
from kitops_core.events import Control, Event
from kitops_core.evidence.pack_evidence import PackEvidence, all_parents
from kitops_core.kits.kit_to_pack import KitToPack
from kitops_core.kits.packed_layer import FinishedLayer
from kitops_core.oci import media_types
from kitops_core.oci.blob import BytesSource
from kitops_core.oci.manifest import Descriptor, Manifest
from kitops_core.parallel import Beside, run_all
from kitops_core.record import LayerRecord, ModelKitRecord
from kitops_core.reference import Reference
from kitops_core.session import digest_of
from kitops_core.storage import Storage

if TYPE_CHECKING:
    from kitops_core.kitfile import KitfileData


_LOOK_SECONDS = 0.02
"""How often whoever waits for digests looks whether it was cancelled."""


class Layer(Protocol):
    """A layer on its way into a storage."""

    @property
    def path(self) -> str:
        """The entry's path in the kit."""

    @property
    def size(self) -> int:
        """Exact length of the uncompressed layer in bytes."""

    @property
    def known(self) -> Descriptor | None:
        """Its descriptor without annotations, once it is known."""

    @property
    def outcome(self) -> str:
        """``written``, ``present`` or ``mounted``."""

    def learn(self, size_before: int, control: Control) -> None:
        """Read it once to learn its digest, where its size is what it was before and that is worth it."""

    def remember(self, storage: Storage) -> None:
        """Keep what was learned for the next time, and that the storage has it."""

    def write(
        self, storage: Storage, size_before: int, control: Control, learned: Callable[[], None] = lambda: None
    ) -> None:
        """Write it, unless the storage has it; ``size_before`` is its size in the kit that is replaced, or -1.

        ``learned`` is called when :meth:`finished` says what is final, before the storage says that it has it.
        """

    def finished(self) -> FinishedLayer:
        """What the config and the manifest say of it."""

    def record(self) -> LayerRecord:
        """The layer in the shared record."""


def write_kit(
    kit: KitToPack,
    layers: Sequence[Layer],
    storage: Storage,
    before: Mapping[str, str],
    evidence: PackEvidence,
    control: Control,
) -> tuple[Manifest, dict[str, str]]:
    """Blobs, manifest, evidence, then the tags; no blob and no tag where the tags hold this very kit already.

    Returns the manifest, and the tags with the digest that each had when it moved.

    Args:
        kit: The kit that the layers make.
        layers: The layers, in the Kitfile's order.
        storage: Where to.
        before: The tags, each with the digest it has now.
        evidence: What to say of how the kit was made.
        control: Progress and cancelling.
    """
    was = {} if all(layer.known for layer in layers) else layers_before(storage, next(iter(before.values())))
    if len({*before.values()}) == 1 and _are_as_before(layers, was, control):
        _, manifest = kit.config_and_manifest([layer.finished() for layer in layers])
        if set(before.values()) == {manifest.digest}:
            for layer in layers:
                layer.remember(storage)
                control.emit(Event("finish", layer.path, layer.size, layer.size, "present"))
            attach_missing(storage, manifest, evidence, control)
            return manifest, dict(before)
    known = _Known(layers)

    def write_config(linked: Control) -> Manifest:
        known.wait(linked)
        config, manifest = kit.config_and_manifest([layer.finished() for layer in layers])
        if set(before.values()) != {manifest.digest}:
            storage.write_blob(config, linked)
        return manifest

    with Beside(write_config, control) as config_written:  # it names the layers, and need not wait for their answers
        run_all([partial(_write, group, storage, was, known) for group in _apart(layers)], control)
        manifest = config_written.result()
    if set(before.values()) == {manifest.digest}:
        attach_missing(storage, manifest, evidence, control)
    else:
        before = store_kit(None, manifest, storage, before, evidence, control)
    return manifest, dict(before)


def store_kit(
    config: BytesSource | None,
    manifest: Manifest,
    storage: Storage,
    tags: Iterable[str],
    evidence: PackEvidence,
    control: Control,
) -> dict[str, str]:
    """Config, manifest, evidence, then the tags, those that have this kit already left alone.

    Returns the tags as they were when they moved: another writer may have moved one since they were first looked at.

    Args:
        config: The config blob, where it is not there yet.
        manifest: The manifest, whose layers are there.
        storage: Where to.
        tags: The tags.
        evidence: What to say of how the kit was made.
        control: Progress and cancelling.
    """

    def store(linked: Control) -> None:
        if config is not None:
            storage.write_blob(config, linked)
        if evidence.statements:
            storage.put_manifest(manifest)

    # Whoever finds the kit by its tag finds its evidence too: a gate must not see one without the other.
    tasks: list[Callable[[Control], Any]] = [store, partial(evidence.missing, storage, manifest.descriptor)]
    _, missing = run_all(tasks, control, at_once=True)
    control.check()
    evidence.attach(storage, manifest.descriptor, missing, control)
    replaced: dict[str, str] = {}

    def look(_: Control) -> None:
        replaced.update(tags_now(storage, tags, control))

    before_moving: list[Callable[[Control], Any]] = [look]
    if not evidence.statements:  # else it was kept when it was stored for them
        before_moving.append(lambda _: storage.keep(manifest))
    run_all(before_moving, control, at_once=True)
    for digest in {*replaced.values()} - {"", manifest.digest}:
        storage.keep_present(digest)
    moved = [tag for tag, digest in replaced.items() if digest != manifest.digest]
    storage.put_manifest(manifest, moved, kept=True)
    return replaced


def tags_now(storage: Storage, tags: Iterable[str], control: Control) -> dict[str, str]:
    """The tags, each with the digest it has, or an empty string."""
    names = [*tags]
    asked: list[Callable[[Control], str]] = [lambda _, tag=tag: digest_of(storage, tag) for tag in names]  # type: ignore[misc]
    return dict(zip(names, run_all(asked, control, at_once=True), strict=True))


def attach_missing(storage: Storage, manifest: Manifest, evidence: PackEvidence, control: Control) -> None:
    """Say of a kit that is there what is not said of it yet."""
    evidence.attach(storage, manifest.descriptor, evidence.missing(storage, manifest.descriptor, control), control)


def kit_record(
    target: Reference,
    tags: tuple[str, ...],
    manifest: Manifest,
    kitfile: KitfileData,
    layers: Sequence[LayerRecord],
    before: Mapping[str, str],
    evidence: PackEvidence,
    parents: Sequence[str] = (),
    origin: str = "",
) -> ModelKitRecord:
    """The record of a kit that was just written."""
    sent = sum(layer.size for layer in layers if layer.outcome == "written")
    return ModelKitRecord(
        digest=manifest.digest,
        reference=str(target.with_tag(tags[0])),
        registry=target.registry,
        repository=target.repository,
        tag=tags[0],
        tags=tags,
        size=manifest.size,
        kit=kitfile.package,
        layers=tuple(layers),
        changed=set(before.values()) != {manifest.digest},
        previous_digest=before[tags[0]],
        source=evidence.source,
        parents=all_parents(parents, evidence.parents),
        created=manifest.annotations.get(media_types.ANNOTATION_CREATED, ""),
        sent=sent,
        reused=manifest.size - manifest.config.size - sent,
        moved=tuple(tag for tag, digest in before.items() if digest != manifest.digest),
        origin=origin,
    )


def layers_before(storage: Storage, digest: str) -> dict[str, Descriptor]:
    """Path and descriptor of the layers of the kit that the tag has now, where it has one."""
    if not digest:
        return {}
    try:
        layers = storage.manifest(digest).layers
    except (IntegrityError, NotFoundError):  # an image or an index had the tag, or it went meanwhile
        return {}
    return {layer.annotations.get(media_types.ANNOTATION_FILEPATH, ""): layer for layer in layers}


def size_before(path: str, was: Mapping[str, Descriptor]) -> int:
    """The size that the layer at a path has in the kit that is replaced, -1 where that has none."""
    return was[path].size if path in was else -1


def _are_as_before(layers: Sequence[Layer], was: Mapping[str, Descriptor], control: Control) -> bool:
    """Whether every layer is known, and none is seen to be another than before.

    Where each has the size it had, they are read to see whether nothing changed at all: then nothing needs to be asked
    for. The first that did change ends this, and the others are read while what is new is sent.
    """
    if any(layer.known is None and size_before(layer.path, was) != layer.size for layer in layers):
        return False
    changed: list[str] = []

    def learn(layer: Layer, linked: Control) -> None:
        if not changed:
            layer.learn(size_before(layer.path, was), linked)
            if layer.known is None or (layer.path in was and layer.known.digest != was[layer.path].digest):
                changed.append(layer.path)

    run_all([partial(learn, layer) for layer in layers if layer.known is None], control)
    return not changed


def _apart(layers: Sequence[Layer]) -> list[list[Layer]]:
    """The layers, the largest first; those that are known to be the same bytes are written one after the other."""
    groups: dict[str, list[Layer]] = {}
    for index, layer in sorted(enumerate(layers), key=lambda item: -item[1].size):
        groups.setdefault(layer.known.digest if layer.known else str(index), []).append(layer)
    return list(groups.values())


def _write(
    group: Sequence[Layer], storage: Storage, was: Mapping[str, Descriptor], known: _Known, control: Control
) -> None:
    for layer in group:
        layer.write(storage, size_before(layer.path, was), control, partial(known.add, layer))


class _Known:
    """Of which layers the digest is known."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._left = {id(layer) for layer in layers}
        self._all = threading.Event()
        if not layers:
            self._all.set()

    def add(self, layer: Layer) -> None:
        """Take note that it is of one."""
        self._left.discard(id(layer))
        if not self._left:
            self._all.set()

    def wait(self, control: Control) -> None:
        """Wait until it is of all."""
        while not self._all.wait(_LOOK_SECONDS):
            control.check()
