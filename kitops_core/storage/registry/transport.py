"""Requests to registries: authenticated, retried with growing waits, redirected safely, failing with typed errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from kitops_core.errors import KitOpsError, RegistryError
from kitops_core.events import Control, Event
from kitops_core.storage.registry.auth import Access, Authenticator
from kitops_core.storage.registry.backoff import Backoff
from kitops_core.storage.registry.connections import Body, ProxyError, Timeouts
from kitops_core.storage.registry.failures import (
    RETRY_STATUSES,
    LostError,
    Problem,
    failure,
    lost,
    read_problem,
    read_warnings,
    retry_after,
)
from kitops_core.storage.registry.hosts import base_url, follow, origin
from kitops_core.storage.registry.http_head import BadAnswerError, Headers
from kitops_core.storage.registry.http_response import Response
from kitops_core.storage.registry.options import RegistryOptions
from kitops_core.storage.registry.pool import Pools
from kitops_core.storage.registry.upload_ways import Way
from kitops_core.version import USER_AGENT

_REDIRECTS = (301, 302, 303, 307, 308)
_WITH_BODY = ("PATCH", "POST", "PUT")
_MOST_REDIRECTS = 5
_MOST_CHALLENGES = 2
_ERROR_BYTES = 64 * 1024
_JSON_BYTES = 32 * 1024 * 1024
_BROKEN = (OSError, BadAnswerError, ProxyError)


@dataclass(frozen=True)
class Request:
    """One request, as often as it takes.

    Attributes:
        access: Where to, and with which rights.
        method: The HTTP method.
        url: The absolute URL.
        doing: What it does, as in "cannot <doing>", for errors.
        expect: The statuses that are an answer; any other is an error.
        headers: Headers besides those for authorization.
        body: The body; small, as it may be sent several times.
        limit: How many bytes of the answer to read at most.
        patience: Factor on the timeout.
        keep_trying: Seconds to keep trying, where they differ from the options; 0 asks once.
        repeat_lost: Whether it is repeated when no answer came; else :class:`LostError` is raised.
        before_repeat: Called before it is sent again, for whatever reason; what it raises ends the request.
    """

    access: Access
    method: str
    url: str
    doing: str
    expect: tuple[int, ...] = (200,)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)
    limit: int = _JSON_BYTES
    patience: float = 1.0
    keep_trying: float | None = None
    repeat_lost: bool = True
    before_repeat: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Answer:
    """An answer whose body was read: its status, headers, the body, and the URL it came from."""

    status: int
    headers: Headers
    body: bytes = field(repr=False)
    url: str = field(repr=False)


class Transport:
    """Sends requests for one set of options; safe to use from several threads.

    Attributes:
        options: How to talk to registries.
        auth: Credentials and tokens.
        without_referrers: Registries that were found to have no referrers API.
        upload_ways: How registries were found to take blobs, by registry and whether a blob is small.
    """

    def __init__(self, options: RegistryOptions) -> None:
        self.options = options
        self.auth = Authenticator(options, self._ask_token_service)
        self.without_referrers: set[str] = set()
        self.upload_ways: dict[tuple[str, bool], Way] = {}
        self._pools = Pools(options)
        self._warned: set[str] = set()

    def close(self) -> None:
        """Close every idle connection."""
        self._pools.close()

    def call(self, request: Request, control: Control) -> Answer:
        """Send a request and read its answer.

        Raises:
            DeniedError, NotFoundError, ConflictError, IntegrityError, RegistryError: The registry said no.
            CancelledError: The switch was flipped.
        """
        backoff = Backoff(self.options, control, request.access.registry, request.keep_trying)
        while True:
            try:
                response, url = self._answered(request, control, backoff)
                body = read_body(response, request.limit, request.doing)
                control.check()  # a body without a length ends where its connection was shut down
                return Answer(response.status, response.headers, body, url)
            except LostError as broken:
                if not request.repeat_lost:
                    raise
                if not backoff.wait_after(broken):
                    raise backoff.last(broken.error(request.doing)) from broken.__cause__
                request.before_repeat()

    def open(self, request: Request, control: Control) -> tuple[Response, str]:
        """Send a request and leave the body of its answer to be read; the caller closes it.

        Returns:
            The answer, and the URL it came from after redirects.

        Raises:
            DeniedError, NotFoundError, ConflictError, IntegrityError, RegistryError: The registry said no.
            CancelledError: The switch was flipped.
        """
        backoff = Backoff(self.options, control, request.access.registry, request.keep_trying)
        return self._answered(request, control, backoff)

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Body | None = None,
        *,
        control: Control,
        patience: float = 1.0,
    ) -> Response:
        """Send one request as it is: no credentials added, nothing repeated, no redirect followed.

        Raises:
            LostError: No answer came.
            CancelledError: The switch was flipped, perhaps while waiting for the answer.
        """
        options = self.options
        control.check()
        control.stops(self._pools.connections)
        timeouts = Timeouts(options.connect_timeout, options.timeout, options.timeout * patience)
        fields = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **headers}
        if isinstance(body, bytes) or (body is None and method in _WITH_BODY):
            fields["Content-Length"] = str(len(body or b""))
        try:
            return self._pools.request(method, url, fields, body, timeouts, control)
        except _BROKEN as error:
            control.check()
            raise lost(error) from error

    def headers_for(self, access: Access, url: str, control: Control, lasting: float = 5.0) -> dict[str, str]:
        """The ``Authorization`` header for a URL: none unless it is the registry's own.

        Raises:
            DeniedError, RegistryError: The token service refused or failed.
        """
        base = base_url(access.registry, self.options)
        if not url.startswith(f"{base}/") and origin(url) != origin(base):
            return {}
        value = self.auth.header(access, control, lasting)
        return {"Authorization": value} if value else {}

    def refusal(self, access: Access, doing: str, answer: Answer) -> tuple[Problem, KitOpsError]:
        """What an unexpected answer says, and the typed error for it."""
        problem = read_problem(answer.status, answer.headers, answer.body)
        hint = self.auth.hint(access) if problem.status in (401, 403) else ""
        return problem, failure(doing, problem, hint)

    def warn(self, registry: str, response: Response, control: Control) -> None:
        """Pass on what a registry wants people to know, once."""
        for text in read_warnings(response.headers.lines("warning")):
            if text not in self._warned:
                self._warned.add(text)
                control.emit(Event("warning", registry, detail=f"{registry} says: {text}"))

    def _answered(self, request: Request, control: Control, backoff: Backoff) -> tuple[Response, str]:
        """The first answer that is expected, and the URL it came from after redirects."""
        access, url, challenges, redirects = request.access, request.url, 0, 0
        renewed = False
        while True:
            authorization = self.headers_for(access, url, control)
            try:
                headers = {**request.headers, **authorization}
                response = self.send(
                    request.method, url, headers, request.body, control=control, patience=request.patience
                )
                self.warn(access.registry, response, control)
                if response.status == 429:
                    control.lanes.refused()
                if response.status in request.expect:
                    return response, url
                answer = read_refusal(response, url)
                if answer.status == 401 and url == request.url and challenges < _MOST_CHALLENGES:
                    challenges += 1
                    if self.challenged(access, answer, authorization, control):
                        request.before_repeat()
                        continue
                if answer.status == 403 and authorization and url == request.url and not renewed:
                    renewed = True
                    if self.auth.renew(access, control):
                        request.before_repeat()
                        continue
            except LostError as broken:
                if not request.repeat_lost:
                    raise
                if not backoff.wait_after(broken):
                    raise backoff.last(broken.error(request.doing)) from broken.__cause__
                request.before_repeat()
                url, redirects = request.url, 0
                continue
            if answer.status in _REDIRECTS and request.method in ("GET", "HEAD") and redirects < _MOST_REDIRECTS:
                redirects += 1
                url = follow(url, answer.headers.get("location", ""))
                continue
            problem, error = self.refusal(access, request.doing, answer)
            if answer.status not in RETRY_STATUSES:
                raise error
            if not backoff.wait(f"answers {problem}", at_least=retry_after(answer.headers)):
                raise backoff.last(error)
            request.before_repeat()
            url, redirects = request.url, 0

    def challenged(self, access: Access, answer: Answer, sent: Mapping[str, str], control: Control) -> bool:
        """Learn from a 401 how to authenticate; true when asking again can help.

        Raises:
            DeniedError, RegistryError: The token service refused or failed.
            LostError: The connection broke.
        """
        lines = answer.headers.lines("www-authenticate")
        if not lines and not sent:  # some say what they want at /v2/ only
            base = base_url(access.registry, self.options)
            response = self.send("GET", f"{base}/v2/", {}, control=control)
            lines = read_refusal(response, base).headers.lines("www-authenticate")
        return self.auth.challenged(access, lines, sent.get("Authorization", ""), control)

    def _ask_token_service(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, registry: str, control: Control
    ) -> tuple[int, bytes]:
        backoff = Backoff(self.options, control, f"the token service of {registry}")
        doing = f"get a token for {registry}"
        while True:
            try:
                response = self.send(method, url, headers, body, control=control)
                after, status = retry_after(response.headers), response.status
                answer = read_body(response, _JSON_BYTES, doing)
            except LostError as broken:
                if not backoff.wait_after(broken):
                    raise backoff.last(broken.error(doing)) from broken.__cause__
                continue
            if status in RETRY_STATUSES and backoff.wait(f"answers {status}", at_least=after):
                continue
            return status, answer


def read_body(response: Response, limit: int, doing: str = "") -> bytes:
    """The body of an answer, after which its connection is free again.

    Args:
        response: The answer.
        limit: How many bytes to read at most.
        doing: What a longer body makes impossible; where there is nothing to say, it is cut.

    Raises:
        LostError: The connection broke.
        RegistryError: The body is longer.
    """
    body = bytearray()
    try:
        while len(body) <= limit and (piece := response.read(limit + 1 - len(body))):
            body += piece
    except _BROKEN as error:
        response.close()
        raise lost(error) from error
    if len(body) > limit:
        response.close()
        if doing:
            raise RegistryError(f"cannot {doing}: the answer is longer than {limit} bytes", status=response.status)
        del body[limit:]
    response.close()
    return bytes(body)


def read_refusal(response: Response, url: str) -> Answer:
    """An answer that may be an error, with as much of its body as an error needs.

    Raises:
        LostError: The connection broke.
    """
    return Answer(response.status, response.headers, read_body(response, _ERROR_BYTES), url)
