"""Copy: storage to storage, bytes and digest unchanged. Push, pull and promote are all this."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from kitops_core.errors import InvalidReferenceError
from kitops_core.events import Cancel, Control, Event
from kitops_core.kits.copy_graph import copy_manifest
from kitops_core.kits.find import digest_of, find_kit, open_storage
from kitops_core.kits.stored_kit import read_kit
from kitops_core.record import ModelKitRecord
from kitops_core.reference import DEFAULT_TAG, parse_reference

if TYPE_CHECKING:
    from kitops_core.storage.registry import RegistryOptions


def push(
    reference: str,
    to: str = "",
    *,
    referrers: bool = True,
    store: Path | None = None,
    registry: RegistryOptions | None = None,
    on_event: Callable[[Event], None] | None = None,
    cancel: Cancel | None = None,
) -> ModelKitRecord:
    """Send a kit from the local store to its registry, or to ``to``, with all that is attached to it.

    Args:
        reference: The kit.
        to: Where to, if not to the registry its name has; without a tag it takes the kit's.
        referrers: Also send signatures, attestations and other referrers, recursively.
        store: The local store's directory, where it is not the default.
        registry: How to talk to registries.
        on_event: Called with progress.
        cancel: A switch that stops between buffers.

    Raises:
        NotFoundError: The kit is not in the local store.
        DeniedError, RegistryError: The registry refused or failed.
        CancelledError: The switch was flipped.
    """
    return copy(
        reference,
        to or reference,
        from_remote=False,
        to_remote=True,
        referrers=referrers,
        store=store,
        registry=registry,
        on_event=on_event,
        cancel=cancel,
    )


def pull(
    reference: str,
    *,
    referrers: bool = False,
    store: Path | None = None,
    registry: RegistryOptions | None = None,
    on_event: Callable[[Event], None] | None = None,
    cancel: Cancel | None = None,
) -> ModelKitRecord:
    """Fetch a kit from its registry into the local store, every blob checked.

    Args:
        reference: The kit.
        referrers: Also fetch signatures, attestations and other referrers, recursively.
        store: The local store's directory, where it is not the default.
        registry: How to talk to registries.
        on_event: Called with progress.
        cancel: A switch that stops between buffers.

    Raises:
        NotFoundError: The registry does not have it.
        IntegrityError: A blob is not what its digest says; it does not enter the store.
        DeniedError, RegistryError, StoreError: The registry or the store refused or failed.
        CancelledError: The switch was flipped.
    """
    return copy(
        reference,
        reference,
        from_remote=True,
        to_remote=False,
        referrers=referrers,
        store=store,
        registry=registry,
        on_event=on_event,
        cancel=cancel,
    )


def copy(
    source: str,
    target: str,
    *,
    from_remote: bool | None = None,
    to_remote: bool = True,
    referrers: bool = False,
    store: Path | None = None,
    registry: RegistryOptions | None = None,
    on_event: Callable[[Event], None] | None = None,
    cancel: Cancel | None = None,
) -> ModelKitRecord:
    """Copy a kit, and with ``referrers`` all that is attached to it, under the tag ``target`` names.

    A source named by tag is resolved once; from then on only its digest is used.

    Args:
        source: The kit to copy.
        target: Where to; without a tag it takes the source's. A digest alone copies without a tag.
        from_remote: ``True`` reads from the registry, ``False`` from the local store, ``None`` from the
            first that has it.
        to_remote: Whether ``target`` means its registry rather than the local store.
        referrers: Also copy signatures, attestations and other referrers, recursively.
        store: The local store's directory, where it is not the default.
        registry: How to talk to registries.
        on_event: Called with progress.
        cancel: A switch that stops between buffers.

    Raises:
        InvalidReferenceError: A reference cannot serve here.
        NotFoundError: The source is not there.
        IntegrityError: A blob is not what its digest says.
        DeniedError, RegistryError, StoreError: A storage refused or failed.
        CancelledError: The switch was flipped.
    """
    control = Control(on_event, cancel)
    destination = parse_reference(target)
    found = find_kit(source, remote=from_remote, store=store, registry=registry)
    with closing(found.storage):
        kit = read_kit(found.storage, found.manifest)  # before a tag points at something that is no kit
        if destination.digest and destination.digest != found.manifest.digest:
            raise InvalidReferenceError(
                f"'{target}' names another digest than '{source}', which is {found.manifest.digest}",
                hint="name a tag, or leave the digest out",
            )
        tag = destination.tag or ("" if destination.digest else found.reference.tag or DEFAULT_TAG)
        with closing(open_storage(destination, remote=to_remote, store=store, registry=registry)) as storage:
            previous = digest_of(storage, tag or found.manifest.digest)
            tags = [tag] if tag and previous != found.manifest.digest else []
            to_registry = to_remote and not destination.layout  # other storages are asked for each blob, for nothing
            held = to_registry and previous == found.manifest.digest
            if tags and previous:
                storage.keep_present(previous)
            written = copy_manifest(
                found.storage, storage, found.manifest, tags, control, referrers=referrers, held=held
            )
        where = destination.with_tag(tag) if tag else destination
        return kit.record(where, previous_digest=previous, written=written)
