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
    token_env: str = Field("", description="Environment variable with a bearer token, instead of user and password.")
    plain_http: bool | None = Field(None, description="Whether the registry speaks HTTP.")
    store: str = Field("", description="The local store's directory, where it is not the default.")
    browse_url: str = Field("", description="Where the registry's pages show a kit, with {repository} and {digest}.")
    webserver_url: str = Field("", description="Where Dagster's pages are, for links from a kit to its run.")
    signing_key: str = Field("", description="Private key that signs attestations: a file or env://NAME.")
    tags: Texts = Field(["latest"], description="Tags of assets without partitions.")

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        """What lists of components show."""
        return dg.ComponentTypeSpec(description="A registry for KitOps ModelKits.", tags=["kitops"], owners=[])

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The resource and the IO manager."""
        resource = KitOpsResource(
            registry=self.registry,
            username=self.username,
            password=dg.EnvVar(self.password_env) if self.password_env else None,
            token=dg.EnvVar(self.token_env) if self.token_env else None,
            plain_http=self.plain_http,
            store=self.store,
            browse_url=self.browse_url,
            webserver_url=self.webserver_url,
        )
        manager = ModelKitIOManager(kitops=resource, tags=self.tags, signing_key=self.signing_key)
        return dg.Definitions(resources={"kitops": resource, "modelkit": manager})
