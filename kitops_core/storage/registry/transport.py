"""Requests to registries: authenticated, retried with growing waits, redirected safely, failing with typed errors."""

from __future__ import annotations

import http.client
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import urllib3
from urllib3.exceptions import HTTPError

from kitops_core.errors import KitOpsError, RegistryError
from kitops_core.events import Control, Event
from kitops_core.storage.registry.auth import Access, Authenticator
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
from kitops_core.storage.registry.options import RegistryOptions
from kitops_core.storage.registry.pool import Pools

USER_AGENT = "kitops-core"
_LONGEST_WAIT = 30.0
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5
_MOST_CHALLENGES = 2
_ERROR_BYTES = 64 * 1024
_JSON_BYTES = 32 * 1024 * 1024

Response = urllib3.BaseHTTPResponse


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
        retries: How often it is repeated, where that differs from the options.
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
    retries: int | None = None
    before_repeat: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Answer:
    """An answer whose body was read: its status, headers, the body, and the URL it came from."""

    status: int
    headers: urllib3.HTTPHeaderDict
    body: bytes = field(repr=False)
    url: str = field(repr=False)


class Backoff:
    """Waits between attempts: full jitter below a bound that doubles, and never less than the server asks for."""

    def __init__(self, options: RegistryOptions, control: Control, name: str, retries: int | None = None) -> None:
        self._options = options
        self._control = control
        self._name = name
        self._retries = options.retries if retries is None else retries
        self.attempts = 0

    def wait(self, problem: str, *, at_least: float = 0.0, most: int | None = None) -> bool:
        """Sleep before the next attempt; false when there is none left.

        Args:
            problem: What happened, for the ``retry`` event.
            at_least: Seconds the server asked for.
            most: How many attempts this problem is worth.

        Raises:
            CancelledError: The switch was flipped.
        """
        self._control.check()
        limit = self._retries if most is None else min(most, self._retries)
        if self.attempts >= limit:
            return False
        bound = min(self._options.backoff * 2**self.attempts, _LONGEST_WAIT)
        seconds = max(random.uniform(0, bound), at_least)  # noqa: S311 - spreads clients out, guards nothing
        self.attempts += 1
        detail = f"{problem}; trying again in {seconds:.1f} s ({self.attempts} of {limit})"
        self._control.emit(Event("retry", self._name, detail=detail))
        self._control.sleep(seconds)
        return True


class Transport:
    """Sends requests for one set of options; safe to use from several threads.

    Attributes:
        options: How to talk to registries.
        auth: Credentials and tokens.
        without_referrers: Registries that were found to have no referrers API.
    """

    def __init__(self, options: RegistryOptions) -> None:
        self.options = options
        self.auth = Authenticator(options, self._ask_token_service)
        self.without_referrers: set[str] = set()
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
        backoff = Backoff(self.options, control, request.access.registry, request.retries)
        while True:
            try:
                response, url = self._answered(request, control, backoff)
                return Answer(response.status, response.headers, read_body(response, request.limit, request.doing), url)
            except LostError as problem:
                if not backoff.wait(problem.problem):
                    raise problem.error(request.doing) from problem.__cause__
                request.before_repeat()

    def open(self, request: Request, control: Control) -> tuple[Response, str]:
        """Send a request and leave the body of its answer to be read; the caller closes it.

        Returns:
            The answer, and the URL it came from after redirects.

        Raises:
            DeniedError, NotFoundError, ConflictError, IntegrityError, RegistryError: The registry said no.
            CancelledError: The switch was flipped.
        """
        backoff = Backoff(self.options, control, request.access.registry, request.retries)
        return self._answered(request, control, backoff)

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | Iterable[memoryview] | None = None,
        *,
        patience: float = 1.0,
    ) -> Response:
        """Send one request as it is: no credentials added, nothing repeated, no redirect followed.

        Raises:
            LostError: No answer came.
        """
        options = self.options
        timeout = urllib3.Timeout(connect=options.connect_timeout, read=options.timeout * patience)
        try:
            return self._pools.manager(url).urlopen(
                method,
                url,
                body=body,
                headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **headers},
                timeout=timeout,
                retries=False,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
        except (HTTPError, OSError, http.client.HTTPException) as error:
            raise lost(error) from error

    def headers_for(self, access: Access, url: str, lasting: float = 5.0) -> dict[str, str]:
        """The ``Authorization`` header for a URL: none unless it is the registry's own.

        Raises:
            DeniedError, RegistryError: The token service refused or failed.
        """
        if origin(url) != origin(base_url(access.registry, self.options)):
            return {}
        value = self.auth.header(access, lasting)
        return {"Authorization": value} if value else {}

    def refusal(self, access: Access, doing: str, answer: Answer) -> tuple[Problem, KitOpsError]:
        """What an unexpected answer says, and the typed error for it."""
        problem = read_problem(answer.status, answer.headers, answer.body)
        hint = self.auth.hint(access) if problem.status in (401, 403) else ""
        return problem, failure(doing, problem, hint)

    def warn(self, registry: str, response: Response, control: Control) -> None:
        """Pass on what a registry wants people to know, once."""
        for text in read_warnings(response.headers.getlist("warning")):
            if text not in self._warned:
                self._warned.add(text)
                control.emit(Event("warning", registry, detail=f"{registry} says: {text}"))

    def _answered(self, request: Request, control: Control, backoff: Backoff) -> tuple[Response, str]:
        """The first answer that is expected, and the URL it came from after redirects."""
        access, url, challenges, redirects = request.access, request.url, 0, 0
        renewed = False
        while True:
            authorization = self.headers_for(access, url)
            try:
                response = self.send(
                    request.method, url, {**request.headers, **authorization}, request.body, patience=request.patience
                )
                self.warn(access.registry, response, control)
                if response.status == 429:
                    control.lanes.refused()
                if response.status in request.expect:
                    return response, url
                answer = read_refusal(response, url)
                if answer.status == 401 and url == request.url and challenges < _MOST_CHALLENGES:
                    challenges += 1
                    if self.challenged(access, answer, authorization):
                        request.before_repeat()
                        continue
                if answer.status == 403 and authorization and url == request.url and not renewed:
                    renewed = True
                    if self.auth.renew(access):
                        request.before_repeat()
                        continue
            except LostError as broken:
                if backoff.wait(broken.problem, most=broken.attempts):
                    request.before_repeat()
                    url, redirects = request.url, 0
                    continue
                raise broken.error(request.doing) from broken.__cause__
            if answer.status in _REDIRECTS and request.method in ("GET", "HEAD") and redirects < _MOST_REDIRECTS:
                redirects += 1
                url = follow(url, answer.headers.get("location", ""))
                continue
            problem, error = self.refusal(access, request.doing, answer)
            after = retry_after(answer.headers)
            if answer.status in RETRY_STATUSES and backoff.wait(f"the server answered {problem}", at_least=after):
                request.before_repeat()
                url, redirects = request.url, 0
                continue
            raise error

    def challenged(self, access: Access, answer: Answer, sent: Mapping[str, str]) -> bool:
        """Learn from a 401 how to authenticate; true when asking again can help.

        Raises:
            DeniedError, RegistryError: The token service refused or failed.
            LostError: The connection broke.
        """
        lines = answer.headers.getlist("www-authenticate")
        if not lines and not sent:  # some say what they want at /v2/ only
            base = base_url(access.registry, self.options)
            lines = read_refusal(self.send("GET", f"{base}/v2/", {}), base).headers.getlist("www-authenticate")
        return self.auth.challenged(access, lines, sent.get("Authorization", ""))

    def _ask_token_service(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, registry: str
    ) -> tuple[int, bytes]:
        backoff, doing = Backoff(self.options, Control(), registry), f"get a token for {registry}"
        while True:
            try:
                response = self.send(method, url, headers, body)
                after, status = retry_after(response.headers), response.status
                answer = read_body(response, _JSON_BYTES, doing)
            except LostError as broken:
                if not backoff.wait(broken.problem, most=broken.attempts):
                    raise broken.error(doing) from broken.__cause__
                continue
            if status in RETRY_STATUSES and backoff.wait(f"the token service answered {status}", at_least=after):
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
    except (HTTPError, OSError, http.client.HTTPException) as error:
        response.close()
        raise lost(error) from error
    if len(body) > limit:
        response.close()
        if doing:
            raise RegistryError(f"cannot {doing}: the answer is longer than {limit} bytes", status=response.status)
        del body[limit:]
    response.release_conn()
    return bytes(body)


def read_refusal(response: Response, url: str) -> Answer:
    """An answer that may be an error, with as much of its body as an error needs.

    Raises:
        LostError: The connection broke.
    """
    return Answer(response.status, response.headers, read_body(response, _ERROR_BYTES), url)
