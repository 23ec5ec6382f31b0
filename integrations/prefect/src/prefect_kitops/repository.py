"""The block that says where the ModelKits of one project live."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl

from prefect_kitops.credentials import DOCUMENTATION_URL, LOGO_URL, OCIRegistryCredentials

if TYPE_CHECKING:
    from kitops_core.storage.registry import RegistryOptions


class ModelKitRepository(Block):
    """Where the ModelKits of a project live, how to get there, and which channels they go through.

    Attributes:
        registry: Host and port of the registry.
        repository: The repository in it.
        credentials: Credentials of the registry.
        channels: The promotion policy of the kits.
        plain_http: Whether the registry speaks HTTP.
        tls_verify: Whether the registry's certificate is checked.
        ca_file: Certificate authorities to trust.
        client_cert: Client certificate.
        client_key: Key of the client certificate.
        web_url: The repository's page.

    Example:
        Load a stored repository, pack into it and promote what was packed:
        ```python
        from prefect_kitops import ModelKitRepository, pack_modelkit, promote_modelkit

        churn = ModelKitRepository.load("BLOCK_NAME")
        kit = pack_modelkit("./my-model", "dev", registry=churn)
        promote_modelkit(kit, to="staging", registry=churn)
        ```
    """

    _block_type_name: ClassVar[str | None] = "ModelKit Repository"
    _block_type_slug: ClassVar[str | None] = "modelkit-repository"
    _logo_url: ClassVar[HttpUrl | None] = LOGO_URL
    _documentation_url: ClassVar[HttpUrl | None] = DOCUMENTATION_URL

    registry: str = Field(description="Host and port of the registry, such as registry.example.com.")
    repository: str = Field(description="The repository in the registry, such as ml/churn.")
    credentials: OCIRegistryCredentials | None = Field(
        default=None, description="Credentials of the registry; without any, those of `docker login` are used."
    )
    channels: str = Field(
        default="promotion.yaml", description="Path of the promotion policy, on the machine where the run takes place."
    )
    plain_http: bool | None = Field(
        default=None, description="Whether the registry speaks HTTP; by default only one on the same machine does."
    )
    tls_verify: bool = Field(default=True, description="Whether the registry's certificate is checked.")
    ca_file: str = Field(default="", description="PEM file of certificate authorities to trust besides the system's.")
    client_cert: str = Field(default="", description="PEM file of a client certificate.")
    client_key: str = Field(default="", description="PEM file of the client certificate's key.")
    web_url: str = Field(
        default="", description="Address of the repository's page, for links; by default https://registry/repository."
    )

    @property
    def full_name(self) -> str:
        """``registry/repository``."""
        return f"{self.registry}/{self.repository}"

    def reference(self, target: str = "") -> str:
        """The full reference of a kit in this repository.

        Args:
            target: A tag or a digest; a full reference is returned as it is.

        Raises:
            InvalidReferenceError: The result is not a reference.
        """
        from kitops_core.reference import is_digest, parse_reference

        if "/" in target:
            return str(parse_reference(target))
        if not target:
            return str(parse_reference(self.full_name))
        return str(parse_reference(f"{self.full_name}@{target}" if is_digest(target) else f"{self.full_name}:{target}"))

    def get_client(self) -> RegistryOptions:
        """How the engine talks to this registry.

        Raises:
            InvalidInputError: Settings contradict each other.
        """
        from kitops_core.storage.registry import RegistryOptions

        options = self.credentials.get_client() if self.credentials else RegistryOptions()
        return replace(
            options,
            host=self.registry.partition("/")[0],
            plain_http=self.plain_http,
            tls_verify=self.tls_verify,
            ca_file=_path(self.ca_file),
            client_cert=_path(self.client_cert),
            client_key=_path(self.client_key),
        )


def _path(text: str) -> Path | None:
    return Path(text).expanduser() if text else None
