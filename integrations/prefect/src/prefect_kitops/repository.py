"""The block that says where the ModelKits of one project live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl, field_validator, model_validator

from prefect_kitops.registry import DOCUMENTATION_URL, LOGO_URL, STRICT, OCIRegistry, without_slug

if TYPE_CHECKING:
    import kitops_core as kitops


class ModelKitRepository(Block):
    """Where the ModelKits of a project live, how to get there, and which channels they go through.

    Attributes:
        registry: The registry.
        repository: The repository in it.
        policy: The promotion policy of the kits.
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

    model_config = STRICT
    _block_type_name: ClassVar[str | None] = "ModelKit Repository"
    _block_type_slug: ClassVar[str | None] = "modelkit-repository"
    _logo_url: ClassVar[HttpUrl | None] = LOGO_URL
    _documentation_url: ClassVar[HttpUrl | None] = DOCUMENTATION_URL

    registry: OCIRegistry = Field(description="The registry; in Python its host is enough where it needs no more.")
    repository: str = Field(description="The repository in the registry, such as ml/churn.")
    policy: str = Field(
        default="promotion.yaml", description="Path of the promotion policy, on the machine where the run takes place."
    )
    web_url: str = Field(
        default="", description="Address of the repository's page, for links; by default https://registry/repository."
    )

    @model_validator(mode="before")
    @classmethod
    def _without_slug(cls, given: Any) -> Any:
        return without_slug(given)

    @field_validator("registry", mode="before")
    @classmethod
    def _bare_host(cls, registry: Any) -> Any:
        return OCIRegistry(host=registry) if isinstance(registry, str) else registry

    @property
    def full_name(self) -> str:
        """``registry/repository``."""
        return f"{self.registry.host}/{self.repository}"

    def reference(self, target: str = "") -> str:
        """The full reference of a kit in this repository.

        Args:
            target: A tag or a digest; a full reference is returned as it is.

        Raises:
            InvalidReferenceError: The result is not a reference.
        """
        from kitops_core import parse_reference

        if not target or "/" in target:
            return str(parse_reference(target or self.full_name))
        return str(parse_reference(f"{self.full_name}{'@' if ':' in target else ':'}{target}"))

    def get_client(self, **how: Any) -> kitops.Client:
        """A client of the engine that knows the repository's registry, and signs where its block says with what.

        Args:
            **how: More for :class:`kitops_core.Client`: ``store``, ``on_event``.
        """
        return self.registry.get_client(**how)
