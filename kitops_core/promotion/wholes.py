"""What a promotion does alike with a kit and with an index of kits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from kitops_core.errors import InvalidInputError
from kitops_core.events import Control
from kitops_core.kits.copy_graph import Attached, copy_manifest
from kitops_core.kits.copy_index import copy_index, index_record
from kitops_core.kits.stored_kit import StoredKit, read_kit
from kitops_core.oci.kit_index import KitIndex
from kitops_core.oci.manifest import Manifest
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


def copy_whole(
    candidate: Candidate,
    target: Storage,
    control: Control,
    known: Attached | None,
    attach: Callable[[], Sequence[Manifest]],
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
        held: Whether the target has it, where somebody has looked already; of an index it is not asked.
    """
    manifest, source = candidate.manifest, candidate.storage
    if isinstance(manifest, KitIndex):
        kits = candidate.kits
        copy_index(source, target, manifest, (), control, referrers=True, known=known, kits=kits, attach=attach)
    else:
        copy_manifest(source, target, manifest, (), control, referrers=True, held=held, known=known, attach=attach)


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
