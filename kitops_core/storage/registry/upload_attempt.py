"""One attempt at sending a blob: POST, then its bytes in one of several ways, then PUT with the digest learned."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping

from kitops_core.errors import IntegrityError, KitOpsError, RegistryError, SourceError
from kitops_core.events import Control, Event
from kitops_core.oci.blob import SMALL_BYTES, BlobSource
from kitops_core.oci.manifest import Descriptor
from kitops_core.reference import is_digest
from kitops_core.storage.registry.backoff import Backoff
from kitops_core.storage.registry.endpoint import PUSH, Endpoint
from kitops_core.storage.registry.failures import (
    RETRY_STATUSES,
    LostError,
    Problem,
    RefusedDigestError,
    retry_after,
)
from kitops_core.storage.registry.hosts import follow
from kitops_core.storage.registry.transport import Answer, Request, read_refusal
from kitops_core.storage.registry.upload_ways import ONE_PATCH, ONE_PUT, Way, loses, refuses

_ACCEPTED = (200, 201, 202, 204)
_NOT_THIS_WAY = (404, 405, 413, 416, 501)
_TOKEN_SECONDS = 60.0
_STORING_PATIENCE = 5.0
_PIECE = 128 * 1024
_EVENT_BYTES = 1024 * 1024


class RestartError(Exception):
    """This attempt cannot be finished, and a new one may.

    Attributes:
        problem: What the registry does, as in "registry.example.com <problem>".
        error: What to raise when there is no attempt left.
        after: Seconds the registry asked us to wait.
        once: Whether it is worth one more attempt only.
        lasting: Whether it stays so, and trying again cannot help.
    """

    def __init__(
        self, problem: str, error: KitOpsError, after: float = 0.0, *, once: bool = False, lasting: bool = False
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.error = error
        self.after = after
        self.once = once
        self.lasting = lasting


class RefusedError(Exception):
    """The registry does not take the bytes in this way, and may in another.

    Attributes:
        problem: Its answer.
        error: What to raise when no other way is left.
    """

    def __init__(self, problem: Problem, error: KitOpsError) -> None:
        super().__init__(str(problem))
        self.problem = problem
        self.error = error


def is_small(source: BlobSource) -> bool:
    """Whether a blob is known and so small that it goes with the request that ends its session."""
    return source.known is not None and source.verified and source.known.size <= SMALL_BYTES


class UploadAttempt:
    """One session: its URL, and what was sent in it so far.

    Attributes:
        location: The URL of the session; empty where there is none, or no more.
        least: Bytes that a chunk must have at least, as the registry says.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        source: BlobSource,
        control: Control,
        location: str,
        way: Way,
        learned: Callable[[Descriptor], None],
    ) -> None:
        self._endpoint = endpoint
        self._transport = endpoint.transport
        self._source = source
        self._control = control
        self._way = way
        self._learned = learned
        self._access = endpoint.access(PUSH)
        self._doing = f"send '{source.name}' to {endpoint.name}"
        self._sent = 0
        self._taken = 0
        self._complete = False
        self._known = source.known
        self._size = source.size
        self._trusted = source.known.digest if source.known is not None and source.verified else ""
        self._algorithm = source.known.digest.partition(":")[0] if source.known is not None else "sha256"
        self._hash = hashlib.new(self._algorithm)
        self.location = location
        self.least = 0

    def run(self) -> Descriptor:
        """Send the blob.

        Raises:
            RestartError: A new attempt may work.
            RefusedError: Another way may work.
        """
        try:
            if not self.location:
                self._start()
            descriptor = self._send()
        except RefusedDigestError as error:
            # Registries say so, too, of a layer that several send at once (docker-registry 2.8: of one in a hundred).
            raise RestartError("says that the bytes do not have their digest", error, once=True) from error
        self.location = ""
        return descriptor

    def _start(self) -> None:
        url = self._endpoint.url("blobs/uploads/")
        request = Request(self._access, "POST", url, self._doing, expect=(202,), headers={"Content-Length": "0"})
        answer = self._transport.call(request, self._control)
        if "location" not in answer.headers:
            raise RegistryError(f"cannot {self._doing}: the registry names no place to send it to")
        self.location = follow(answer.url, answer.headers["location"])
        least = answer.headers.get("oci-chunk-min-length", "")
        self.least = int(least) if least.isdecimal() else 0

    def _send(self) -> Descriptor:
        if self._way == ONE_PUT and not is_small(self._source):
            return self._put_all()
        data = b""
        if self._way == ONE_PUT:
            data = b"".join(bytes(buffer) for buffer in self._body())
        elif self._way == ONE_PATCH:
            self._patch()
        else:
            self._patch_chunks()
        descriptor = self._descriptor()
        self._put(descriptor, data)
        return descriptor

    def _patch(self) -> None:
        """Send all bytes in one request."""
        answer = self._stream("PATCH", self.location)
        if "location" in answer.headers:
            self.location = follow(self.location, answer.headers["location"])

    def _patch_chunks(self) -> None:
        """Send the bytes in pieces, each of which is sent again by itself where that is needed."""
        chunk = bytearray()
        for buffer in self._body():
            start = 0
            while start < len(buffer):
                piece = buffer[start : start + self._way.size - len(chunk)]
                chunk += piece
                start += len(piece)
                if len(chunk) == self._way.size:
                    self._patch_chunk(bytes(chunk))
                    chunk.clear()
        if chunk:
            self._patch_chunk(bytes(chunk))

    def _patch_chunk(self, data: bytes) -> None:
        end = self._taken + len(data)
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(len(data)),
            "Content-Range": f"{self._taken}-{end - 1}",
        }
        request = Request(
            self._access,
            "PATCH",
            self.location,
            self._doing,
            expect=(*_ACCEPTED, *_NOT_THIS_WAY),
            headers=headers,
            body=data,
            patience=_STORING_PATIENCE,
            repeat_lost=False,
        )
        answer = self._answer_to_chunk(request)
        # ECR answers 201 to a first piece: it takes that for all.
        if answer.status in _NOT_THIS_WAY or (answer.status == 201 and not self._taken and end != self._size):
            problem, error = self._transport.refusal(self._access, self._doing, answer)
            if not self._taken:
                raise RefusedError(problem, error)
            if answer.status in (404, 416):  # the session is gone, or the answer to this chunk was
                raise RestartError("has lost the upload", error)
            raise error
        self._taken = end
        if "location" in answer.headers:
            self.location = follow(self.location, answer.headers["location"])

    def _answer_to_chunk(self, request: Request) -> Answer:
        """The answer to a chunk, which is sent once more where none came: whether it was taken, that answer tells."""
        backoff = Backoff(self._transport.options, self._control, self._endpoint.registry)
        try:
            return self._transport.call(request, self._control)
        except LostError as broken:
            if not backoff.wait_after(broken):
                raise self._lost(broken) from broken
        try:
            return self._transport.call(request, self._control)
        except LostError as broken:
            raise self._lost(broken) from broken

    def _put_all(self) -> Descriptor:
        """Send all bytes with the digest; where that is not known, read the source once to learn it."""
        if self._known is None:
            self._known = self._measure()
            self._size = self._known.size
        try:
            answer = self._stream("PUT", self._last_url(self._known))
        except RestartError:
            if self._complete and self._endpoint.has_blob(self._known, self._control, PUSH):  # the answer was lost
                return self._known
            raise
        self._check_stored(answer, self._descriptor())
        return self._known

    def _measure(self) -> Descriptor:
        size = 0
        digest = hashlib.new(self._algorithm)
        try:
            for buffer in self._source.stream():
                self._control.check()
                digest.update(buffer)
                size += len(buffer)
        except OSError as error:
            raise self._unreadable(error) from error
        return Descriptor(self._source.media_type, f"{self._algorithm}:{digest.hexdigest()}", size)

    def _stream(self, method: str, url: str) -> Answer:
        """Send all bytes in the body of a request; the answer, which is that the registry has taken them."""
        framing = {"Transfer-Encoding": "chunked"} if self._size is None else {"Content-Length": str(self._size)}
        headers = {"Content-Type": "application/octet-stream", **framing}
        authorization = self._transport.headers_for(self._access, url, self._control, _TOKEN_SECONDS)
        patience = _STORING_PATIENCE if method == "PUT" else 1.0
        try:
            response = self._transport.send(
                method, url, {**headers, **authorization}, self._body(), control=self._control, patience=patience
            )
            answer = read_refusal(response, url)
        except LostError as broken:
            raise self._lost(broken) from broken
        self._transport.warn(self._endpoint.registry, response, self._control)
        if answer.status == 429:
            self._control.lanes.refused()
        if answer.status in _ACCEPTED:
            if not self._complete:
                part = RegistryError(f"cannot {self._doing}: the registry took only a part of it", status=answer.status)
                raise RestartError("took only a part", part)
            return answer
        problem, error = self._transport.refusal(self._access, self._doing, answer)
        if answer.status == 401 and self._renewed(answer, authorization):
            raise RestartError("does not take its token any more", error)
        if answer.status in RETRY_STATUSES:
            raise RestartError(f"answers {problem}", error, retry_after(answer.headers))
        if refuses(problem):
            raise RefusedError(problem, error)
        raise error

    def _put(self, descriptor: Descriptor, data: bytes) -> None:
        """End the session; ``data`` is all of the blob where none of it was sent before."""
        request = Request(
            self._access,
            "PUT",
            self._last_url(descriptor),
            self._doing,
            expect=(*_ACCEPTED, *_NOT_THIS_WAY),
            headers={"Content-Type": "application/octet-stream", "Content-Length": str(len(data))},
            body=data,
            patience=_STORING_PATIENCE,
        )
        answer = self._transport.call(request, self._control)
        if answer.status in _ACCEPTED:
            self._check_stored(answer, descriptor)
            return
        problem, error = self._transport.refusal(self._access, self._doing, answer)
        # Either it is refused, or an earlier PUT worked and only its answer was lost.
        if answer.status == 404 and self._endpoint.has_blob(descriptor, self._control, PUSH):
            return
        if data and refuses(problem):
            raise RefusedError(problem, error)
        if loses(problem):
            raise RestartError("has lost the upload", error)
        raise error

    def _last_url(self, descriptor: Descriptor) -> str:
        joint = "&" if "?" in self.location else "?"
        return f"{self.location}{joint}digest={descriptor.digest.replace(':', '%3A')}"

    def _check_stored(self, answer: Answer, descriptor: Descriptor) -> None:
        stored = answer.headers.get("docker-content-digest", descriptor.digest)
        if is_digest(stored) and stored.partition(":")[0] == self._algorithm and stored != descriptor.digest:
            raise IntegrityError(
                f"{self._endpoint.name}: '{self._source.name}' was sent with digest {descriptor.digest}, "
                f"and stored with {stored}"
            )

    def _body(self) -> Iterator[memoryview]:
        """The source's buffers, hashed and counted as they are handed on."""
        source, control = self._source, self._control
        size, trusted, reported = self._size, bool(self._trusted), 0
        try:
            for buffer in source.stream():
                control.check()
                self._sent += len(buffer)
                control.lanes.moved(len(buffer))
                if size is not None and self._sent > size:
                    raise IntegrityError(f"'{source.name}' has more bytes than the {size} it should")
                if not trusted:
                    self._hash.update(buffer)
                if size is not None:
                    yield buffer
                else:  # what is sent in chunks is copied: small pieces stay in the processor's cache
                    for start in range(0, len(buffer), _PIECE):
                        yield buffer[start : start + _PIECE]
                if self._sent - reported >= _EVENT_BYTES:
                    reported = self._sent
                    control.emit(Event("advance", source.name, self._sent, size))
        except OSError as error:  # must not be taken for a broken connection
            raise self._unreadable(error) from error
        if size is not None and self._sent < size:
            raise IntegrityError(f"'{source.name}' ends {size - self._sent} bytes short of {size}")
        self._complete = True
        control.emit(Event("advance", source.name, self._sent, size))
        if not trusted:
            self._learned(Descriptor(source.media_type, f"{self._algorithm}:{self._hash.hexdigest()}", self._sent))

    def _unreadable(self, error: OSError) -> SourceError:
        return SourceError(f"cannot read '{self._source.name}': {error.strerror or error}")

    def _descriptor(self) -> Descriptor:
        known = self._known
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
