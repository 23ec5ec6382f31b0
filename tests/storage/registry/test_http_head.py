"""Heads of HTTP messages: what is written, and how strictly what comes is read."""

from __future__ import annotations

import pytest

from kitops_core.errors import InvalidInputError
from kitops_core.storage.registry.http_head import (
    BadAnswerError,
    Server,
    body_length,
    read_head,
    request_head,
    split_url,
    stays_open,
)


def test_a_request_says_its_fields_one_a_line() -> None:
    head = request_head("PUT", "/v2/a?digest=x", {"Host": "h:5000", "Content-Length": "0"})
    assert head == b"PUT /v2/a?digest=x HTTP/1.1\r\nHost: h:5000\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize("value", ["token\n", "a\r\nX-Evil: 1", "a\0b", "s\u00fcss"])
def test_a_value_that_is_no_single_line_is_refused_and_not_repeated(value: str) -> None:
    with pytest.raises(InvalidInputError, match="Authorization") as caught:
        request_head("GET", "/", {"Authorization": value})
    assert value not in str(caught.value) + caught.value.hint


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="cannot be sent"):
        request_head("GET", "/", {"X: y\r\nEvil": "1"})


@pytest.mark.parametrize(
    ("url", "server", "target", "name"),
    [
        ("http://h/v2/", Server("http", "h", 80), "/v2/", "h"),
        ("http://H:5000", Server("http", "h", 5000), "/", "h:5000"),
        ("https://h:443/a?b=c", Server("https", "h", 443), "/a?b=c", "h"),
        ("https://h:80/a#part", Server("https", "h", 80), "/a", "h:80"),
        ("http://[::1]:5000/a", Server("http", "::1", 5000), "/a", "[::1]:5000"),
        ("https://[::1]/a", Server("https", "::1", 443), "/a", "[::1]"),
        ("https://b\u00fccher.example/", Server("https", "xn--bcher-kva.example", 443), "/", "xn--bcher-kva.example"),
        ("http://h/a%2Fb c?d=\"e'", Server("http", "h", 80), "/a%2Fb%20c?d=%22e'", "h"),
        ("http://h/\u00c3\u00bc", Server("http", "h", 80), "/%C3%BC", "h"),  # UTF-8, read as Latin-1
        ("http://h/\u4e2d", Server("http", "h", 80), "/%E4%B8%AD", "h"),
    ],
)
def test_a_url_says_whom_to_ask_for_what(url: str, server: Server, target: str, name: str) -> None:
    assert split_url(url) == (server, target)
    assert server.name == name


@pytest.mark.parametrize(
    "url", ["ftp://h/", "h:5000/a", "http:///a", "http://h:x/", "http://[::1/", "http://\u00fc..x/"]
)
def test_what_is_no_url_of_http_is_refused(url: str) -> None:
    with pytest.raises(InvalidInputError, match="http"):
        split_url(url)


def test_an_answers_fields_are_found_whatever_their_case() -> None:
    head = read_head(b"HTTP/1.1 200 OK\r\nLink: <a>\r\nlink:<b>\r\nX-Empty:\r\nFolded: a\r\n  b\r\nServer: \xfc")
    assert (head.minor, head.status) == (1, 200)
    assert head.headers.lines("LINK") == ["<a>", "<b>"]
    assert dict(head.headers) == {"link": "<a>, <b>", "x-empty": "", "folded": "a b", "server": "\u00fc"}
    assert head.headers.get("none", "else") == "else"
    assert "Link" in head.headers
    assert "none" not in head.headers


@pytest.mark.parametrize("raw", [b"HTTP/1.0 404", b"HTTP/1.1 404 Not Found\nA: b"])
def test_a_status_without_a_reason_and_lines_without_carriage_returns_are_read(raw: bytes) -> None:
    assert read_head(raw).status == 404


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"200 OK", b"HTTP/2 200", b"HTTP/1.1 20", b"HTTP/1.1 099 x", b"HTTP/1.1 2000", b"SSH-2.0-OpenSSH_9"),
        *(b"HTTP/1.1 200 OK\r\nno colon", b"HTTP/1.1 200 OK\r\nName : x", b"HTTP/1.1 200 OK\r\n: x"),
        *(b"HTTP/1.1 200 OK\r\nA: b\rC: d", b"HTTP/1.1 200 OK\r\nA: \0", b"HTTP/1.1 200 OK\r\n folded first"),
    ],
)
def test_what_is_no_head_is_refused(raw: bytes) -> None:
    with pytest.raises(BadAnswerError):
        read_head(raw)


@pytest.mark.parametrize(
    ("method", "raw", "length", "stays"),
    [
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 5", 5, True),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5", 5, True),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: Upgrade, close", 5, False),
        ("GET", b"HTTP/1.0 200 OK\r\nContent-Length: 5", 5, False),
        ("GET", b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: Keep-Alive", 5, True),
        ("GET", b"HTTP/1.1 200 OK", None, True),
        ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked", -1, True),
        ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5", -1, False),
        ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 5", 5, False),
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5", 0, True),
        ("HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", 0, True),
        ("GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 5", 0, True),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5", 0, True),
    ],
)
def test_how_long_a_body_is_and_what_becomes_of_the_connection(
    method: str, raw: bytes, length: int | None, stays: bool
) -> None:
    head = read_head(raw)
    assert body_length(method, head) == length
    assert stays_open(head) is stays


@pytest.mark.parametrize(
    "field",
    [
        *(b"Content-Length: 5, 6", b"Content-Length: -1", b"Content-Length: \xb2", b"Content-Length: 0x5"),
        *(b"Content-Length:", b"Content-Length: 9999999999999999999", b"Content-Length: 5\r\nContent-Length: 6"),
        *(b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: chunked, chunked"),
    ],
)
def test_a_body_whose_length_nobody_can_tell_is_refused(field: bytes) -> None:
    with pytest.raises(BadAnswerError):
        body_length("GET", read_head(b"HTTP/1.1 200 OK\r\n" + field))
