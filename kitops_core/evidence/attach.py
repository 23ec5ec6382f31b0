"""Attach: files, statements and signatures beside a kit, which itself does not change."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kitops_core.errors import InvalidInputError, SourceChangedError, SourceError
from kitops_core.evidence.statements import attach_blob
from kitops_core.oci.blob import BUFFER_BYTES
from kitops_core.oci.manifest import Descriptor
from kitops_core.oci.media_types import is_media_type
from kitops_core.reference import Where
from kitops_core.session import Session


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
    session: Session,
    reference: str,
    file: str | os.PathLike[str],
    *,
    artifact_type: str,
    media_type: str = "",
    annotations: Mapping[str, str] | None = None,
    where: Where = "any",
) -> Attached:
    """See :meth:`kitops_core.Client.attach`."""
    for kind in (artifact_type, media_type or artifact_type):
        if not is_media_type(kind):
            raise InvalidInputError(f"'{kind}' is not a media type", hint="write application/vnd.cyclonedx+json")
    source = _FileSource(Path(file), media_type or artifact_type)
    found = session.find_subject(reference, where)
    with closing(found.storage):
        descriptor = attach_blob(
            found.storage,
            found.manifest.descriptor,
            source,
            artifact_type=artifact_type,
            media_type=media_type,
            title=source.name,
            annotations=annotations,
            control=session.control,
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
