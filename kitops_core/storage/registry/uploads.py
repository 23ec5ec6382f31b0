"""Blobs to a registry in one pass, or not at all where it has them or can take them from another repository.

Whatever breaks an upload, a new session is opened and the source starts again: a half-sent blob is never gone on with,
as several registries misreport how far they are. A registry that refuses the bytes in the requests we send them in is
sent others (:mod:`~kitops_core.storage.registry.upload_ways`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Literal

from kitops_core.errors import CancelledError, KitOpsError, RegistryError
from kitops_core.events import Cancel, Control, Event
from kitops_core.oci.blob import BlobSource, BytesSource
from kitops_core.oci.manifest import Descriptor
from kitops_core.oci.media_types import EMPTY_DIGEST
from kitops_core.storage import Written
from kitops_core.storage.registry.backoff import Backoff
from kitops_core.storage.registry.endpoint import DELETE, PUSH, Endpoint
from kitops_core.storage.registry.failures import RETRY_STATUSES, LostError
from kitops_core.storage.registry.hosts import follow
from kitops_core.storage.registry.transport import Request, read_refusal
from kitops_core.storage.registry.upload_attempt import RefusedError, RestartError, UploadAttempt, is_small
from kitops_core.storage.registry.upload_ways import ONE_PATCH, ONE_PUT, loses, others

_LEAST_RESTARTS = 5
_DROP_SECONDS = 5.0
_CANCEL_SECONDS = 0.1
"""Seconds in which a session can be given up; whoever cancelled does not want to wait for that."""


class Uploader:
    """Writes blobs to one repository; safe to use from several threads.

    Attributes:
        present: Digests of blobs that were found or written here meanwhile, and need not be asked for again.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._transport = endpoint.transport
        self.present: set[str] = set()

    def write(
        self,
        source: BlobSource,
        control: Control,
        mount_from: Sequence[str],
        fresh: bool = False,
        learned: Callable[[Descriptor], None] = lambda _: None,
    ) -> Written:
        """Write a blob, or find that nothing needs to be sent."""
        control.check()
        control.emit(Event("start", source.name, 0, source.size))
        outcome: Literal["written", "present", "mounted"] = "written"
        session = ""
        known = source.known
        if known is not None:
            fresh = (fresh or isinstance(source, BytesSource)) and is_small(source) and known.digest != EMPTY_DIGEST
            outcome, session = self._find(known, mount_from, control, fresh)
        is_here = known is not None and outcome != "written"
        descriptor = known if known is not None and is_here else self._send(source, session, control, learned)
        self.present.add(descriptor.digest)
        control.emit(Event("finish", source.name, descriptor.size, descriptor.size, outcome))
        return Written(descriptor, outcome)

    def _find(
        self, known: Descriptor, mount_from: Sequence[str], control: Control, fresh: bool
    ) -> tuple[Literal["written", "present", "mounted"], str]:
        """Whether the blob is here or can be mounted, with as few requests as tell; else perhaps a session for it.

        A mount answers for both, so it is tried first, unless the blob was in this very repository before. A blob
        that is small and likely new is not looked for, as sending it takes but one request more.
        """
        if known.digest in self.present:
            return "present", ""
        prefix = f"{self._endpoint.registry}/"
        names = [name for name in dict.fromkeys(mount_from) if name.startswith(prefix)]
        others = [name for name in names if name != self._endpoint.name]
        look_first = len(others) < len(names) or not others
        if look_first and not fresh and self._endpoint.has_blob(known, control, PUSH):
            return "present", ""
        mounted, session = self._mount(known, others, control)
        if mounted:
            return "mounted", ""
        if not look_first and not fresh and self._endpoint.has_blob(known, control, PUSH):
            self._cancel(session, control)
            return "present", ""
        return "written", session

    def _mount(self, known: Descriptor, names: Sequence[str], control: Control) -> tuple[bool, str]:
        """Take the blob from another repository; else the upload session that registries open instead, if any."""
        session = ""
        prefix = f"{self._endpoint.registry}/"
        for name in names:
            if session:
                self._cancel(session, control)
                session = ""
            other = self._endpoint.sibling(name.removeprefix(prefix))
            request = Request(
                self._endpoint.access(PUSH, mount_from=other),
                "POST",
                self._endpoint.url("blobs/uploads/", {"mount": known.digest, "from": other}),
                f"mount a blob of {name} in {self._endpoint.name}",
                expect=(201, 202, 500),  # some fail at every mount, and so are not waited for
            )
            try:
                answer = self._transport.call(request, control)
            except CancelledError:
                raise
            except KitOpsError as error:
                if isinstance(error, RegistryError) and error.status in (None, *RETRY_STATUSES):
                    raise  # it was waited for
                continue  # mounting only saves work: what stands in its way is said when the blob is sent
            if answer.status == 201:
                return True, ""
            opened = answer.status == 202 and "location" in answer.headers
            session = follow(answer.url, answer.headers["location"]) if opened else ""
        return False, session

    def _send(
        self, source: BlobSource, session: str, control: Control, learned: Callable[[Descriptor], None]
    ) -> Descriptor:
        plan = _Plan(self._endpoint, source, control)
        while True:
            attempt = UploadAttempt(self._endpoint, source, control, session, plan.way, learned)
            session = ""
            try:
                descriptor = attempt.run()
                plan.worked()
                return descriptor
            except BaseException as error:
                self._cancel(attempt.location, control)
                if isinstance(error, RestartError):
                    plan.restart(error)
                elif isinstance(error, RefusedError):
                    plan.refused(error, attempt.least)
                else:
                    raise

    def _cancel(self, location: str, control: Control) -> None:
        """Ask the registry to drop a session. It does so by itself one day, so failing to ask is no failure."""
        if not location:
            return
        hurry = Cancel()
        timer = threading.Timer(_CANCEL_SECONDS if control.cancelled else _DROP_SECONDS, hurry.cancel)
        timer.daemon = True
        timer.start()
        try:
            with suppress(LostError, KitOpsError):
                own = Control(cancel=hurry)
                headers = self._transport.headers_for(self._endpoint.access(DELETE), location, own)
                read_refusal(self._transport.send("DELETE", location, headers, control=own), location)
        finally:
            timer.cancel()


class _Plan:
    """What is tried next to send one blob.

    Attributes:
        way: How the bytes are sent now.
    """

    def __init__(self, endpoint: Endpoint, source: BlobSource, control: Control) -> None:
        self._backoff = Backoff(endpoint.transport.options, control, endpoint.registry)
        self._size = source.size
        self._found = endpoint.transport.upload_ways
        self._key = (endpoint.registry, is_small(source))
        self.way = self._found.get(self._key) or (ONE_PUT if is_small(source) else ONE_PATCH)
        self._tried = [self.way]
        self._only_once: set[str] = set()

    def worked(self) -> None:
        """Remember the way for the registry's other blobs."""
        if len(self._tried) > 1:
            self._found[self._key] = self.way

    def restart(self, failed: RestartError) -> None:
        """Wait before another attempt; raises the error where none is left."""
        again = failed.once and failed.problem in self._only_once
        self._only_once.add(failed.problem)
        if failed.lasting or again:
            raise failed.error from failed.__cause__
        if not self._backoff.wait(failed.problem, at_least=failed.after, least=_LEAST_RESTARTS):
            raise self._backoff.last(failed.error) from failed.__cause__

    def refused(self, refused: RefusedError, least: int) -> None:
        """Choose another way; raises the error where none is left."""
        lost = f"has lost the upload by {self.way.by}"
        if loses(refused.problem) and lost not in self._only_once:  # uploads do get lost, whatever way they are sent in
            self.restart(RestartError(lost, refused.error, once=True))
            return
        for way in others(self.way, refused.problem, self._size, least):
            if way not in self._tried:
                self.way = way
                self._tried.append(way)
                return
        raise refused.error
