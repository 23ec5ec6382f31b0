"""One manifest, all it names and all that is attached to it, from storage to storage with few requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from kitops_core.errors import IntegrityError, NotFoundError
from kitops_core.events import Control, Event
from kitops_core.evidence.predicate_types import annotated_type, predicate_name
from kitops_core.oci.kit_index import AnyManifest
from kitops_core.oci.manifest import Descriptor, Manifest
from kitops_core.oci.media_types import ANNOTATION_FILEPATH, ANNOTATION_TITLE, MODELKIT_CONFIG
from kitops_core.parallel import run_all
from kitops_core.storage import Storage, Written
from kitops_core.storage.limits import check_referrers

PutReferrers = Callable[[Sequence[Manifest]], None]
"""Puts manifests that have a subject."""


def copy_manifest(
    source: Storage,
    target: Storage,
    manifest: Manifest,
    tags: Sequence[str],
    control: Control,
    *,
    referrers: bool = False,
    held: bool | None = None,
    keep: bool = True,
    known: Attached | None = None,
    attach: Callable[[], Sequence[Manifest]] = tuple,
    put: PutReferrers | None = None,
) -> list[Written]:
    """Copy one manifest's blobs, then its referrers, then the manifest, and point the tags at it.

    Who sees the manifest in the target, or the tag, sees what is attached to it as well. Within one repository there
    is nothing to copy, and where the target has the manifest its blobs are not asked for.

    Args:
        source: Where the manifest is.
        target: Where it shall be.
        manifest: The manifest.
        tags: Tags to point at it; without any, it is stored under its digest only.
        control: Progress and cancelling.
        referrers: Also copy all that is attached to it, recursively.
        held: Whether the target has the manifest, where somebody has looked already.
        keep: Whether one that is there without a tag gets a name that stays.
        known: What is attached to it in the source, where somebody has looked already.
        attach: Gives more referrers of it, which are put along with those copied; called while blobs are copied, so it
            may write blobs but no manifest.
        put: Puts them, where nothing else is attached to it that has to be listed with them.

    Returns:
        What became of each blob, in the manifest's order.

    Raises:
        IntegrityError: A blob or referrer is not what it should be, or there are too many; the message names it.
    """
    same = source.place == target.place
    held = same or (target.holds(manifest) if held is None else held)
    config = manifest.config.digest  # it names the layers, so that it is new where the manifest is
    blobs = [] if held else _named(manifest)
    copies = [partial(_copy_blob, source, target, blob, name, fresh=blob.digest == config) for blob, name in blobs]
    rounds: list[list[Manifest]] = []
    more: list[Manifest] = []

    def find_attached(linked: Control) -> Written | None:
        if referrers and not same:
            rounds.extend(copy_attached(source, target, manifest, linked, not held, known))
        return None

    def attach_more(linked: Control) -> Written | None:
        more.extend(attach())
        return None

    # No blob waits for another: only manifests need what they name to be there, and their subjects.
    tasks: list[Callable[[Control], Written | None]] = [find_attached, attach_more, *copies]
    written = [outcome for outcome in run_all(tasks, control) if outcome is not None]
    if held:
        written = [_present(blob, name, control) for blob, name in _named(manifest)]
    put_attached(target, rounds, more, control, put=put)
    control.check()
    if tags or not held:
        target.put_manifest(manifest, tags)
    elif keep and not same:
        target.keep(manifest)
    return written


@dataclass(frozen=True)
class Attached:
    """What is attached to a manifest.

    Attributes:
        referrers: The list of it.
        manifests: Manifests of the list that were read, by digest.
    """

    referrers: Sequence[Descriptor]
    manifests: Mapping[str, Manifest]


def blob_copies(
    source: Storage, target: Storage, manifests: Sequence[Manifest]
) -> list[Callable[[Control], Written | None]]:
    """Tasks that copy the blobs of manifests, each once though several name it; the manifests are still to be put."""
    blobs = {blob.digest: (blob, name) for manifest in manifests for blob, name in _named(manifest)}
    configs = {manifest.config.digest for manifest in manifests}
    return [partial(_copy_blob, source, target, *blob, fresh=digest in configs) for digest, blob in blobs.items()]


def copy_attached(
    source: Storage, target: Storage, manifest: AnyManifest, control: Control, fresh: bool, known: Attached | None
) -> list[list[Manifest]]:
    """Find what is attached to a kit or index and to that in turn, and copy the blobs that the target lacks.

    Args:
        source: Where they are.
        target: Where they shall be.
        manifest: The manifest, whose blobs the target has or is being given: an image over a kit's layers has the same.
        control: Progress and cancelling.
        fresh: Whether the target cannot have any.
        known: What is known to be attached to the manifest.

    Returns:
        The manifests that are still to be put, the outermost first, so that each round is put before its subjects. The
        last are those attached to the manifest itself.
    """
    listed = {manifest.digest: known.referrers} if known else {}
    seen, rounds = {manifest.digest}, []
    subjects = [(manifest.digest, fresh)]
    while subjects:
        control.check()
        tasks = [partial(_missing, source, target, subject, new, listed.get(subject)) for subject, new in subjects]
        found = run_all(tasks, control)
        attached = [one for some in found for one in some if one.descriptor.digest not in seen]
        seen |= {one.descriptor.digest for one in attached}
        rounds.append([one for one in attached if not one.there])
        check_referrers(f"{source.name}@{manifest.digest}", len(seen) - 1, len(rounds) if attached else 0)
        subjects = [(one.descriptor.digest, not one.there) for one in attached]
    missing = [one for some in reversed(rounds) for one in some]
    read = run_all([partial(_read_referrer, source, one, known.manifests if known else {}) for one in missing], control)
    there = {blob.digest for blob in manifest.blobs}
    blobs = {blob.digest: (blob, name) for one in read for blob, name in _named(one) if blob.digest not in there}
    run_all([partial(_copy_blob, source, target, *blob, fresh=True) for blob in blobs.values()], control)
    manifests = iter(read)
    return [[next(manifests) for _ in some] for some in reversed(rounds)]


def put_attached(
    target: Storage,
    rounds: Sequence[Sequence[Manifest]],
    more: Sequence[Manifest],
    control: Control,
    *,
    put: PutReferrers | None = None,
) -> None:
    """Put what :func:`copy_attached` found, each before its subject, and ``more`` with what is attached directly.

    Where nothing is, ``put`` puts ``more``, which then need not be listed together with anything.
    """
    for attached in rounds[:-1]:
        if attached:
            control.check()
            target.put_referrers(attached)
    control.check()
    if rounds and rounds[-1]:
        target.put_referrers([*rounds[-1], *more])
    elif more:
        (put or target.put_referrers)(more)


@dataclass(frozen=True)
class _Referrer:
    """A referrer the source lists for ``subject``, and whether it is ``there`` in the target."""

    descriptor: Descriptor
    subject: str
    there: bool


def _missing(
    source: Storage, target: Storage, subject: str, fresh: bool, listed: Sequence[Descriptor] | None, control: Control
) -> list[_Referrer]:
    control.check()
    found = source.referrers(subject) if listed is None else listed
    there = {descriptor.digest for descriptor in target.referrers(subject)} if found and not fresh else set()
    return [_Referrer(descriptor, subject, descriptor.digest in there) for descriptor in found]


def _read_referrer(source: Storage, attached: _Referrer, read: Mapping[str, Manifest], control: Control) -> Manifest:
    control.check()
    where = f"cannot copy what is attached to {source.name}@{attached.subject}"
    hint = "remove it there, or copy the kit without what is attached"
    try:
        manifest = read.get(attached.descriptor.digest) or source.manifest(attached.descriptor.digest)
    except (IntegrityError, NotFoundError) as error:
        raise IntegrityError(f"{where}: {error.message}", hint=hint) from error
    if manifest.subject is None or manifest.subject.digest != attached.subject:
        raise IntegrityError(f"{where}: {manifest.digest} is listed there and refers to something else", hint=hint)
    return manifest


def _copy_blob(
    source: Storage, target: Storage, blob: Descriptor, name: str, control: Control, *, fresh: bool
) -> Written:
    return target.write_blob(_StoredBlob(source, blob, name, control), control, mount_from=[source.name], fresh=fresh)


def _present(blob: Descriptor, name: str, control: Control) -> Written:
    control.emit(Event("finish", name, blob.size, blob.size, "present"))
    return Written(blob, "present")


def _named(manifest: Manifest) -> list[tuple[Descriptor, str]]:
    """The blobs of a manifest, each with a name for people: its file's, else that of what the manifest is."""
    what = predicate_name(annotated_type(manifest.annotations)) or manifest.artifact_type
    kit = manifest.config.media_type == MODELKIT_CONFIG
    names = {blob.digest: what or blob.digest[:19] for blob in manifest.layers}
    names[manifest.config.digest] = "Kitfile" if kit else "config"
    for blob in manifest.layers:
        if title := blob.annotations.get(ANNOTATION_FILEPATH) or blob.annotations.get(ANNOTATION_TITLE):
            names[blob.digest] = title
    return [(blob, names[blob.digest]) for blob in manifest.blobs]


@dataclass(frozen=True)
class _StoredBlob:
    """A blob of one storage as the source for another; reading checks its digest."""

    storage: Storage
    known: Descriptor
    name: str
    control: Control
    verified = True

    @property
    def media_type(self) -> str:
        return self.known.media_type

    @property
    def size(self) -> int:
        return self.known.size

    def stream(self) -> Iterator[memoryview]:
        with self.storage.open_blob(self.known, self.control) as reader:
            yield from reader.chunks()
