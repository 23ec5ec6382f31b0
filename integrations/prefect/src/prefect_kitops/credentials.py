"""The block that holds the credentials of a registry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from prefect.blocks.abstract import CredentialsBlock
from pydantic import Field, HttpUrl, SecretStr

if TYPE_CHECKING:
    from kitops_core.storage.registry import RegistryOptions

DOCUMENTATION_URL = HttpUrl("https://kitops.org")
LOGO_URL = HttpUrl("https://github.com/kitops-ml.png")


class OCIRegistryCredentials(CredentialsBlock):
    """Credentials of an OCI registry: user name and password, a token, or a credential file of Docker or Podman.

    Without any, the files and helpers that ``docker login`` and ``kitops login`` wrote are used, and for Amazon ECR
    the AWS account at hand (install ``prefect-kitops[ecr]``).

    Attributes:
        username: User name at the registry.
        password: Password or access token of the user.
        token: Bearer token, sent as it is.
        identity_token: OAuth2 refresh token, exchanged for bearer tokens.
        docker_config: A credential file of Docker or Podman on the machine where a run takes place.

    Example:
        Load stored credentials and pack with them:
        ```python
        from prefect_kitops import OCIRegistryCredentials, pack_modelkit

        credentials = OCIRegistryCredentials.load("BLOCK_NAME")
        pack_modelkit("./my-model", "registry.example.com/ml/churn:dev", registry=credentials)
        ```
    """

    _block_type_name: ClassVar[str | None] = "OCI Registry Credentials"
    _block_type_slug: ClassVar[str | None] = "oci-registry-credentials"
    _logo_url: ClassVar[HttpUrl | None] = LOGO_URL
    _documentation_url: ClassVar[HttpUrl | None] = DOCUMENTATION_URL

    username: str = Field(default="", description="User name at the registry.")
    password: SecretStr | None = Field(default=None, description="Password or access token of the user.")
    token: SecretStr | None = Field(default=None, description="Bearer token, sent to the registry as it is.")
    identity_token: SecretStr | None = Field(
        default=None, description="OAuth2 refresh token, exchanged for bearer tokens where the registry says."
    )
    docker_config: str = Field(
        default="",
        description="Path of a Docker or Podman credential file on the machine where the run takes place.",
    )

    def get_client(self) -> RegistryOptions:
        """How the engine talks to registries with these credentials; the secrets in it are in no repr.

        Raises:
            InvalidInputError: Of user name and password only one is given.
        """
        from kitops_core.storage.registry import RegistryOptions

        return RegistryOptions(
            username=self.username,
            password=_reveal(self.password),
            token=_reveal(self.token),
            identity_token=_reveal(self.identity_token),
            credential_files=(Path(self.docker_config).expanduser(),) if self.docker_config else (),
        )


def _reveal(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""
