"""The registry, in YAML."""

# Dagster reads the annotations of a component when the class is made, so they are not postponed here.

import dagster as dg
from pydantic import Field

from dagster_kitops.components.scaffolding import KitOpsScaffolder
from dagster_kitops.components.texts import Texts
from dagster_kitops.io_manager import ModelKitIOManager
from dagster_kitops.resources import KitOpsResource


@dg.scaffold_with(KitOpsScaffolder)
class KitOpsComponent(dg.Component, dg.Resolvable, dg.Model):
    """A registry or the local store: the resources ``kitops`` and ``modelkit`` for a whole project."""

    registry: str = Field("", description="Registry and namespace, registry.example.com/ml; empty: the local store.")
    username: str | None = Field(None, description="User name at the registry.")
    password_env: str = Field("", description="Environment variable with the password; it is read when a run needs it.")
    store: str = Field("", description="The local store's directory, where it is not the default.")
    tags: Texts = Field(["latest"], description="Tags of assets without partitions.")

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        """What lists of components show."""
        return dg.ComponentTypeSpec(description="A registry for KitOps ModelKits.", tags=["kitops"], owners=[])

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The resource and the IO manager."""
        password = dg.EnvVar(self.password_env) if self.password_env else None
        resource = KitOpsResource(registry=self.registry, username=self.username, password=password, store=self.store)
        return dg.Definitions(
            resources={"kitops": resource, "modelkit": ModelKitIOManager(kitops=resource, tags=self.tags)}
        )
