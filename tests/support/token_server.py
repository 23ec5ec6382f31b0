"""A small token service for the tests, named a fake: it signs tokens that a real registry checks.

Registries allow their clock to differ by 60 s from the service's, so a token that shall end soon says it has ended.
"""

from __future__ import annotations

import base64
import datetime
import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509.oid import NameOID
from registry_fixture import PASSWORD, USERNAME, TokenRegistry, serve_registry

ISSUER = "test-issuer"
SERVICE = "test-registry"
IDENTITY_TOKEN = "refresh-me-1"  # of the test service only
_LEEWAY = 60


class TokenServer(ThreadingHTTPServer):
    """A token service.

    Attributes:
        life: Seconds for which the registry takes a token.
        announced: Seconds for which a token is said to last; ``None`` says nothing.
        granted: ``(method, user, scopes)`` of every token given.
        users: User names and passwords; nobody else may more than pull.
    """

    daemon_threads = True

    def __init__(self, users: dict[str, str]) -> None:
        self.users = users
        self.reset()
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "token service of the tests")])
        now = datetime.datetime.now(datetime.timezone.utc)
        self._certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        super().__init__(("127.0.0.1", 0), _Handler)

    def reset(self) -> None:
        """Back to long tokens, nothing granted."""
        self.life, self.announced = 300.0, 300.0
        self.granted: list[tuple[str, str, tuple[str, ...]]] = []

    @property
    def realm(self) -> str:
        """The URL tokens are asked for at."""
        return f"http://127.0.0.1:{self.server_address[1]}/token"

    @property
    def certificate(self) -> str:
        """PEM of the certificate a registry checks tokens with."""
        return self._certificate.public_bytes(serialization.Encoding.PEM).decode()

    def sign(self, user: str, scopes: list[str]) -> str:
        """A token for these scopes (a JSON Web Token, ES256)."""
        now = time.time()
        access = []
        for scope in scopes:
            kind, _, rest = scope.partition(":")
            name, _, actions = rest.rpartition(":")
            allowed = [action for action in actions.split(",") if user or action == "pull"]
            access.append({"type": kind, "name": name, "actions": allowed})
        claims = {
            "iss": ISSUER,
            "sub": user,
            "aud": SERVICE,
            "iat": int(now) - 2 * _LEEWAY,
            "nbf": int(now) - 2 * _LEEWAY,
            "exp": int(now + self.life) - _LEEWAY,
            "jti": uuid.uuid4().hex,
            "access": access,
        }
        chain = [base64.b64encode(self._certificate.public_bytes(serialization.Encoding.DER)).decode()]
        text = f"{_encode({'typ': 'JWT', 'alg': 'ES256', 'x5c': chain})}.{_encode(claims)}"
        r, s = utils.decode_dss_signature(self._key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{text}.{_base64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: TokenServer  # type: ignore[assignment]

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        user = ""
        header = self.headers.get("Authorization", "")
        if header:
            user, _, password = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
            if self.server.users.get(user) != password:
                self._send(401, {"errors": [{"code": "UNAUTHORIZED", "message": "wrong password"}]})
                return
        self._grant("GET", user, query.get("scope", []), "token")

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if form.get("grant_type") != ["refresh_token"] or form.get("refresh_token") != [IDENTITY_TOKEN]:
            self._send(401, {"error": "invalid_grant", "error_description": "unknown refresh token"})
            return
        self._grant("POST", "refreshed", form["scope"][0].split() if "scope" in form else [], "access_token")

    def _grant(self, method: str, user: str, scopes: list[str], key: str) -> None:
        server = self.server
        server.granted.append((method, user, tuple(scopes)))
        answer: dict[str, Any] = {key: server.sign(user, scopes)}
        if server.announced is not None:
            answer["expires_in"] = server.announced
        self._send(200, answer)

    def _send(self, status: int, answer: dict[str, Any]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def token_server(users: dict[str, str]) -> Iterator[TokenServer]:
    """Run a token service until the block ends."""
    with TokenServer(users) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def serve_token_registry() -> Iterator[TokenRegistry]:
    """Run a real registry that wants this service's tokens, which ``registry_fixture.USERNAME`` gets."""
    with token_server({USERNAME: PASSWORD}) as service:
        settings = (
            f"realm: '{service.realm}', service: {SERVICE}, issuer: {ISSUER}, rootcertbundle: '{{root}}/root.pem'"
        )
        with serve_registry(f"auth: {{token: {{{settings}}}}}\n", files={"root.pem": service.certificate}) as served:
            yield TokenRegistry(served.address, service)


def _encode(data: dict[str, Any]) -> str:
    return _base64(json.dumps(data).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
