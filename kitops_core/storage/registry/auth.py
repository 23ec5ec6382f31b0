"""Who we are to a registry: Basic, and bearer tokens by scope as in the distribution project's token protocol.

A token is asked for with the scopes one request needs, kept for just those, renewed shortly before it ends and
whenever a registry does not take it any more. Nothing here is ever sent to another host than the registry and the
token service it names.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import urlencode, urlsplit

from kitops_core.errors import DeniedError, RegistryError
from kitops_core.events import Control
from kitops_core.storage.registry.hosts import is_loopback
from kitops_core.storage.registry.options import RegistryOptions
from kitops_core.storage.registry.redact import clean_text, redact_url

if TYPE_CHECKING:
    from kitops_core.storage.registry.challenge import Challenge
    from kitops_core.storage.registry.credentials import Credential, Lookup

DEFAULT_TOKEN_SECONDS = 60
_CLIENT_ID = "kitops-core"
_POLL_SECONDS = 0.05


class Access(NamedTuple):
    """What a request wants to do, and where.

    Attributes:
        registry: Host and port.
        repository: The repository whose credentials are used; empty for the registry as a whole.
        scopes: Scopes such as ``repository:models/fraud:pull,push``.
    """

    registry: str
    repository: str = ""
    scopes: tuple[str, ...] = ()


class TokenService(Protocol):
    """Sends one request to a token service, with the transport's retries."""

    def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, registry: str, control: Control
    ) -> tuple[int, bytes]:
        """Status and body of the answer."""


@dataclass(frozen=True)
class _Token:
    """A token, for how many seconds it is, and when on the monotonic clock it ends."""

    value: str
    seconds: float
    expires: float

    def lasts(self, seconds: float) -> bool:
        # A token that lives shorter than asked for is renewed for each long request, not for every one.
        return self.expires - time.monotonic() > min(seconds, self.seconds * 0.75)


class Authenticator:
    """The ``Authorization`` headers of one client; safe to use from several threads."""

    def __init__(self, options: RegistryOptions, service: TokenService) -> None:
        self._options = options
        self._service = service
        self._lock = threading.RLock()
        self._lookups: dict[tuple[str, str], Lookup] = {}
        self._challenges: dict[str, Challenge] = {}
        self._wanted: dict[Access, tuple[str, ...]] = {}
        self._tokens: dict[tuple[str, str, tuple[str, ...]], _Token] = {}
        self._renewed: dict[Credential, str] = {}

    def header(self, access: Access, control: Control, lasting: float = 5.0) -> str:
        """The header to send with a request, or an empty string while the registry has not asked for any.

        Args:
            access: What the request wants to do.
            control: What ends waiting for a token, and hears of it.
            lasting: Seconds a bearer token should still be good for.

        Raises:
            DeniedError: The token service refused.
            RegistryError: It could not be reached, or gave no token.
            CancelledError: The switch was flipped.
        """
        try:
            return self._header(access, control, lasting)
        except DeniedError:  # by the token service
            if not self.renew(access, control):
                raise
            return self._header(access, control, lasting)

    def _header(self, access: Access, control: Control, lasting: float) -> str:
        if self._options.token:
            return f"Bearer {self._options.token}"
        challenge = self._challenges.get(access.registry)
        if challenge is None:
            return ""
        with self._locked(control):
            credential = self._lookup(access).credential
            if credential is not None and credential.registry_token:
                return f"Bearer {credential.registry_token}"
            if challenge.scheme == "bearer":
                return f"Bearer {self._token(access, challenge, credential, lasting, control)}"
            if credential is not None:
                return f"Basic {encode_basic(credential.username, credential.password)}"
            return self._ecr(access, challenge)

    def asked(self, registry: str) -> str:
        """What a registry that was talked to asks for: ``basic``, ``bearer``, or an empty string for nothing."""
        challenge = self._challenges.get(registry)
        return challenge.scheme if challenge else ""

    def challenged(self, access: Access, headers: Iterable[str], sent: str, control: Control) -> bool:
        """Learn from a 401; true when asking again can help.

        Args:
            access: What the request wanted to do.
            headers: The ``WWW-Authenticate`` lines of the answer; where there are none, what the registry asked
                for before still holds.
            sent: The header that was not good enough, or an empty string.
            control: What ends waiting for a token, and hears of it.
        """
        from kitops_core.storage.registry.challenge import parse_challenges  # most registries never ask

        challenges = [c for c in parse_challenges(headers) if c.scheme == "basic" or "realm" in c.parameters]
        known = next((c for scheme in ("bearer", "basic") for c in challenges if c.scheme == scheme), None)
        with self._locked(control):
            if known is not None:
                self._challenges[access.registry] = known
                asked = known.parameters.get("scope", "").split()
                wanted = merge_scopes(asked, access.scopes)
                if wanted != merge_scopes((), access.scopes):
                    self._wanted[access] = wanted
            stale = [key for key, token in self._tokens.items() if sent.endswith(f" {token.value}")]
            for key in stale:
                del self._tokens[key]
            if access.registry not in self._challenges:
                return False
            return self.header(access, control) not in ("", sent) or bool(sent and self.renew(access, control))

    def renew(self, access: Access, control: Control) -> bool:
        """Look for the credentials once more, after they were refused; true where there are others now.

        A run that lasts longer than its credentials goes on with those that replaced them.
        """
        from kitops_core.storage.registry.credentials import find_credential

        with self._locked(control):
            options = self._options
            if options.renew is not None:
                found = options.renew()
                names = ("origin", "username", "password", "token", "identity_token")
                options = replace(options, **{name: getattr(found, name) for name in names})
            lookup = find_credential(access.registry, access.repository, options)
            if lookup.credential == self._lookup(access).credential:
                return False
            self._options = options
            self._lookups = {(access.registry, access.repository): lookup}
            self._tokens.clear()
            return True

    def hint(self, access: Access) -> str:
        """What a user can do after the registry refused."""
        with self._lock:
            lookup = self._lookup(access)
        notes = "; ".join(lookup.notes)
        if lookup.credential is None:
            advice = f"no credentials were found: log in with `kitops login {access.registry}`"
        else:
            advice = f"the credentials of {lookup.credential.source} were used: check them and the rights they give"
        return f"{advice} ({notes})" if notes else advice

    @contextmanager
    def _locked(self, control: Control) -> Iterator[None]:
        """Hold the lock; who has it may wait for a token service that is away, and must not keep others from ending."""
        while not self._lock.acquire(timeout=_POLL_SECONDS):
            control.check()
        try:
            yield
        finally:
            self._lock.release()

    def _lookup(self, access: Access) -> Lookup:
        key = (access.registry, access.repository)
        if key not in self._lookups:
            from kitops_core.storage.registry.credentials import find_credential  # open registries do without

            self._lookups[key] = find_credential(access.registry, access.repository, self._options)
        return self._lookups[key]

    def _token(
        self, access: Access, challenge: Challenge, credential: Credential | None, lasting: float, control: Control
    ) -> str:
        realm, service = challenge.parameters["realm"], challenge.parameters.get("service", "")
        scopes = self._wanted.get(access) or merge_scopes((), access.scopes)
        key = (realm, service, scopes)
        token = self._tokens.get(key)
        if token is None or not token.lasts(lasting):
            self._check_realm(access.registry, realm)
            token = self._fetch(access, realm, service, scopes, credential, control)
            self._tokens[key] = token
        return token.value

    def _fetch(
        self,
        access: Access,
        realm: str,
        service: str,
        scopes: tuple[str, ...],
        credential: Credential | None,
        control: Control,
    ) -> _Token:
        asked = time.monotonic()
        if credential is not None and credential.identity_token:
            form = {
                "grant_type": "refresh_token",
                "client_id": _CLIENT_ID,
                "service": service,
                "scope": " ".join(scopes),
                "refresh_token": self._renewed.get(credential, credential.identity_token),
            }
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            form_body = urlencode(form).encode()
            status, body = self._service("POST", realm, headers, form_body, access.registry, control)
        else:
            query = urlencode([("service", service)] * bool(service) + [("scope", scope) for scope in scopes])
            url = realm + ("&" if urlsplit(realm).query else "?") + query if query else realm
            headers = {}
            if credential is not None:
                headers["Authorization"] = f"Basic {encode_basic(credential.username, credential.password)}"
            status, body = self._service("GET", url, headers, None, access.registry, control)
        where = f"the token service {redact_url(realm)} of {access.registry}"
        if status in (400, 401, 403):
            raise DeniedError(f"{where} refused ({status}): {_words(body)}", hint=self.hint(access))
        answer = _json(body)
        value = answer.get("token") or answer.get("access_token")
        if status != 200 or not isinstance(value, str):
            raise RegistryError(f"{where} gave no token ({status}): {_words(body)}", status=status)
        renewed = answer.get("refresh_token")
        if credential is not None and credential.identity_token and isinstance(renewed, str) and renewed:
            self._renewed[credential] = renewed
        seconds = answer.get("expires_in")
        life = float(seconds) if isinstance(seconds, (int, float)) and seconds > 0 else DEFAULT_TOKEN_SECONDS
        return _Token(value, life, asked + life)

    def _ecr(self, access: Access, challenge: Challenge) -> str:
        from kitops_core.storage.registry.ecr import ECR_TOKEN_SECONDS, ecr_authorization, is_ecr

        if not is_ecr(access.registry, challenge):
            return ""
        key = (access.registry, "ecr", ())
        token = self._tokens.get(key)
        if token is None or not token.lasts(60):
            value = ecr_authorization(access.registry, challenge)
            token = _Token(value, ECR_TOKEN_SECONDS, time.monotonic() + ECR_TOKEN_SECONDS)
            self._tokens[key] = token
        return f"Basic {token.value}"

    def _check_realm(self, registry: str, realm: str) -> None:
        parts = urlsplit(realm)
        plain = parts.scheme == "http" and (is_loopback(parts.netloc) or self._options.plain_http is True)
        if parts.scheme != "https" and not plain:
            raise RegistryError(
                f"{registry} names a token service that is not reached over TLS: '{redact_url(realm)}'",
                hint="credentials are not sent there; set plain_http only where the network can be trusted",
            )


def encode_basic(username: str, password: str) -> str:
    """``user:password`` in base64, as the Basic scheme and the entries of credential files have it."""
    from base64 import b64encode  # open registries do without

    return b64encode(f"{username}:{password}".encode()).decode()


def merge_scopes(first: Iterable[str], second: Iterable[str]) -> tuple[str, ...]:
    """Both sets of scopes with each resource once; those of ``first`` come first, for servers that read only one."""
    merged: dict[str, dict[str, None]] = {}
    for scope in (*first, *second):
        resource, _, actions = scope.rpartition(":")
        merged.setdefault(resource, {}).update(dict.fromkeys(actions.split(",")))
    return tuple(f"{resource}:{','.join(actions)}" for resource, actions in merged.items())


def _json(body: bytes) -> dict[str, Any]:
    import json

    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _words(body: bytes) -> str:
    """The reason in a token service's answer; never its raw bytes, which might hold a token."""
    answer = _json(body)
    errors = answer.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else answer
    reason = first.get("message") or first.get("error_description") or first.get("details") or first.get("error")
    return clean_text(reason) if isinstance(reason, str) and reason else "no reason given"
