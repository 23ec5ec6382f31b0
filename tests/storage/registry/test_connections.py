"""Exchanges of HTTP by connections that are kept, with servers that do what is allowed and what is not."""

from __future__ import annotations

import gc
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
import trustme
from blob_tools import fast, some_bytes
from hypothesis import given
from hypothesis import strategies as st
from scripted_server import Say, ScriptedServer, say, scripted_server

from kitops_core.errors import CancelledError
from kitops_core.events import Cancel, Control
from kitops_core.storage.registry.connections import ProxyError, Timeouts
from kitops_core.storage.registry.http_head import BadAnswerError, Head, Headers
from kitops_core.storage.registry.http_response import Response
from kitops_core.storage.registry.pool import Pools

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
SECONDS = Timeouts(5, 5, 5)


@pytest.fixture
def pools() -> Iterator[Pools]:
    pools = Pools(fast())
    yield pools
    pools.close()


def ask(
    pools: Pools,
    server: ScriptedServer,
    method: str = "GET",
    body: object = None,
    *,
    timeouts: Timeouts = SECONDS,
    control: Control | None = None,
    **headers: str,
) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    url = f"http://{server.address}/x"
    return pools.request(method, url, named, body, timeouts, control or Control())  # type: ignore[arg-type]


def all_of(response: Response, most: int = 1 << 20) -> bytes:
    body = b""
    while piece := response.read(most):
        body += piece
    response.close()
    return body


# --- what servers may do -----------------------------------------------------------------------------------------


def test_requests_share_a_connection(pools: Pools) -> None:
    with scripted_server(say(OK), say(OK), say(OK)) as server:
        assert [all_of(ask(pools, server)) for _ in range(3)] == [b"hi"] * 3
    assert server.connections == 1
    assert server.requests[0] == f"GET /x HTTP/1.1\r\nHost: {server.address}\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("method", "answer", "body"),
    [
        (
            "GET",
            [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1;x=y\r\ni\r\n0\r\nT: u\r\n\r\n"],
            b"hi",
        ),
        ("GET", [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n00000002\r\nhi\r\n0\r\n\r\n"], b"hi"),
        ("GET", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n" + OK], b"hi"),
        ("GET", [b"\r\n" + OK], b"hi"),
        ("GET", [bytes([byte]) for byte in OK], b"hi"),
        ("GET", [b"HTTP/1.1 200 OK\nContent-Length: 4\n\n\r\n\r\n"], b"\r\n\r\n"),
        ("HEAD", [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"], b""),
        ("GET", [b"HTTP/1.1 204 No Content\r\n\r\n"], b""),
        ("GET", [b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n"], b""),
        ("GET", [b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"], b""),
    ],
)
def test_every_way_to_end_an_answer_leaves_the_connection_to_the_next(
    pools: Pools, method: str, answer: list[bytes], body: bytes
) -> None:
    with scripted_server(say(*answer), say(OK)) as server:
        assert all_of(ask(pools, server, method)) == body
        assert all_of(ask(pools, server)) == b"hi"
    assert server.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        say(b"HTTP/1.1 200 OK\r\n\r\nhi", end=True),
        say(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi"),
        say(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi"),
        say(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"),
        say(OK + b"what nobody asked for"),
        say(OK, end=True),
    ],
    ids=["until the end", "1.0", "close", "two lengths", "too much", "ends after"],
)
def test_a_connection_that_cannot_be_used_again_is_not(pools: Pools, answer: Say) -> None:
    with scripted_server(answer, say(OK)) as server:
        assert all_of(ask(pools, server)) == b"hi"
        time.sleep(0.02)  # what else it sends arrives
        assert all_of(ask(pools, server)) == b"hi"
    assert server.connections == 2


def test_a_body_that_is_not_read_to_its_end_is_not_left_to_the_next(pools: Pools) -> None:
    with scripted_server(say(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde"), say(OK)) as server:
        response = ask(pools, server)
        assert response.read(2) == b"ab"
        response.close()
        assert all_of(ask(pools, server)) == b"hi"
    assert server.connections == 2


def test_a_server_may_answer_and_hang_up_before_it_has_the_body(pools: Pools) -> None:
    def body() -> Iterator[memoryview]:
        for _ in range(500):
            yield memoryview(bytes(65536))

    refusal = say(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno", after="head", end=True)
    with scripted_server(refusal, say(OK)) as server:
        timer = threading.Timer(0.1, lambda: server._open[0].close())
        timer.start()
        response = ask(pools, server, "PATCH", body(), Content_Length=str(500 * 65536))
        timer.join()
        assert response.status == 413
        response.close()
        assert all_of(ask(pools, server)) == b"hi"


def test_bodies_are_sent_as_their_fields_say(pools: Pools) -> None:
    large = some_bytes(200_000)
    pieces = [memoryview(b"ab"), memoryview(b""), memoryview(b"cde")]
    with scripted_server(*(say(OK) for _ in range(4))) as server:
        all_of(ask(pools, server, "PUT", b"small", Content_Length="5"))
        all_of(ask(pools, server, "PUT", large, Content_Length=str(len(large))))
        all_of(ask(pools, server, "PUT", iter(pieces), Content_Length="5"))
        all_of(ask(pools, server, "PUT", iter(pieces), Transfer_Encoding="chunked"))
        time.sleep(0.05)
    assert [request.partition(b"\r\n\r\n")[2] for request in server.requests[:3]] == [b"small", large, b"abcde"]
    assert server.connections == 1


def test_what_breaks_while_a_body_is_made_ends_the_connection(pools: Pools) -> None:
    def body() -> Iterator[memoryview]:
        yield memoryview(b"ab")
        raise LookupError

    with scripted_server(say(OK)) as server:
        with pytest.raises(LookupError):
            ask(pools, server, "PUT", body(), Content_Length="5")
        assert all_of(ask(pools, server)) == b"hi"
    assert server.connections == 2


@pytest.mark.filterwarnings("error")
def test_connections_that_nobody_closed_are_closed() -> None:
    with scripted_server(say(OK), say(OK)) as server:
        pools = Pools(fast())
        first, second = ask(pools, server), ask(pools, server)
        all_of(first)
        del pools, first, second
        gc.collect()


# --- what they may not -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        say(b"SSH-2.0-OpenSSH_9\r\n\r\n"),
        say(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
        say(b"HTTP/1.1 100 Continue\r\n\r\n" * 30),
        say(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 60_000),
        say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi"),
    ],
    ids=["ssh", "101", "interim for ever", "head for ever", "two lengths"],
)
def test_what_is_no_answer_is_refused(pools: Pools, answer: Say) -> None:
    with scripted_server(answer) as server, pytest.raises(BadAnswerError):
        ask(pools, server)


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nContent-"])
def test_a_connection_that_ends_before_an_answer_is_an_error(pools: Pools, sent: bytes) -> None:
    with scripted_server(say(sent, end=True)) as server, pytest.raises(ConnectionError):
        ask(pools, server)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", ConnectionError),
        (CHUNKED + b"9\r\nhi", ConnectionError),
        (CHUNKED + b"2\r\nhi\r\n", ConnectionError),
        (CHUNKED + b"2\r\nhi!\r\n", BadAnswerError),
        (CHUNKED + b"2\r\nhi\r\n-1\r\n\r\n", BadAnswerError),
        (CHUNKED + b"2\r\nhi\r\n" + b"0" * 20_000, BadAnswerError),
        (CHUNKED + b"2\r\nhi\r\n0\r\n" + b"a: b\r\n" * 200, BadAnswerError),
    ],
)
def test_an_answer_that_ends_early_gives_what_came_and_is_an_error(
    pools: Pools, body: bytes, error: type[Exception]
) -> None:
    with scripted_server(say(body, end=True)) as server:
        response = ask(pools, server)
        assert response.read(100)[:2] == b"hi"
        with pytest.raises(error):
            response.read(100)
        response.close()


def test_a_server_that_is_silent_is_waited_for_as_long_as_was_said(pools: Pools) -> None:
    with scripted_server(say()) as server, pytest.raises(TimeoutError):
        ask(pools, server, timeouts=Timeouts(5, 5, 0.05))


def test_who_was_cancelled_sends_nothing(pools: Pools) -> None:
    cancel = Cancel()
    cancel.cancel()
    with scripted_server(say(OK)) as server:
        with pytest.raises(CancelledError):
            ask(pools, server, control=Control(cancel=cancel))
        assert server.connections == 0


def test_who_is_cancelled_while_the_connection_is_made_sends_nothing(
    pools: Pools, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancel = Cancel()
    connect = socket.socket.connect

    def connect_late(sock: socket.socket, address: object) -> None:
        cancel.cancel()  # there is no connection yet that could be ended
        connect(sock, address)  # type: ignore[arg-type]

    with scripted_server(say(OK)) as server:
        monkeypatch.setattr(socket.socket, "connect", connect_late)
        with pytest.raises(CancelledError):
            ask(pools, server, control=Control(cancel=cancel))
    assert server.requests == []


def test_what_is_needed_next_is_imported_while_the_answer_is_on_its_way(pools: Pools) -> None:
    sys.modules.pop("this", None)
    control = Control()
    control.import_meanwhile("this")
    with scripted_server(say(OK), say(OK)) as server:
        with redirect_stdout(StringIO()):  # it says what Python is about
            all_of(ask(pools, server, control=control))
        del sys.modules["this"]
        all_of(ask(pools, server, control=control))  # once
    assert "this" not in sys.modules


# --- a body in any pieces ----------------------------------------------------------------------------------------


class _Pieces:
    """A connection that has what is left of an answer in pieces."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = [piece for piece in pieces if piece]
        self.kept = False

    def readinto(self, buffer: memoryview, /) -> int:
        if not self._pieces:
            return 0
        count = min(len(buffer), len(self._pieces[0]))
        buffer[:count] = self._pieces[0][:count]
        self._pieces[0] = self._pieces[0][count:]
        self._pieces = [piece for piece in self._pieces if piece]
        return count

    def readline(self, most: int) -> bytes:
        line, _, rest = b"".join(self._pieces).partition(b"\n")
        self._pieces = [rest] if rest else []
        return line.removesuffix(b"\r")

    def give_back(self) -> None:
        self.kept = True

    def close(self) -> None: ...

    def shut_down(self) -> None: ...


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.integers(1, 50), st.booleans(), st.data())
def test_a_body_is_the_same_in_whatever_pieces_it_comes_and_is_read(
    chunks: list[bytes], most: int, chunked: bool, data: st.DataObject
) -> None:
    body = b"".join(chunks)
    sent = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n" if chunked else body
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=5)))
    wire = _Pieces([sent[start:end] for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True)])
    headers = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(len(body))}
    response = Response("GET", Head(1, 200, Headers(headers.items())), wire)
    assert all_of(response, most) == body
    assert wire.kept


# --- TLS to a proxy ----------------------------------------------------------------------------------------------


@pytest.fixture
def authority(tmp_path: Path) -> tuple[trustme.CA, Path]:
    authority = trustme.CA()
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return authority, path


def server_context(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def test_what_tls_has_read_and_nobody_asked_for_is_not_taken_for_the_next_answer(
    authority: tuple[trustme.CA, Path],
) -> None:
    issuer, path = authority
    body = some_bytes(20_000)  # more than a record of TLS, so that the end of it is read exactly
    first = say(b"HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n" + body + OK.replace(b"hi", b"no"))
    with scripted_server(first, say(OK), tls=server_context(issuer, "127.0.0.1")) as server:
        pools = Pools(fast(ca_file=path))
        url = f"https://{server.address}/x"
        assert all_of(pools.request("GET", url, {}, None, SECONDS, Control())) == body
        assert all_of(pools.request("GET", url, {}, None, SECONDS, Control())) == b"hi"
        pools.close()
    assert server.connections == 2


def test_a_proxy_may_be_spoken_to_by_tls(authority: tuple[trustme.CA, Path]) -> None:
    issuer, path = authority
    with scripted_server(say(OK), tls=server_context(issuer, "127.0.0.1")) as server:
        pools = Pools(fast(proxy=f"https://me:secret@{server.address}", ca_file=path))
        assert all_of(pools.request("GET", "http://registry.example/x", {}, None, SECONDS, Control())) == b"hi"
        pools.close()
    assert server.requests[0].startswith(b"GET http://registry.example/x HTTP/1.1\r\nHost: registry.example\r\n")
    assert b"\r\nProxy-Authorization: Basic bWU6c2VjcmV0\r\n" in server.requests[0]


def test_a_proxy_that_refuses_a_tunnel_says_how(authority: tuple[trustme.CA, Path]) -> None:
    issuer, path = authority
    refusal = say(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")
    with scripted_server(refusal, tls=server_context(issuer, "127.0.0.1")) as server:
        pools = Pools(fast(proxy=f"https://{server.address}", ca_file=path))
        with pytest.raises(ProxyError) as caught:
            pools.request("GET", "https://registry.example/x", {}, None, SECONDS, Control())
        pools.close()
    assert caught.value.status == 407
    assert server.requests == [b"CONNECT registry.example:443 HTTP/1.1\r\nHost: registry.example:443\r\n\r\n"]
