"""Manifests as raw bytes: fetched and checked, stored, deleted. They are never parsed and written again."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from kitops_core.errors import ConflictError, IntegrityError, InvalidInputError, NotFoundError
from kitops_core.events import Control
from kitops_core.oci import media_types
from kitops_core.oci.media_types import MAX_MANIFEST_BYTES
from kitops_core.reference import is_digest
from kitops_core.storage.registry.endpoint import DELETE, PULL, PUSH, Endpoint
from kitops_core.storage.registry.failures import read_problem
from kitops_core.storage.registry.transport import Answer

if TYPE_CHECKING:
    from kitops_core.oci.kit_index import AnyManifest
    from kitops_core.oci.manifest import Descriptor

_ACCEPT = {
    "Accept": ", ".join(
        (
            media_types.IMAGE_MANIFEST,
            media_types.IMAGE_INDEX,
            "application/vnd.docker.distribution.manifest.v2+json",
            "application/vnd.docker.distribution.manifest.list.v2+json",
        )
    )
}

_MOST_HEADS = 1000
"""Of how many tags of a repository the entity tag is remembered."""

_HOLDING = "(?i)referenc|immutab"
_HELD = "an index refers to it, or a tag of it is immutable there: remove the index or the rule first"


class RawManifest(NamedTuple):
    """A manifest or index as it was stored.

    Attributes:
        raw: The bytes.
        digest: Their digest, checked.
        media_type: The media type it is served with.
    """

    raw: bytes
    digest: str
    media_type: str

    @staticmethod
    def of(manifest: AnyManifest, where: str) -> RawManifest:
        """One that is to be stored.

        Raises:
            InvalidInputError: It is larger than registries take.
        """
        if len(manifest.raw) > MAX_MANIFEST_BYTES:
            raise InvalidInputError(
                f"{where}: the manifest has {len(manifest.raw)} bytes, registries take {MAX_MANIFEST_BYTES}",
                hint="put files that belong together into one directory of the Kitfile, so that they share a layer",
            )
        return RawManifest(manifest.raw, manifest.digest, manifest.media_type)


class ManifestApi:
    """The manifests of one repository."""

    def __init__(self, endpoint: Endpoint, control: Control) -> None:
        self._endpoint = endpoint
        self._control = control
        self._heads: dict[str, tuple[str, Descriptor]] = {}  # of tags: the entity tag, and what had it

    def where(self, target: str) -> str:
        """The full reference of a tag or digest, for messages."""
        return f"{self._endpoint.name}{'@' if is_digest(target) else ':'}{target}"

    def head(self, target: str) -> Descriptor:
        """The descriptor behind a tag or digest, without the bytes where the registry tells all of it.

        Who asks again, as who watches a tag does, asks only whether it was changed where the registry has entity tags.

        Raises:
            NotFoundError: There is none.
        """
        entity, known = self._heads.get(target, ("", None))
        answer = self._head(target, PULL, self._control, {"If-None-Match": entity} if entity else {})
        from kitops_core.oci.manifest import Descriptor

        if answer.status == 304 and known is not None:
            return known
        self._heads.pop(target, None)
        size, media_type = answer.headers.get("content-length", ""), _media_type(answer.headers.get("content-type", ""))
        digest = target if is_digest(target) else answer.headers.get("docker-content-digest", "")
        if answer.status == 200 and size.isdecimal() and int(size) and media_type and is_digest(digest):
            found = Descriptor(media_type, digest, int(size))
            if (entity := answer.headers.get("etag", "")) and not is_digest(target) and len(self._heads) < _MOST_HEADS:
                self._heads[target] = entity, found
            return found
        if answer.status == 404:
            raise NotFoundError(f"{self.where(target)} does not exist")
        read = self.fetch(target)
        return Descriptor(read.media_type, read.digest, len(read.raw))

    def look(self, target: str, control: Control) -> tuple[str, str]:
        """The digest behind a tag or digest and its entity tag, for a writer; both empty where there is none."""
        answer = self._head(target, PUSH, control)
        if answer.status == 404:
            return "", ""
        digest = target if is_digest(target) else answer.headers.get("docker-content-digest", "")
        if answer.status == 200 and is_digest(digest):
            return digest, answer.headers.get("etag", "")
        try:
            return self.fetch(target).digest, ""
        except NotFoundError:
            return "", ""

    def fetch(self, target: str) -> RawManifest:
        """The bytes behind a tag or digest.

        Raises:
            NotFoundError: There are none.
            IntegrityError: They have another digest than the one asked for or announced.
        """
        where = self.where(target)
        try:
            answer = self._endpoint.call(
                PULL,
                "GET",
                self._url(target),
                f"read {where}",
                self._control,
                headers=_ACCEPT,
                limit=MAX_MANIFEST_BYTES,
            )
        except NotFoundError as error:
            raise NotFoundError(f"{where} does not exist") from error
        announced = target if is_digest(target) else answer.headers.get("docker-content-digest", "")
        import hashlib  # its library takes a while to load, and there was an answer to wait for

        algorithm = announced.partition(":")[0] if is_digest(announced) else "sha256"
        digest = f"{algorithm}:{hashlib.new(algorithm, answer.body).hexdigest()}"
        if is_digest(announced) and digest != announced:
            raise IntegrityError(
                f"{where}: the registry sent {len(answer.body)} bytes with digest {digest} for {announced}",
                hint="the registry, or a proxy before it, altered the manifest",
            )
        media_type = _media_type(answer.headers.get("content-type", "")) or media_types.IMAGE_MANIFEST
        return RawManifest(answer.body, digest, media_type)

    def put(
        self,
        manifest: RawManifest,
        target: str,
        *,
        control: Control | None = None,
        headers: Mapping[str, str] | None = None,
        before_repeat: Callable[[], None] = lambda: None,
    ) -> bool:
        """Store a manifest under a tag or its digest.

        Args:
            manifest: The manifest.
            target: The tag, or its digest.
            control: What stops it and hears of retries, where it is not the repository's own.
            headers: More headers, such as conditions.
            before_repeat: See :class:`~.transport.Request`.

        Returns:
            Whether the registry says that it listed a manifest with a subject as a referrer.

        Raises:
            IntegrityError: The registry has it under another digest.
        """
        answer = self._endpoint.call(
            PUSH,
            "PUT",
            self._url(target),
            f"store {self.where(target)}",
            control or self._control,
            expect=(200, 201, 202, 204),
            headers={"Content-Type": manifest.media_type, **(headers or {})},
            body=manifest.raw,
            before_repeat=before_repeat,
        )
        stored = answer.headers.get("docker-content-digest", manifest.digest)
        if is_digest(stored) and stored != manifest.digest and stored.startswith("sha256:"):
            raise IntegrityError(
                f"{self.where(target)}: the registry stored the manifest {manifest.digest} as {stored}",
                hint="the registry, or a proxy before it, altered the manifest",
            )
        return "oci-subject" in answer.headers

    def delete(self, target: str) -> bool:
        """Remove a tag, or a manifest with its tags; false where the registry does not do that.

        Raises:
            NotFoundError: It does not exist.
            ConflictError: Something else in the registry holds it.
            DeniedError, RegistryError: The registry refused or failed.
        """
        where = self.where(target)
        try:
            answer = self._endpoint.call(
                DELETE,
                "DELETE",
                self._url(target),
                f"remove {where}",
                self._control,
                expect=(200, 202, 204, 400, 405),
            )
        except NotFoundError as error:
            raise NotFoundError(f"{where} does not exist") from error
        except ConflictError as error:
            raise ConflictError(error.message, hint=_HELD) from error
        if answer.status not in (400, 405):
            return True
        problem = read_problem(answer.status, answer.headers, answer.body)
        # zot says DENIED where an index refers to it; registries that cannot delete say UNSUPPORTED, or little at all
        if problem.code == "DENIED" or re.search(_HOLDING, f"{problem.code} {problem.words}"):
            raise ConflictError(f"cannot remove {where}: the server answered {problem}", hint=_HELD)
        return False

    def _head(self, target: str, actions: str, control: Control, condition: Mapping[str, str] | None = None) -> Answer:
        """What a registry says of a manifest; some answer 400 or 405 though they have it."""
        url, doing = self._url(target), f"look up {self.where(target)}"
        expect = (200, 304, 400, 404, 405) if condition else (200, 400, 404, 405)
        return self._endpoint.call(
            actions, "HEAD", url, doing, control, expect=expect, headers={**_ACCEPT, **(condition or {})}
        )

    def _url(self, target: str) -> str:
        return self._endpoint.url(f"manifests/{target}")


def _media_type(header: str) -> str:
    return header.partition(";")[0].strip()
