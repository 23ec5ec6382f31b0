"""Where kits live, as a Dagster resource that gives out clients of the engine."""

# Dagster reads the annotations of resources when the class is made, so they are not postponed here.

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import ConfigDict, Field

import kitops_core as kitops
from kitops_core import InvalidReferenceError, parse_reference
from kitops_core.orchestrate.names import complete

_FORBID = ConfigDict(extra="forbid", frozen=True)
_TRANSPORT = ("plain_http", "tls_verify", "proxy", "connect_timeout", "timeout", "keep_trying", "backoff", "settle")
_FILES = ("ca_file", "client_cert", "tls_key")


class RegistryLogin(dg.Config):
    """Another registry that takes part in what a resource does: who we are there, and how it is talked to."""

    model_config = _FORBID

    host: str = Field(description="Host and port: prod.example.com.")
    username: str | None = Field(default=None, description="User name.")
    password: str | None = Field(default=None, repr=False, description="Password or access token of the user.")
    token: str | None = Field(default=None, repr=False, description="Bearer token, instead of user and password.")
    identity_token: str | None = Field(default=None, repr=False, description="OAuth2 refresh token, instead of those.")
    plain_http: bool | None = Field(default=None, description="Whether it speaks HTTP.")
    ca_file: str = Field(default="", description="PEM file of certificate authorities to trust besides the system's.")


class KitOpsResource(dg.ConfigurableResource[Any]):
    """A registry, or the local store.

    Secrets are read with :class:`dagster.EnvVar`, which keeps them out of Dagster's pages, and are in no repr. They are
    sent to this resource's registry only. Where none are given, and for every other registry that ``others`` does not
    name, the credentials of ``docker login`` and ``kitops login`` are used.
    """

    model_config = _FORBID

    registry: str = Field(
        default="",
        description="Registry and namespace, registry.example.com/ml; empty means the local store.",
    )
    username: str | None = Field(default=None, description="User name at the registry.")
    password: str | None = Field(default=None, repr=False, description="Password or access token of the user.")
    token: str | None = Field(default=None, repr=False, description="Bearer token, instead of user and password.")
    identity_token: str | None = Field(default=None, repr=False, description="OAuth2 refresh token, instead of those.")
    others: list[RegistryLogin] = Field(
        default=[], description="Other registries that take part, such as the one a channel is in."
    )
    plain_http: bool | None = Field(
        default=None, description="Whether the registry speaks HTTP; by default only one on this machine does."
    )
    tls_verify: bool = Field(default=True, description="Whether to check the registry's certificate.")
    ca_file: str = Field(default="", description="PEM file of certificate authorities to trust besides the system's.")
    client_cert: str = Field(default="", description="PEM file of a client certificate.")
    tls_key: str = Field(default="", description="PEM file of its key, where client_cert does not hold it.")
    proxy: str = Field(default="", repr=False, description="URL of a proxy, instead of what the environment says.")
    connect_timeout: float = Field(default=10.0, description="Seconds to wait for a connection.")
    timeout: float = Field(default=60.0, description="Seconds to wait while no byte moves.")
    keep_trying: float = Field(default=300.0, description="Seconds a registry is waited for that is away or busy.")
    backoff: float = Field(default=0.5, description="Upper bound of the first wait in between, in seconds.")
    settle: float = Field(default=1.0, description="Seconds a tag is watched after a promotion moved it.")
    credential_files: list[str] = Field(default=[], description="Docker or Podman credential files to look into first.")
    signer: str = Field(
        default="",
        description="Private key that signs kits, what is said of them, and promotions: a file or env://NAME.",
    )
    store: str = Field(default="", description="The local store's directory, where it is not the default.")
    browse_url: str = Field(
        default="",
        description="Where the registry's pages show a kit: a URL with {repository} and {digest} in it.",
    )
    webserver_url: str = Field(default="", description="Where Dagster's pages are, for links from a kit to its run.")

    @property
    def remote(self) -> bool:
        """Whether kits live in a registry rather than in the local store."""
        return bool(self.registry)

    @property
    def store_path(self) -> Path | None:
        """The local store's directory, or ``None`` for the default."""
        return Path(os.path.expanduser(self.store)) if self.store else None

    @property
    def registries(self) -> kitops.Registries:
        """How the engine talks to which registry.

        Raises:
            InvalidInputError: Of user name and password only one is given, or a client's key without its certificate.
        """
        how: dict[str, Any] = {name: getattr(self, name) for name in _TRANSPORT}
        how |= {name: Path(getattr(self, name)) for name in _FILES if getattr(self, name)}
        how["credential_files"] = tuple(map(Path, self.credential_files))
        hosts = {
            other.host: kitops.RegistryOptions(
                **{
                    **how,
                    **_login(other),
                    **({"ca_file": Path(other.ca_file)} if other.ca_file else {}),
                    "plain_http": other.plain_http,
                }
            )
            for other in self.others
        }
        if self.remote:
            hosts[self.registry.partition("/")[0]] = kitops.RegistryOptions(**{**how, **_login(self)})
        return kitops.Registries(hosts, others=kitops.RegistryOptions(**{**how, "plain_http": None}))

    @contextmanager
    def client(
        self,
        run: kitops.Source | None = None,
        signer: str = "",
        on_event: Callable[[kitops.Event], None] | None = None,
        cancel: kitops.Cancel | None = None,
    ) -> Iterator[kitops.Client]:
        """A client of the engine that works as this resource says; its connections end with the block.

        Args:
            run: The run it works for, for records and provenance.
            signer: Another private key than the resource's: a file or ``env://NAME``.
            on_event: Is told how far an operation is.
            cancel: Stops what is under way, from any thread.

        Raises:
            InvalidInputError: The resource's fields do not fit together.
        """
        key = signer or self.signer or None
        with kitops.Client(
            store=self.store_path, registries=self.registries, signer=key, run=run, on_event=on_event, cancel=cancel
        ) as client:
            yield client

    def reference(self, repository: str, *, tag: str = "", digest: str = "") -> str:
        """The full reference of a kit in this registry or store.

        Raises:
            InvalidReferenceError: ``registry`` names no host, or the result is not a reference.
        """
        host, _, namespace = self.registry.rstrip("/").partition("/")
        if host and "." not in host and ":" not in host:
            raise InvalidReferenceError(
                f"registry '{self.registry}' names no host: the first part has neither '.' nor ':'",
                hint="write registry.example.com/namespace or localhost:5000, or leave it empty for the local store",
            )
        reference = complete(repository, host, namespace)
        return str(reference.with_digest(digest) if digest else reference.with_tag(tag) if tag else reference)

    def where(self, reference: str) -> kitops.Where:
        """Where a kit of this resource is read from: what is in a registry is never read from a copy in the store."""
        return "registry" if parse_reference(reference).in_registry else "any"

    @contextmanager
    def open(self, reference: str) -> Iterator[kitops.ModelKit]:
        """Open a kit by its full reference, for the length of the block.

        Raises:
            KitOpsError: As :func:`kitops_core.open`.
        """
        with self.client() as client, client.open(reference, where=self.where(reference)) as kit:
            yield kit

    def resolve(self, reference: str) -> str:
        """The digest that a reference means now.

        Raises:
            NotFoundError: There is no such kit.
            KitOpsError: The registry or the store cannot be asked.
        """
        with self.client() as client:
            return client.resolve(reference, where=self.where(reference))

    def pack_layers(
        self, source: "str | os.PathLike[str]", repository: str, entries: list[str], **options: Any
    ) -> list[dict[str, Any]]:
        """Pack some entries of a kit, in a step of their own; the asset returns them all as a ModelKitLayers.

        Args:
            source: A directory with the files of these entries.
            repository: The repository below ``registry``: that of the asset.
            entries: The entries, by their paths in the Kitfile.
            **options: ``kitfile`` and ``how``, as for :func:`kitops_core.pack_layers`.

        Returns:
            The layers as JSON.

        Raises:
            KitOpsError: As :func:`kitops_core.pack_layers`.
        """
        with self.client() as client:
            layers = client.pack_layers(source, self.reference(repository), entries, push=self.remote, **options)
        return [layer.to_dict() for layer in layers]


def _login(given: KitOpsResource | RegistryLogin) -> dict[str, str]:
    return {name: getattr(given, name) or "" for name in ("username", "password", "token", "identity_token")}
