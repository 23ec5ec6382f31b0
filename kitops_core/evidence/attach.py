"""Attach: files, statements and signatures beside a kit, which itself does not change."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kitops_core.errors import InvalidInputError, SourceChangedError, SourceError
from kitops_core.events import Cancel, Control, Event
from kitops_core.evidence.statements import attach_blob
from kitops_core.kits.find import find_kit
from kitops_core.oci.blob import BUFFER_BYTES
from kitops_core.oci.manifest import Descriptor
from kitops_core.oci.media_types import is_media_type

if TYPE_CHECKING:
    from kitops_core.storage.registry import RegistryOptions


@dataclass(frozen=True)
class Attached:
    """What was attached, and to which kit.

    Attributes:
        reference: The kit, pinned to its digest.
        digest: Digest of the referrer's manifest.
        artifact_type: The referrer's artifact type.
        predicate_type: The statement's predicate type; an empty string where no statement was attached.
        storage: Which storage the kit is in: ``registry``, ``local store`` or ``layout``.
    """

    reference: str
    digest: str
    artifact_type: str
    predicate_type: str
    storage: str

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON."""
        return dict(vars(self))


def attach(
    reference: str,
    file: str | os.PathLike[str],
    *,
    artifact_type: str,
    media_type: str = "",
    annotations: Mapping[str, str] | None = None,
    remote: bool | None = None,
    store: Path | None = None,
    registry: RegistryOptions | None = None,
    on_event: Callable[[Event], None] | None = None,
    cancel: Cancel | None = None,
) -> Attached:
    """Attach a file to a kit. The same file attached twice is one referrer.

    Args:
        reference: The kit. A tag is resolved once.
        file: The file.
        artifact_type: What it is, as a media type: ``application/vnd.cyclonedx+json``.
        media_type: The file's own media type, where it is another.
        annotations: Annotations of the referrer.
        remote: ``True`` looks in the registry, ``False`` in the local store, ``None`` in the first that has the kit.
        store: The local store's directory, where it is not the default.
        registry: How to talk to registries.
        on_event: Called with progress.
        cancel: A switch that stops between buffers.

    Raises:
        NotFoundError: There is no such kit.
        InvalidInputError: ``artifact_type`` or ``media_type`` is no media type.
        SourceError: The file cannot be read, or changes meanwhile.
        DeniedError, RegistryError, StoreError: A storage refused or failed.
    """
    for kind in (artifact_type, media_type or artifact_type):
        if not is_media_type(kind):
            raise InvalidInputError(f"'{kind}' is not a media type", hint="write application/vnd.cyclonedx+json")
    source = _FileSource(Path(file), media_type or artifact_type)
    found = find_kit(reference, remote=remote, store=store, registry=registry)
    with closing(found.storage):
        descriptor = attach_blob(
            found.storage,
            found.manifest.descriptor,
            source,
            artifact_type=artifact_type,
            media_type=media_type,
            title=source.name,
            annotations=annotations,
            control=Control(on_event, cancel),
        )
    return Attached(str(found.reference), descriptor.digest, artifact_type, "", found.where)


class _FileSource:
    """A file as a blob."""

    verified = False
    known: Descriptor | None = None

    def __init__(self, path: Path, media_type: str) -> None:
        self._path = path
        self.name = path.name
        self.media_type = media_type
        try:
            with path.open("rb") as file:
                self.size: int | None = os.fstat(file.fileno()).st_size
        except OSError as error:
            raise SourceError(f"'{path}' cannot be read: {error.strerror}", hint="name a file to attach") from None

    def stream(self) -> Iterator[memoryview]:
        view = memoryview(bytearray(BUFFER_BYTES))
        left = self.size or 0
        with self._path.open("rb", buffering=0) as file:
            while count := file.readinto(view):
                left -= count
                if left < 0:
                    break
                yield view[:count]
        if left:
            raise SourceChangedError(f"'{self._path}' changed while it was attached", hint="attach it again")
