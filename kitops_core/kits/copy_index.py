"""An index with its kits from storage to storage: every blob once, then the kits, then the index."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from kitops_core.errors import NotFoundError
from kitops_core.events import Control
from kitops_core.kits.copy_graph import Attached, blob_copies, copy_attached, copy_manifest
from kitops_core.oci.kit_index import KitIndex
from kitops_core.oci.manifest import Manifest
from kitops_core.parallel import run_all
from kitops_core.record import ModelKitRecord, VariantRecord
from kitops_core.reference import Reference
from kitops_core.storage import Storage, Written


def copy_index(
    source: Storage,
    target: Storage,
    index: KitIndex,
    tags: Sequence[str],
    control: Control,
    *,
    referrers: bool = False,
    known: Attached | None = None,
    kits: Sequence[Manifest] | None = None,
    attach: Callable[[], Sequence[Manifest]] = tuple,
) -> list[Written]:
    """Copy an index with all its kits, then point tags at it; its bytes and those of the kits stay as they are.

    Who sees the index in the target sees every kit of it there. Blobs that several kits share are moved once, and
    within one repository nothing is.

    Args:
        source: Where the index is.
        target: Where it shall be.
        index: The index.
        tags: Tags to point at it; without any, it is stored under its digest only.
        control: Progress and cancelling.
        referrers: Also copy what is attached to the kits and to the index, recursively.
        known: What is attached to the index in the source, where somebody has looked already.
        kits: The manifests of its kits, where somebody has read them already.
        attach: Gives more referrers of the index, which are put before its tags move; called while blobs are copied,
            so it may write blobs but no manifest.

    Returns:
        What became of each blob.

    Raises:
        NotFoundError: A kit is not in the source; names each that is not.
        IntegrityError: A kit or blob is not what it should be, or the index has an index within it.
    """
    where = f"{source.name}@{index.digest}"
    index.check_no_index_within(where)
    written: list[Written] = []
    rounds: list[list[Manifest]] = []
    more: list[Manifest] = []

    def attach_more(linked: Control) -> Written | None:
        more.extend(attach())
        return None

    def find_attached(linked: Control) -> Written | None:
        if referrers:
            rounds.extend(copy_attached(source, target, index, linked, known))
        return None

    if source.place != target.place:
        kits = read_kits(source, index, control) if kits is None else kits
        there = run_all([partial(_is_there, target, kit) for kit in kits], control)
        missing = [kit for kit, held in zip(kits, there, strict=True) if not held]
        # As with one kit no blob waits for another, and what is hung on the index not for those of its kits.
        tasks = [attach_more, find_attached, *blob_copies(source, target, missing)]
        written = [outcome for outcome in run_all(tasks, control) if outcome is not None]
        copies = [
            partial(_copy_kit, source, target, kit, referrers, held) for kit, held in zip(kits, there, strict=True)
        ]
        run_all(copies, control)
    else:
        attach_more(control)
    for attached in [*rounds[:-1], [*(rounds[-1] if rounds else ()), *more]]:
        if attached:
            target.put_referrers(attached)
    control.check()
    if tags or source.place != target.place:
        target.put_manifest(index, tags)
    return written


def read_kits(storage: Storage, index: KitIndex, control: Control) -> list[Manifest]:
    """The manifests of an index, each once, in its order.

    Raises:
        NotFoundError: One is not there; names each that is not.
    """

    def read(digest: str, control: Control) -> Manifest | None:
        control.check()
        try:
            return storage.manifest(digest)
        except NotFoundError:
            return None

    found = dict(zip(index.digests, run_all([partial(read, one) for one in index.digests], control), strict=True))
    missing = [entry for entry in index.entries if found[entry.digest] is None]
    if missing:
        raise NotFoundError(
            f"{storage.name}@{index.digest} names kits that are not in {storage.name}: "
            + "; ".join(entry.describe() for entry in missing),
            hint="push or pull those kits first, or take them out with `kitops index remove`",
        )
    return [kit for kit in found.values() if kit is not None]


def index_record(
    index: KitIndex, reference: Reference, *, previous: str = "", moved: bool = False, written: Sequence[Written] = ()
) -> ModelKitRecord:
    """The record of an index under ``reference``, after an operation that did ``written``.

    Args:
        index: The index.
        reference: Its name.
        previous: What the tag had before.
        moved: Whether an operation pointed the tag at it.
        written: What became of blobs.
    """
    sent = sum(item.descriptor.size for item in written if item.outcome == "written")
    changed = moved and previous != index.digest
    return ModelKitRecord(
        digest=index.digest,
        reference=str(reference.whole if reference.tag else reference.with_digest(index.digest)),
        registry=reference.registry,
        repository=reference.repository,
        tag=reference.tag,
        tags=(reference.tag,) if reference.tag else (),
        size=index.size,
        kit={},
        layers=(),
        changed=changed,
        previous_digest=previous,
        sent=sent,
        reused=sum(item.descriptor.size for item in written) - sent,
        moved=(reference.tag,) if reference.tag and changed else (),
        variants=tuple(
            VariantRecord(entry.digest, entry.tag, entry.size, entry.values, entry.annotations)
            for entry in index.entries
        ),
    )


def _is_there(target: Storage, kit: Manifest, control: Control) -> bool:
    control.check()
    return target.holds(kit)


def _copy_kit(
    source: Storage, target: Storage, kit: Manifest, referrers: bool, held: bool, control: Control
) -> list[Written]:
    return copy_manifest(source, target, kit, (), control, referrers=referrers, held=held)
