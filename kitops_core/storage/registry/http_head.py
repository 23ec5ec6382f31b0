"""Heads of HTTP/1.1 messages (RFC 9112): those of requests written, those of answers read, strictly and in few steps.

Most requests to a registry have small bodies or none, and a kit of many layers takes hundreds: what a general client
does for each of them was a quarter of our processor time, and importing it half of a small command's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from kitops_core.errors import InvalidInputError

MOST_HEAD_BYTES = 256 * 1024
"""How long a head may be; servers in use send at most a few KiB."""
_ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_NAME = f"{_ALPHANUMERIC}!#$%&'*+-.^_`|~"  # what a field's name is made of (RFC 9110, 5.6.2)
_SAFE = "%/:;=@!$&'()*+,-._~"  # what may stand in a path as it is (RFC 3986, 3.3), and what is quoted already
_DEFAULT_PORTS = {"http": 80, "https": 443}


class BadAnswerError(Exception):
    """What came is no answer as HTTP has it."""


class Headers(Mapping[str, str]):
    """Fields by name, whatever its case.

    Args:
        fields: Names and values in order; those of one name are joined by commas where they are asked for as one.
    """

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._lines: dict[str, list[str]] = {}
        for name, value in fields:
            self._lines.setdefault(name.lower(), []).append(value)

    def __getitem__(self, name: str) -> str:
        return ", ".join(self._lines[name.lower()])

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._lines

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)

    def lines(self, name: str) -> list[str]:
        """The values of a field, one for each line it stood on."""
        return self._lines.get(name.lower(), [])


class Head(NamedTuple):
    """The head of an answer.

    Attributes:
        minor: The server's HTTP version is 1 dot this.
        status: The status, from 100 to 999.
        headers: The fields.
    """

    minor: int
    status: int
    headers: Headers


class Server(NamedTuple):
    """Whom a request goes to, as the URL says it.

    Attributes:
        scheme: ``http`` or ``https``.
        host: The name or address, an IPv6 address without brackets.
        port: The port.
    """

    scheme: str
    host: str
    port: int

    @property
    def address(self) -> str:
        """Host and port, as a tunnel is asked for."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def name(self) -> str:
        """What the ``Host`` field says: signatures of object stores leave out the default port."""
        return self.address.rpartition(":")[0] if self.port == _DEFAULT_PORTS[self.scheme] else self.address


def split_url(url: str) -> tuple[Server, str]:
    """Whom a URL leads to, and what is asked for there: its path and query, quoted where that was forgotten.

    Raises:
        InvalidInputError: It is no URL of HTTP.
    """
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, parts.hostname, parts.port
        if host and not host.isascii():
            host = host.encode("idna").decode()
    except ValueError:  # which a name is called, too, that has no other form
        scheme, host, port = "", None, None
    if scheme not in _DEFAULT_PORTS or not host:
        raise InvalidInputError("a request needs a URL with http or https, and a host")
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    if target.strip(f"{_ALPHANUMERIC}{_SAFE}?"):
        # A server's fields are read as Latin-1, so that its own bytes come back here.
        target = quote(target.encode("latin-1" if max(target) < "\u0100" else "utf-8"), safe=f"{_SAFE}?")
    return Server(scheme, host, _DEFAULT_PORTS[scheme] if port is None else port), target


def request_head(method: str, target: str, headers: Mapping[str, str]) -> bytes:
    """The bytes of a request up to its body.

    Raises:
        InvalidInputError: A field is none that can be sent; its value is not part of the message.
    """
    lines = [f"{method} {target} HTTP/1.1"]
    for name, value in headers.items():
        if not _is_name(name) or not value.isprintable() or not value.isascii():
            raise InvalidInputError(
                f"the header '{name if _is_name(name) else '?'}' cannot be sent: it has a line break in it, "
                "or what is no printable ASCII",
                hint="tokens and passwords from files may end with a line break: strip it",
            )
        lines.append(f"{name}: {value}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


def read_head(raw: bytes) -> Head:
    """A head, without the empty line that ends it.

    Raises:
        BadAnswerError: It is none.
    """
    text = raw.decode("latin-1").replace("\r\n", "\n").rstrip("\r")
    first, *lines = text.split("\n")
    version, _, rest = first.partition(" ")
    status = rest.partition(" ")[0]
    if version[:7] != "HTTP/1." or not _is_number(version[7:], 1) or not _is_number(status, 3) or status[0] == "0":
        raise BadAnswerError("the server does not speak HTTP")
    if "\r" in text or "\0" in text:
        raise BadAnswerError("the head of the server's answer has a character that none has")
    fields: list[tuple[str, str]] = []
    for line in lines:
        if line[:1] in (" ", "\t") and fields:  # a value that goes on, as old servers have them
            name, value = fields[-1]
            fields[-1] = name, f"{value} {line.strip()}"
            continue
        name, colon, value = line.partition(":")
        if not colon or not _is_name(name):
            raise BadAnswerError("a field of the server's answer has no name")
        fields.append((name, value.strip(" \t")))
    return Head(int(version[7:]), int(status), Headers(fields))


def body_length(method: str, head: Head) -> int | None:
    """How many bytes of body follow a head; ``-1`` for chunks, ``None`` for all until the connection ends.

    Raises:
        BadAnswerError: Its fields do not say, or say two things.
    """
    headers = head.headers
    if method == "HEAD" or head.status in (204, 304):
        return 0
    coding = headers.get("transfer-encoding", "").lower()
    if coding == "chunked":
        return -1
    if coding not in ("", "identity"):
        raise BadAnswerError("the server's answer has an encoding that was not asked for")
    if "content-length" not in headers:
        return None
    lengths = {length.strip() for length in headers["content-length"].split(",")}
    length = lengths.pop()
    if lengths or not (length.isascii() and length.isdecimal()) or len(length) > 18:
        raise BadAnswerError("the server's answer has no length that makes sense")
    return int(length)


def stays_open(head: Head) -> bool:
    """Whether a server takes another request on the connection of an answer whose length it said."""
    words = [word.strip() for word in head.headers.get("connection", "").lower().split(",")]
    if "transfer-encoding" in head.headers and "content-length" in head.headers:
        return False  # RFC 9112, 6.3: perhaps somebody in between reads it differently
    return "close" not in words and (head.minor >= 1 or "keep-alive" in words)


def _is_name(text: str) -> bool:
    return text != "" and not text.strip(_NAME)


def _is_number(text: str, digits: int) -> bool:
    return len(text) == digits and text.isascii() and text.isdecimal()
