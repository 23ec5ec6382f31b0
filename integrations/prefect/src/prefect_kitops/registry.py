"""The block that says how to talk to one registry: who we are there, certificates, proxy, patience."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from prefect.blocks.abstract import CredentialsBlock
from pydantic import ConfigDict, Field, HttpUrl, SecretStr, model_validator

if TYPE_CHECKING:
    from typing_extensions import Self

    import kitops_core as kitops

DOCUMENTATION_URL = HttpUrl("https://kitops.org")
LOGO_URL = HttpUrl("https://github.com/kitops-ml.png")
STRICT = ConfigDict(extra="forbid", hide_input_in_errors=True)
"""A field that is misspelt is an error where the block is made, and what it was given, maybe a secret, is not shown."""


class OCIRegistry(CredentialsBlock):
    """One OCI registry: its host, who we are there, and how it is talked to. No other host is sent what is in it.

    Without credentials, the files and helpers that ``docker login`` and ``kitops login`` wrote are used, and for Amazon
    ECR the AWS account at hand (install ``prefect-kitops[ecr]``). Files are those of the machine where a run takes
    place.

    Attributes:
        host: Host and port of the registry.
        username: User name at the registry.
        password: Password or access token of the user.
        token: Bearer token, sent as it is.
        identity_token: OAuth2 refresh token, exchanged for bearer tokens.
        credential_files: Credential files of Docker or Podman.
        plain_http: Whether the registry speaks HTTP.
        tls_verify: Whether its certificate is checked.
        ca_file: Certificate authorities to trust.
        client_cert: Client certificate.
        tls_key: Key of the client certificate.
        proxy: Address of a proxy.
        connect_timeout: Seconds to wait for a connection.
        timeout: Seconds to wait while no byte moves.
        keep_trying: Seconds a registry that is away is waited for.
        backoff: Upper bound of the first wait in between.
        settle: Seconds a tag is watched after it was swapped.
        signer: The private key that signs kits, what is said about them, and the records of their promotions.

    Example:
        Load a stored registry and pack into it:
        ```python
        from prefect_kitops import OCIRegistry, pack_modelkit

        registry = OCIRegistry.load("BLOCK_NAME")
        pack_modelkit("./my-model", f"{registry.host}/ml/churn:dev", registry=registry)
        ```
    """

    model_config = STRICT
    _block_type_name: ClassVar[str | None] = "OCI Registry"
    _block_type_slug: ClassVar[str | None] = "oci-registry"
    _logo_url: ClassVar[HttpUrl | None] = LOGO_URL
    _documentation_url: ClassVar[HttpUrl | None] = DOCUMENTATION_URL

    host: str = Field(description="Host and port of the registry, such as registry.example.com.")
    username: str = Field(default="", description="User name at the registry.")
    password: SecretStr | None = Field(default=None, description="Password or access token of the user.")
    token: SecretStr | None = Field(default=None, description="Bearer token, sent to the registry as it is.")
    identity_token: SecretStr | None = Field(
        default=None, description="OAuth2 refresh token, exchanged for bearer tokens where the registry says."
    )
    credential_files: list[str] = Field(
        default_factory=list, description="Credential files of Docker or Podman to look into before the usual ones."
    )
    plain_http: bool | None = Field(
        default=None, description="Whether the registry speaks HTTP; by default only one on the same machine does."
    )
    tls_verify: bool = Field(default=True, description="Whether the registry's certificate is checked.")
    ca_file: str = Field(default="", description="PEM file of certificate authorities to trust besides the system's.")
    client_cert: str = Field(default="", description="PEM file of a client certificate.")
    tls_key: str = Field(default="", description="PEM file of the client certificate's key.")
    proxy: SecretStr | None = Field(
        default=None, description="Address of a proxy; by default what HTTPS_PROXY, HTTP_PROXY and NO_PROXY say."
    )
    connect_timeout: float = Field(default=10.0, description="Seconds to wait for a connection.")
    timeout: float = Field(default=60.0, description="Seconds to wait while no byte moves.")
    keep_trying: float = Field(default=300.0, description="Seconds a registry that is away is waited for.")
    backoff: float = Field(default=0.5, description="Upper bound of the first wait between two tries, in seconds.")
    settle: float = Field(
        default=1.0, description="Seconds a tag is watched after it was swapped; the same for all who write it."
    )
    signer: SecretStr | None = Field(
        default=None,
        description="The private key that signs kits, what is said about them, and the records of their promotions: "
        "a file where a run takes place, PEM text or env://NAME.",
    )

    @model_validator(mode="before")
    @classmethod
    def _without_slug(cls, given: Any) -> Any:
        return without_slug(given)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        self.registries()
        return self

    def options(self) -> kitops.RegistryOptions:
        """How the engine talks to this registry; the secrets in it are in no repr."""
        from kitops_core import RegistryOptions

        return RegistryOptions(
            origin=f"the block for {self.host}",
            username=self.username,
            password=_reveal(self.password),
            token=_reveal(self.token),
            identity_token=_reveal(self.identity_token),
            credential_files=tuple(Path(file).expanduser() for file in self.credential_files),
            plain_http=self.plain_http,
            tls_verify=self.tls_verify,
            ca_file=_path(self.ca_file),
            client_cert=_path(self.client_cert),
            tls_key=_path(self.tls_key),
            proxy=_reveal(self.proxy),
            connect_timeout=self.connect_timeout,
            timeout=self.timeout,
            keep_trying=self.keep_trying,
            backoff=self.backoff,
            settle=self.settle,
        )

    def registries(self) -> kitops.Registries:
        """This registry, as the engine's clients take it.

        Raises:
            InvalidInputError: Settings contradict each other, or the host is none.
        """
        from kitops_core import Registries

        return Registries({self.host: self.options()})

    def get_client(self, **how: Any) -> kitops.Client:
        """A client of the engine that knows this registry, and signs where the block says with what.

        Args:
            **how: More for :class:`kitops_core.Client`: ``store``, ``on_event``.
        """
        from kitops_core import Client

        return Client(registries=self.registries(), signer=self.signing_key(), **how)

    def signing_key(self) -> str | None:
        """The private key, as the engine's clients take it."""
        key = _reveal(self.signer)
        return key if not key or "://" in key or key.lstrip().startswith("-----") else str(_path(key))


def without_slug(given: Any) -> Any:
    """What a block is made of, without the field that Prefect adds where it writes one."""
    return (
        {name: value for name, value in given.items() if name != "block_type_slug"}
        if isinstance(given, dict)
        else given
    )


def _reveal(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""


def _path(text: str) -> Path | None:
    return Path(text).expanduser() if text else None
