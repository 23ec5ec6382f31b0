"""Where kits live, as a Dagster resource."""

# Dagster reads the annotations of resources when the class is made, so they are not postponed here.

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

import kitops_core as kitops
from kitops_core.errors import InvalidReferenceError
from kitops_core.record import ModelKitRecord, Source
from kitops_core.reference import LOCAL_REGISTRY, parse_reference

if TYPE_CHECKING:
    from kitops_core.storage.registry import RegistryOptions


class KitOpsResource(dg.ConfigurableResource[Any]):
    """A registry, or the local store.

    Secrets are read with :class:`dagster.EnvVar`, which keeps them out of Dagster's pages, and are in no repr. Without
    any, the credentials of ``docker login`` and ``kitops login`` are used.
    """

    registry: str = Field(
        default="",
        description="Registry and namespace, registry.example.com/ml; empty means the local store.",
    )
    username: str | None = Field(default=None, description="User name at the registry.")
    password: str | None = Field(default=None, repr=False, description="Password or access token of the user.")
    token: str | None = Field(default=None, repr=False, description="Bearer token, instead of user and password.")
    plain_http: bool | None = Field(
        default=None, description="Whether the registry speaks HTTP; by default only one on this machine does."
    )
    store: str = Field(default="", description="The local store's directory, where it is not the default.")

    @property
    def remote(self) -> bool:
        """Whether kits live in a registry rather than in the local store."""
        return bool(self.registry)

    @property
    def store_path(self) -> Path | None:
        """The local store's directory, or ``None`` for the default."""
        return Path(os.path.expanduser(self.store)) if self.store else None

    @property
    def registry_options(self) -> "RegistryOptions | None":
        """How the engine talks to the registry, or ``None`` for the local store.

        Raises:
            InvalidInputError: Of user name and password only one is given.
        """
        if not self.remote:
            return None
        from kitops_core.storage.registry import RegistryOptions

        return RegistryOptions(
            plain_http=self.plain_http,
            username=self.username or "",
            password=self.password or "",
            token=self.token or "",
        )

    def reference(self, repository: str, *, tag: str = "", digest: str = "") -> str:
        """The full reference of a kit in this registry or store.

        Raises:
            InvalidReferenceError: ``registry`` names no host, or the result is not a reference.
        """
        name = f"{self.registry.rstrip('/')}/{repository}" if self.remote else repository
        reference = parse_reference(name)
        if self.remote and reference.registry == LOCAL_REGISTRY:
            raise InvalidReferenceError(
                f"registry '{self.registry}' names no host: the first part has neither '.' nor ':'",
                hint="write registry.example.com/namespace or localhost:5000, or leave it empty for the local store",
            )
        return str(reference.with_digest(digest) if digest else reference.with_tag(tag) if tag else reference)

    def pack(
        self,
        source: "str | os.PathLike[str] | kitops.Contents",
        repository: str,
        tags: Sequence[str],
        *,
        made_by: Source | None = None,
    ) -> ModelKitRecord:
        """Pack a kit into the registry, in one pass, or into the local store.

        Args:
            source: A directory, or contents by name.
            repository: The repository below ``registry``.
            tags: Its tags, at least one.
            made_by: The run it comes from.

        Raises:
            KitOpsError: As :func:`kitops_core.pack`.
        """
        return kitops.pack(
            source,
            self.reference(repository, tag=tags[0]),
            push=self.remote,
            tags=tags[1:],
            made_by=made_by,
            store=self.store_path,
            registry=self.registry_options,
        )

    def open(self, reference: str) -> kitops.ModelKit:
        """Open a kit of this registry or store by its full reference.

        Raises:
            KitOpsError: As :func:`kitops_core.open`.
        """
        return kitops.open(reference, remote=self.remote, store=self.store_path, registry=self.registry_options)
