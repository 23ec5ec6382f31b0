"""What a promotion does alike with a kit and with an index of kits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from kitops_core.errors import InvalidInputError
from kitops_core.events import Control
from kitops_core.kits.copy_graph import Attached, PutReferrers, copy_manifest
from kitops_core.kits.copy_index import check_kits, copy_index, index_record, keeping_kits
from kitops_core.kits.stored_kit import StoredKit, read_kit
from kitops_core.oci.kit_index import KitIndex
from kitops_core.oci.manifest import Manifest
from kitops_core.oci.own_tags import kept_tag
from kitops_core.parallel import run_all
from kitops_core.promotion.version_tags import version_tags
from kitops_core.record import ModelKitRecord
from kitops_core.reference import Reference
from kitops_core.storage import Storage

if TYPE_CHECKING:
    from kitops_core.promotion.gates.candidate import Candidate


def record_of(candidate: Candidate, target: Reference, previous: str) -> ModelKitRecord:
    """The record of what is promoted, under the channel's name."""
    if isinstance(candidate.manifest, KitIndex):
        return index_record(candidate.manifest, target, previous=previous)
    return candidate.kit.record(target, previous_digest=previous)


def check_whole(candidate: Candidate, target: Storage) -> None:
    """See that all kits of an index are there; those that are to be copied are read for that.

    Raises:
        NotFoundError: One is not there.
    """
    if not isinstance(candidate.manifest, KitIndex):
        return
    if candidate.storage.place == target.place and not candidate.has_read_kits:
        check_kits(candidate.storage, candidate.manifest, candidate.control)
    else:
        _ = candidate.kits


def kits_ahead(candidate: Candidate, target: Storage, current: str) -> list[Callable[[Control], None]]:
    """A task that reads the kits of an index that are to be copied, where the channel has it not as it is, if any."""
    wanted = candidate.storage.place != target.place and current != candidate.digest
    return [lambda _: check_whole(candidate, target)] if wanted else []


def copy_whole(
    candidate: Candidate,
    target: Storage,
    control: Control,
    known: Attached | None,
    attach: Callable[[], Sequence[Manifest]],
    put: PutReferrers,
    *,
    held: bool | None = None,
) -> None:
    """Copy a kit, or an index with its kits, without a tag, and all that is attached to it.

    Args:
        candidate: What is copied.
        target: Where to.
        control: Progress and cancelling.
        known: What is attached to it, where somebody has looked already.
        attach: Gives more that is to be attached.
        put: Puts that, where nothing else is attached.
        held: Whether the target has it, where somebody has looked already; of an index it is not asked.
    """
    manifest, source = candidate.manifest, candidate.storage
    if isinstance(manifest, KitIndex):
        of_all = candidate.of_kits if known is None else {**candidate.of_kits, manifest.digest: known}
        kits = candidate.kits
        copy_index(
            source, target, manifest, (), control, referrers=True, known=of_all, kits=kits, attach=attach, put=put
        )
    else:
        copy_manifest(
            source, target, manifest, (), control, referrers=True, held=held, known=known, attach=attach, put=put
        )


def keep_whole(
    candidate: Candidate, storage: Storage, control: Control, attach: Callable[[], Sequence[Manifest]]
) -> None:
    """Give a kit, or an index and its kits, tags of our own where they are, while ``attach`` writes blobs."""
    manifest = candidate.manifest

    def attach_more(linked: Control) -> None:
        attach()

    def keep(linked: Control) -> None:
        if kept_tag(manifest.digest) not in (storage.seen_tags() or ()):
            storage.keep(manifest)

    kits = keeping_kits(storage, manifest.digests) if isinstance(manifest, KitIndex) else []
    run_all([attach_more, keep, *kits], control, at_once=len(kits) < 2)


def kits_of(candidate: Candidate) -> list[StoredKit]:
    """A kit, as the gates have read it; of an index all its kits.

    Raises:
        KitOpsError: One cannot be read.
    """
    if isinstance(candidate.manifest, KitIndex):
        return read_all(candidate.storage, candidate.kits, candidate.control)
    return [candidate.kit]


def read_all(storage: Storage, kits: Sequence[Manifest], control: Control) -> list[StoredKit]:
    """Kits by their manifests, read side by side."""
    return run_all([partial(read_kit, storage, kit) for kit in kits], control)


def tags_of(templates: Sequence[str], kits: Sequence[StoredKit], channel: str, digest: str) -> tuple[str, ...]:
    """The version tags that templates give a kit, or the index of this digest by what all its kits say alike.

    Raises:
        InvalidInputError: The Kitfile does not say what a template needs, or the kits of an index do not agree.
    """
    given = [version_tags(templates, kit.kitfile, channel, digest) for kit in kits]
    if len({*given}) > 1:
        raise InvalidInputError(
            "the kits of the index do not give one version tag: "
            + ", ".join(sorted({tag for tags in given for tag in tags})),
            hint="give all of them the same package.name and package.version, or use {digest} and {channel} only",
        )
    return given[0] if given else ()
