"""One attempt at sending a blob: POST, one PATCH with the bytes, PUT with the digest learned on the way.

That is the flow every registry takes. What is small and known goes with the PUT, which registries take as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from kitops_core.errors import IntegrityError, KitOpsError, NotFoundError, RegistryError, SourceError
from kitops_core.events import Control, Event
from kitops_core.oci.blob import BlobSource
from kitops_core.oci.manifest import Descriptor
from kitops_core.reference import is_digest
from kitops_core.storage.registry.endpoint import PUSH, Endpoint
from kitops_core.storage.registry.failures import RETRY_STATUSES, LostError, Problem, retry_after
from kitops_core.storage.registry.hosts import follow
from kitops_core.storage.registry.transport import Answer, Request, read_refusal

_ACCEPTED = (200, 201, 202, 204)
_TOKEN_SECONDS = 60.0
_STORING_PATIENCE = 5.0
_PIECE = 128 * 1024
_EVENT_BYTES = 1024 * 1024
_SMALL_BYTES = 256 * 1024


class RestartError(Exception):
    """This attempt cannot be finished, and a new one may.

    Attributes:
        problem: What the registry does, as in "registry.example.com <problem>".
        error: What to raise when there is no attempt left.
        after: Seconds the registry asked us to wait.
        lasting: Whether it stays so, and trying again cannot help.
    """

    def __init__(self, problem: str, error: KitOpsError, after: float = 0.0, lasting: bool = False) -> None:
        super().__init__(problem)
        self.problem = problem
        self.error = error
        self.after = after
        self.lasting = lasting


def is_small(source: BlobSource) -> bool:
    """Whether a blob is known and so small that it goes with the request that ends its session."""
    return source.known is not None and source.verified and source.known.size <= _SMALL_BYTES


class UploadAttempt:
    """One session: its URL, and what was sent in it so far.

    Attributes:
        location: The URL of the session; empty where there is none, or no more.
    """

    def __init__(self, endpoint: Endpoint, source: BlobSource, control: Control, location: str) -> None:
        self._endpoint = endpoint
        self._transport = endpoint.transport
        self._source = source
        self._control = control
        self._access = endpoint.access(PUSH)
        self._doing = f"send '{source.name}' to {endpoint.name}"
        self._sent = 0
        self._complete = False
        known = source.known
        self._trusted = known.digest if known is not None and source.verified else ""
        self._algorithm = known.digest.partition(":")[0] if known is not None else "sha256"
        self._hash = hashlib.new(self._algorithm)
        self.location = location

    def run(self) -> Descriptor:
        """Send the blob.

        Raises:
            RestartError: A new attempt may work.
        """
        if not self.location:
            url = self._endpoint.url("blobs/uploads/")
            request = Request(self._access, "POST", url, self._doing, expect=(202,), headers={"Content-Length": "0"})
            answer = self._transport.call(request, self._control)
            if "location" not in answer.headers:
                raise RegistryError(f"cannot {self._doing}: the registry names no place to send it to")
            self.location = follow(answer.url, answer.headers["location"])
        if is_small(self._source):
            data = b"".join(bytes(buffer) for buffer in self._body())
            descriptor = self._descriptor()
        else:
            data = b""
            self._patch()
            descriptor = self._descriptor()
        self._put(descriptor, data)
        self.location = ""
        return descriptor

    def _patch(self) -> None:
        size = self._source.size
        framing = {"Content-Length": str(size)} if size is not None else {"Transfer-Encoding": "chunked"}
        headers = {"Content-Type": "application/octet-stream", **framing}
        authorization = self._transport.headers_for(self._access, self.location, self._control, _TOKEN_SECONDS)
        try:
            response = self._transport.send(
                "PATCH", self.location, {**headers, **authorization}, self._body(), control=self._control
            )
            answer = read_refusal(response, self.location)
        except LostError as broken:
            raise self._lost(broken) from broken
        self._transport.warn(self._endpoint.registry, response, self._control)
        if answer.status == 429:
            self._control.lanes.refused()
        if answer.status in _ACCEPTED and not self._complete:
            part = RegistryError(f"cannot {self._doing}: the registry took only a part of it", status=answer.status)
            raise RestartError("took only a part", part)
        if answer.status in _ACCEPTED:
            if "location" in answer.headers:
                self.location = follow(self.location, answer.headers["location"])
            return
        problem, error = self._transport.refusal(self._access, self._doing, answer)
        if answer.status == 401 and self._renewed(answer, authorization):
            raise RestartError("does not take its token any more", error)
        if answer.status in RETRY_STATUSES or _session_is_gone(problem):
            raise RestartError(f"answers {problem}", error, retry_after(answer.headers))
        raise error

    def _put(self, descriptor: Descriptor, data: bytes = b"") -> None:
        """End the session; ``data`` is all of the blob where none of it was sent before."""
        joint = "&" if "?" in self.location else "?"
        request = Request(
            self._access,
            "PUT",
            f"{self.location}{joint}digest={descriptor.digest.replace(':', '%3A')}",
            self._doing,
            expect=(200, 201, 202, 204),
            headers={"Content-Type": "application/octet-stream", "Content-Length": str(len(data))},
            body=data,
            patience=_STORING_PATIENCE,
        )
        try:
            answer = self._transport.call(request, self._control)
        except NotFoundError as error:
            # Either the session is gone, or an earlier PUT worked and only its answer was lost.
            if self._endpoint.has_blob(descriptor, self._control, PUSH):
                return
            raise RestartError("has lost the upload", error) from error
        stored = answer.headers.get("docker-content-digest", descriptor.digest)
        if is_digest(stored) and stored.partition(":")[0] == self._algorithm and stored != descriptor.digest:
            raise IntegrityError(
                f"{self._endpoint.name}: '{self._source.name}' was sent with digest {descriptor.digest}, "
                f"and stored with {stored}"
            )

    def _body(self) -> Iterator[memoryview]:
        """The source's buffers, hashed and counted as they are handed on."""
        source, control = self._source, self._control
        size, known, reported = source.size, bool(self._trusted), 0
        try:
            for buffer in source.stream():
                control.check()
                self._sent += len(buffer)
                control.lanes.moved(len(buffer))
                if size is not None and self._sent > size:
                    raise IntegrityError(f"'{source.name}' has more bytes than the {size} it should")
                if not known:
                    self._hash.update(buffer)
                if size is not None:
                    yield buffer
                else:  # urllib3 copies what it sends in chunks: small pieces stay in the processor's cache
                    for start in range(0, len(buffer), _PIECE):
                        yield buffer[start : start + _PIECE]
                if self._sent - reported >= _EVENT_BYTES:
                    reported = self._sent
                    control.emit(Event("advance", source.name, self._sent, size))
        except OSError as error:  # must not be taken for a broken connection
            raise SourceError(f"cannot read '{source.name}': {error.strerror or error}") from error
        if size is not None and self._sent < size:
            raise IntegrityError(f"'{source.name}' ends {size - self._sent} bytes short of {size}")
        self._complete = True
        control.emit(Event("advance", source.name, self._sent, size))

    def _descriptor(self) -> Descriptor:
        known = self._source.known
        digest = self._trusted or f"{self._algorithm}:{self._hash.hexdigest()}"
        if known is None:
            return Descriptor(self._source.media_type, digest, self._sent)
        if (digest, self._sent) != (known.digest, known.size):
            raise IntegrityError(
                f"'{self._source.name}': read {self._sent} bytes with digest {digest}, "
                f"expected {known.size} bytes with {known.digest}"
            )
        return known

    def _renewed(self, answer: Answer, sent: Mapping[str, str]) -> bool:
        try:
            return self._transport.challenged(self._access, answer, sent, self._control)
        except LostError as broken:
            raise self._lost(broken) from broken

    def _lost(self, broken: LostError) -> RestartError:
        return RestartError(f"does not answer: {broken.problem}", broken.error(self._doing), lasting=broken.lasting)


def _session_is_gone(problem: Problem) -> bool:
    return problem.status == 404 and problem.code in ("", "BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID")
