"""What went wrong, from an answer or a broken connection to a typed error that says what to do."""

from __future__ import annotations

import errno
import re
import socket
import sys
import time
from collections.abc import Mapping
from typing import NamedTuple

from kitops_core.errors import (
    ConflictError,
    DeniedError,
    IntegrityError,
    KitOpsError,
    NotFoundError,
    RegistryError,
)
from kitops_core.storage.registry.connections import ProxyError
from kitops_core.storage.registry.http_head import BadAnswerError
from kitops_core.storage.registry.redact import clean_text

RETRY_STATUSES = (408, 429, 500, 502, 503, 504)
_LONGEST_RETRY_AFTER = 24 * 3600.0
_WARNING = r'299\s+\S+\s+"((?:[^"\\]|\\.)*)"'


class LostError(Exception):
    """No answer came: the connection could not be made, or broke.

    Attributes:
        problem: What happened, in a few words.
        hint: What to do if it stays so.
        lasting: Whether it stays so, and trying again cannot help.
    """

    def __init__(self, problem: str, hint: str = "", *, lasting: bool = False) -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint
        self.lasting = lasting

    def error(self, doing: str) -> RegistryError:
        """The error to raise once trying again has not helped; ``doing`` is what could not be done."""
        return RegistryError(f"cannot {doing}: {self.problem}", hint=self.hint)


class RefusedDigestError(IntegrityError):
    """The registry says that the bytes it was sent do not have the digest they were sent with."""


def lost(error: Exception) -> LostError:
    """Read an exception of a connection."""
    causes = [error]
    while isinstance(cause := causes[-1].__cause__, Exception) and cause not in causes:
        causes.append(cause)
    ssl = sys.modules.get("ssl")  # whoever speaks plain HTTP does without
    for cause in causes:
        if ssl is not None and isinstance(cause, ssl.SSLCertVerificationError):
            problem = f"the server's certificate is not trusted ({cause.verify_message.rstrip('.')})"
            return LostError(problem, "name its certificate authority with ca_file, or correct the host", lasting=True)
        if isinstance(cause, socket.gaierror):
            temporary = cause.errno == socket.EAI_AGAIN
            return LostError("the host name is not known", "check the name", lasting=not temporary)
        if isinstance(cause, BadAnswerError):
            return LostError(str(cause), "check that the host is a registry, and whether it speaks TLS")
        if isinstance(cause, ProxyError) and 400 <= cause.status < 500:
            reason = "the proxy refused" + (" (407)" if cause.status == 407 else "")
            return LostError(reason, "check the proxy's URL, user and password", lasting=True)
        if isinstance(cause, ProxyError) and cause.status:
            return LostError(str(cause))
    text = " ".join(map(str, causes))
    if "WRONG_VERSION_NUMBER" in text or "RECORD_LAYER_FAILURE" in text or "HTTP_REQUEST" in text:
        return LostError("the server does not speak TLS", "use plain HTTP (plain_http) if that is meant", lasting=True)
    if "CERTIFICATE_REQUIRED" in text or "HANDSHAKE_FAILURE" in text or "BAD_CERTIFICATE" in text:
        return LostError(
            "the server refused the TLS handshake", "it may want a client certificate (client_cert)", lasting=True
        )
    via = "the proxy: " if any(isinstance(cause, ProxyError) for cause in causes) else ""
    for cause in causes:
        if isinstance(cause, ConnectionRefusedError):
            return LostError(f"{via}the connection was refused", "check host and port, and that it is running")
        if isinstance(cause, TimeoutError):
            return LostError(f"{via}no answer came in time", "raise the timeout if it is just slow")
    number = next((cause.errno for cause in causes if isinstance(cause, OSError) and cause.errno), None)
    reason = errno.errorcode.get(number, "") if number else ""
    return LostError(f"{via}the connection broke" + (f" ({reason})" if reason else ""))


class Problem(NamedTuple):
    """What an answer with an error says.

    Attributes:
        status: The HTTP status.
        code: The first OCI error code, or an empty string.
        words: The registry's message and detail, cleaned, or an empty string.
    """

    status: int
    code: str
    words: str

    def __str__(self) -> str:
        return " ".join(filter(None, (str(self.status), self.code, f"({self.words})" if self.words else "")))


def read_problem(status: int, headers: Mapping[str, str], body: bytes) -> Problem:
    """Read the distribution spec's error JSON; what is not JSON is named, not quoted."""
    import json

    try:
        first = json.loads(body)["errors"][0]
        code, message, detail = str(first.get("code") or ""), first.get("message"), first.get("detail")
        told = [message] if isinstance(message, str) and message else []
        if detail and detail != message:
            told.append(detail if isinstance(detail, str) else json.dumps(detail, ensure_ascii=False))
        return Problem(status, clean_text(code), clean_text(": ".join(told)))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        pass
    if "html" in headers.get("content-type", "") or body.lstrip()[:1] == b"<":
        return Problem(status, "", "an HTML page, not a registry's answer")
    return Problem(status, "", clean_text(body[:1000].decode(errors="replace")))


def failure(doing: str, problem: Problem, login_hint: str = "") -> KitOpsError:
    """The typed error for an answer nobody expected to ``doing``."""
    text = f"cannot {doing}: the server answered {problem}"
    status, code = problem.status, problem.code
    if 400 <= status < 500 and "immutab" in f"{code} {problem.words}".lower():  # ECR says 400, Harbor 412, others 403
        return ConflictError(text, hint="the tag is immutable there: use a new tag")
    if status in (401, 403):
        return DeniedError(text, hint=login_hint)
    if status == 404:
        return NotFoundError(text)
    if code == "DIGEST_INVALID":
        return RefusedDigestError(text, hint="the bytes changed on the way, or a proxy altered them; try again")
    if status in (409, 412) or "alreadyexists" in code.lower():
        return ConflictError(text, hint="the tag may be immutable there: use a new tag")
    if code == "TAG_INVALID":  # some registries take no tag that looks like a digest
        return DeniedError(text, hint="its rules for names of tags are stricter than OCI's: change them, or the tag")
    return RegistryError(text, status=status, code=code, hint=_hint(problem))


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds the server asks us to wait (RFC 9110, 10.2.3: a number or a date), at most a day; 0 where not."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return 0.0
    if value.isdecimal():
        return min(float(value), _LONGEST_RETRY_AFTER)
    from email.utils import parsedate_to_datetime  # few say a date, and it takes the parser of mails along

    try:
        seconds = parsedate_to_datetime(value).timestamp() - time.time()
    except (TypeError, ValueError, IndexError, OverflowError):
        return 0.0
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER)


def read_warnings(lines: list[str]) -> list[str]:
    """The texts of ``Warning: 299`` headers, which registries use to tell people something."""
    return [clean_text(text.replace('\\"', '"')) for line in lines for text in re.findall(_WARNING, line)]


def _hint(problem: Problem) -> str:
    if problem.status == 429:
        return "the registry limits requests: log in for a higher limit, or try again later"
    if problem.status == 413:
        return "the registry, or a proxy before it, limits how large an upload may be"
    if "HTTP request to an HTTPS server" in problem.words:
        return "it speaks TLS: set plain_http to false"
    if "HTML" in problem.words:
        return "check that the host is a registry, and that no proxy or login page answers in its place"
    if problem.status in RETRY_STATUSES:
        return "the registry has a problem of its own; try again later"
    return ""
