"""What a promotion does alike with a kit and with an index of kits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from kitops_core.errors import InvalidInputError
from kitops_core.events import Control
from kitops_core.kits.copy_graph import Attached, copy_manifest
from kitops_core.kits.copy_index import copy_index, index_record, read_kits
from kitops_core.kits.stored_kit import read_kit
from kitops_core.oci.kit_index import KitIndex
from kitops_core.oci.manifest import Manifest
from kitops_core.parallel import run_all
from kitops_core.promotion.version_tags import version_tags
from kitops_core.record import ModelKitRecord
from kitops_core.reference import Reference
from kitops_core.session import FoundAny
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
) -> None:
    """Copy a kit, or an index with its kits, without a tag, and all that is attached to it."""
    manifest, source = candidate.manifest, candidate.storage
    if isinstance(manifest, KitIndex):
        kits = candidate.kits
        copy_index(source, target, manifest, (), control, referrers=True, known=known, kits=kits, attach=attach)
    else:
        copy_manifest(source, target, manifest, (), control, referrers=True, known=known, attach=attach)


def tags_of(templates: Sequence[str], found: FoundAny, channel: str, control: Control) -> tuple[str, ...]:
    """The version tags that templates give a kit, or an index by what all its kits say alike.

    Raises:
        InvalidInputError: The Kitfile does not say what a template needs, or the kits of an index do not agree.
    """
    manifest = found.manifest
    kits = read_kits(found.storage, manifest, control) if isinstance(manifest, KitIndex) else [manifest]
    read = run_all([partial(read_kit, found.storage, kit) for kit in kits], control)
    given = [version_tags(templates, kit.kitfile, channel, manifest.digest) for kit in read]
    if len({*given}) > 1:
        raise InvalidInputError(
            "the kits of the index do not give one version tag: "
            + ", ".join(sorted({tag for tags in given for tag in tags})),
            hint="give all of them the same package.name and package.version, or use {digest} and {channel} only",
        )
    return given[0] if given else ()
