"""An index with its kits from storage to storage: every blob once, then the kits, then the index."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

from kitops_core.errors import NotFoundError
from kitops_core.events import Control
from kitops_core.kits.copy_graph import Attached, PutReferrers, blob_copies, copy_attached, put_attached
from kitops_core.oci.kit_index import AnyManifest, KitIndex
from kitops_core.oci.manifest import Manifest
from kitops_core.oci.own_tags import kept_tag
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
    known: Mapping[str, Attached] | None = None,
    kits: Sequence[Manifest] | None = None,
    attach: Callable[[], Sequence[Manifest]] = tuple,
    put: PutReferrers | None = None,
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
        known: What is attached in the source to the index or to a kit, by digest, where somebody has looked already.
        kits: The manifests of its kits, where somebody has read them already.
        attach: Gives more referrers of the index, which are put before its tags move; called while blobs are copied,
            so it may write blobs but no manifest.
        put: Puts them, where nothing else is attached to it that has to be listed with them.

    Returns:
        What became of each blob.

    Raises:
        NotFoundError: A kit is not in the source; names each that is not.
        IntegrityError: A kit or blob is not what it should be, or the index has an index within it.
    """
    index.check_no_index_within(f"{source.name}@{index.digest}")
    if source.place == target.place:
        run_all(keeping_kits(target, index.digests), control)
        put_attached(target, (), attach(), control, put=put)
        control.check()
        if tags:
            target.put_manifest(index, tags)
        return []
    kits = read_kits(source, index, control, target) if kits is None else kits
    held = _held(target, kits, control)
    more: list[Manifest] = []
    attached: dict[str, list[list[Manifest]]] = {}

    def attach_more(linked: Control) -> Written | None:
        more.extend(attach())
        return None

    def find_attached(manifest: AnyManifest, fresh: bool, linked: Control) -> Written | None:
        found = known.get(manifest.digest) if known else None
        attached[manifest.digest] = copy_attached(source, target, manifest, linked, fresh, found)
        return None

    # No blob waits for another, neither of the kits nor of what is hung on them and on the index.
    missing = [kit for kit in kits if kit.digest not in held]
    tasks: list[Callable[[Control], Written | None]] = [attach_more, *blob_copies(source, target, missing)]
    if referrers:
        tasks[1:1] = [partial(find_attached, kit, kit.digest not in held) for kit in kits]
        tasks.insert(1, partial(find_attached, index, False))
    written = run_all(tasks, control)
    read = {kit.digest for kit in kits}
    puts: list[Callable[[Control], None]] = [
        partial(put_attached, target, attached.get(index.digest, ()), more, put=put)
    ]
    puts += [partial(_put_kit, target, kit, attached.get(kit.digest, ()), kit.digest in held) for kit in kits]
    puts += keeping_kits(target, [digest for digest in index.digests if digest not in read])
    run_all(puts, control)
    control.check()
    target.put_manifest(index, tags)
    return [outcome for outcome in written if outcome is not None]


def read_kits(storage: Storage, index: KitIndex, control: Control, target: Storage | None = None) -> list[Manifest]:
    """The manifests of an index, each once, in its order; without those that are only in ``target``.

    Raises:
        NotFoundError: One is not there; names each that is not.
    """

    def read(digest: str, control: Control) -> Manifest | None:
        control.check()
        try:
            return storage.manifest(digest)
        except NotFoundError:
            return None

    found = run_all([partial(read, digest) for digest in index.digests], control)
    kits = [kit for kit in found if kit is not None]
    digests = {kit.digest for kit in kits}
    if target is not None and len(kits) < len(found):
        digests |= {*_there(target, [digest for digest in index.digests if digest not in digests], control)}
    _check_all(storage, index, digests)
    return kits


def check_kits(storage: Storage, index: KitIndex, control: Control) -> None:
    """See that all kits of an index are there; those that have the tag that keeps them are not asked for.

    Raises:
        NotFoundError: One is not there; names each that is not.
    """
    tags = storage.seen_tags() or ()
    kept = [digest for digest in index.digests if kept_tag(digest) in tags]
    asked = [digest for digest in index.digests if digest not in kept]
    _check_all(storage, index, [*kept, *_there(storage, asked, control)])


def _there(storage: Storage, digests: Sequence[str], control: Control) -> list[str]:
    """Those of the digests that a storage has."""

    def look(digest: str, control: Control) -> str:
        control.check()
        try:
            return storage.resolve(digest).digest
        except NotFoundError:
            return ""

    return [found for found in run_all([partial(look, digest) for digest in digests], control) if found]


def keeping_kits(storage: Storage, digests: Sequence[str]) -> list[Callable[[Control], None]]:
    """Tasks that give a tag of our own to each kit that another client left without: registries drop such kits."""

    def keep(digest: str, control: Control) -> None:
        control.check()
        storage.keep_present(digest)

    tags = storage.seen_tags() or ()
    return [partial(keep, digest) for digest in digests if kept_tag(digest) not in tags]


def _check_all(storage: Storage, index: KitIndex, found: Collection[str]) -> None:
    missing = [entry for entry in index.entries if entry.digest not in found]
    if missing:
        named = storage.place[0].startswith("registry:") or storage.name.startswith("oci:")
        raise NotFoundError(
            f"{storage.name}@{index.digest} names kits that are not in {storage.name if named else 'the local store'}: "
            + "; ".join(entry.describe() for entry in missing),
            hint="push or pull those kits first, or take them out with `kitops index remove`",
        )


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


def _held(target: Storage, kits: Sequence[Manifest], control: Control) -> set[str]:
    """The digests of the kits that the target has, as far as that is worth a request.

    Where the target's tags are known they say which kits were handed out there. What has no such tag may be there all
    the same, but then mounting its blobs tells as much as asking for it.
    """

    def holds(kit: Manifest, control: Control) -> bool:
        control.check()
        return target.holds(kit)

    tags = target.seen_tags()
    if tags is not None:
        return {kit.digest for kit in kits if kept_tag(kit.digest) in tags}
    there = run_all([partial(holds, kit) for kit in kits], control)
    return {kit.digest for kit, held in zip(kits, there, strict=True) if held}


def _put_kit(
    target: Storage, kit: Manifest, attached: Sequence[Sequence[Manifest]], held: bool, control: Control
) -> None:
    """Put what is attached to a kit, then the kit: who sees it sees that too."""
    put_attached(target, attached, (), control)
    if not held:
        target.put_manifest(kit)
    elif kept_tag(kit.digest) not in (target.seen_tags() or ()):
        target.keep(kit)
