"""How to talk to a registry, as data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from kitops_core.errors import InvalidInputError


@dataclass(frozen=True)
class RegistryOptions:
    """How to talk to one registry; the credentials in it are for that registry only.

    Which registry that is, :class:`~kitops_core.registries.Registries` says.

    Attributes:
        plain_http: Whether to use plain HTTP; ``None`` means only for a loopback host, and there only where
            neither ``ca_file`` nor ``client_cert`` is given.
        tls_verify: Whether to check the registry's certificate.
        ca_file: PEM file of certificate authorities to trust besides the system's.
        client_cert: PEM file of a client certificate (with its chain, and perhaps its key).
        tls_key: PEM file of its key, where ``client_cert`` does not hold it.
        proxy: URL of a proxy; empty means what ``HTTPS_PROXY``, ``HTTP_PROXY`` and
            ``NO_PROXY`` say.
        origin: Where the credentials come from, as an error calls it.
        username: User name; together with ``password`` it comes before any credential file.
        password: Password or access token of ``username``.
        token: Bearer token sent to the registry as it is.
        identity_token: OAuth2 refresh token, exchanged for bearer tokens where the registry says.
        credential_files: Docker or Podman credential files to look into before the usual ones.
        renew: Asked once more for the options when the registry refuses the credentials in them, from any thread: they
            may have been renewed meanwhile. Only the credentials of its answer are taken. Credential files and helpers
            are asked again in any case.
        connect_timeout: Seconds to wait for a connection.
        timeout: Seconds to wait while no byte moves. A registry gets five times as long to store a whole blob.
        keep_trying: Seconds a registry is waited for that refuses or drops connections, or answers that it cannot
            now (408, 429, 5xx); 0 asks once.
        backoff: Upper bound of the first wait in between, in seconds; it doubles each time, up to 10 s. A registry
            that asks for longer waits (``Retry-After``) gets them.
        settle: Seconds to leave a tag to another writer who claims it too, and to watch it after it was written
            likewise, so that of two writers at once the one that lost is told. Every writer of a tag must use about
            the same, and more than it takes from looking at a tag to having written it.
    """

    plain_http: bool | None = None
    tls_verify: bool = True
    ca_file: Path | None = None
    client_cert: Path | None = None
    tls_key: Path | None = None
    proxy: str = field(default="", repr=False)
    origin: str = "the options"
    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    credential_files: tuple[Path, ...] = ()
    renew: Callable[[], RegistryOptions] | None = field(default=None, repr=False, compare=False)
    connect_timeout: float = 10.0
    timeout: float = 60.0
    keep_trying: float = 300.0
    backoff: float = 0.5
    settle: float = 1.0

    def __post_init__(self) -> None:
        if bool(self.username) != bool(self.password):
            missing = "password" if self.username else "username"
            raise InvalidInputError(f"registry options: {missing} is missing", hint="give both, or neither")
        if self.tls_key and not self.client_cert:
            raise InvalidInputError("registry options: tls_key is given without client_cert")
        if self.timeout <= 0 or self.connect_timeout <= 0 or self.settle <= 0:
            raise InvalidInputError("registry options: timeouts and settle must be positive")
        if self.keep_trying < 0 or self.backoff <= 0:
            raise InvalidInputError("registry options: keep_trying must not be negative, and backoff must be positive")

    @property
    def has_credentials(self) -> bool:
        """Whether they name someone, so that they can be for one registry only."""
        return bool(self.username or self.token or self.identity_token)
