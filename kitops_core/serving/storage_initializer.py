"""What an init container does: put a kit's files into a directory that is mounted, and say when they are all there."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kitops_core.events import Cancel, Control, Event
from kitops_core.reference import parse_reference
from kitops_core.serving.lease import STALE_SECONDS, Lease, take_turn
from kitops_core.serving.materialize import is_pinned_to
from kitops_core.serving.mount import Mount, clear
from kitops_core.serving.releases import Release
from kitops_core.serving.resolved import ResolvedKit, Selection

if TYPE_CHECKING:
    from kitops_core.evidence.verification import VerificationPolicy
    from kitops_core.storage.registry import RegistryOptions


@dataclass(frozen=True)
class Initialized:
    """A directory with a kit's files.

    Attributes:
        reference: The kit, pinned to its digest.
        digest: Its digest.
        directory: The directory.
        fetched: Whether this call fetched it; it was there already otherwise.
        files: How many files it has there.
        size: Their bytes.
    """

    reference: str
    digest: str
    directory: str
    fetched: bool
    files: int
    size: int


def initialize_storage(
    reference: str,
    directory: str | os.PathLike[str],
    *,
    selection: Selection | None = None,
    overwrite: bool = False,
    ignore_existing: bool = False,
    max_ratio: int | None = None,
    verify: VerificationPolicy | None = None,
    stale_after: float = STALE_SECONDS,
    registry: RegistryOptions | None = None,
    on_event: Callable[[Event], None] | None = None,
    cancel: Cancel | None = None,
) -> Initialized:
    """Put a kit from a registry into a directory that cannot be replaced: all of its files, or none.

    A kit that an earlier call put there is replaced; that very kit is left as it is. Nothing is written but the
    directory.

    Args:
        reference: The kit; a tag is resolved once.
        directory: The directory; made if it does not exist.
        selection: What of the kit, and how it is laid out; the model and its parts, flat, where it is not given.
        overwrite: Replace files that are in the way.
        ignore_existing: Keep files that are in the way.
        max_ratio: How many times its stored size a compressed layer may unpack to, as for ``unpack``.
        verify: Take only what this policy verifies, as for ``unpack``.
        stale_after: Seconds after which a process that is at work there and shows no sign of life is replaced.
        registry: How to talk to registries.
        on_event: Called with progress.
        cancel: A switch that stops between buffers.

    Raises:
        ConflictError: Files are in the way, or the directory is a file; nothing was touched.
        InvalidInputError, NotFoundError, VerificationError, IntegrityError, DeniedError, RegistryError, StoreError,
        CancelledError: As ``unpack``.
    """
    wanted = selection or Selection()
    mount = Mount(directory)
    control = Control(on_event, cancel)
    with ExitStack() as stack:

        def resolve() -> ResolvedKit:
            return stack.enter_context(
                ResolvedKit(
                    reference, wanted, verify=verify, remote=True, store=None, registry=registry, control=control
                )
            )

        pinned = parse_reference(reference).digest if verify is None else ""
        held = mount.held()
        known = held if pinned and held is not None and is_pinned_to(held, pinned, wanted) else None
        kit = None if known else resolve()
        identity = known.identity if known else kit.identity if kit else None

        def ready() -> Initialized | None:
            held = mount.held()
            if held is None or held.identity != identity:
                return None
            return _result(held, mount, fetched=False)

        def work(lease: Lease, control: Control) -> Initialized:
            mount.recover(lease)
            held = mount.marked()
            if held is not None and held.identity == identity:
                return _result(held, mount, fetched=False)
            source = kit or resolve()
            scratch = mount.scratch(lease.token)
            try:
                fetched, _ = source.fetch(scratch, max_ratio=max_ratio, control=control)
                control.check()
                described = Release(
                    fetched, source.reference, source.storage, source.identity, source.is_pinned, source.parameters, {}
                )
                release = mount.put(
                    scratch, fetched, described, lease, overwrite=overwrite, ignore_existing=ignore_existing
                )
                return _result(release, mount, fetched=True)
            finally:
                clear(scratch)

        return take_turn(mount.place, ready, work, control=control, stale_after=stale_after)


def _result(release: Release, mount: Mount, *, fetched: bool) -> Initialized:
    return Initialized(
        reference=release.reference,
        digest=release.identity.digest,
        directory=str(mount.directory),
        fetched=fetched,
        files=len(release.files),
        size=sum(release.files.values()),
    )
