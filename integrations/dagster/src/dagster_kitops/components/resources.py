"""The registry, in YAML."""

# Dagster reads the annotations of a component when the class is made, so they are not postponed here.

from typing import Any

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
    transport: dict[str, Any] = Field(
        {}, description="More fields of the KitOpsResource: ca_file, tls_verify, proxy, timeout, keep_trying ..."
    )
    store: str = Field("", description="The local store's directory, where it is not the default.")
    browse_url: str = Field("", description="Where the registry's pages show a kit, with {repository} and {digest}.")
    webserver_url: str = Field("", description="Where Dagster's pages are, for links from a kit to its run.")
    signer: str = Field("", description="Private key that signs kits, what is said of them, and promotions.")
    tags: Texts = Field(["latest"], description="Tags of assets without partitions.")
    trusted: list[str] = Field([], description="Types, beyond the usual ones, that inputs may be made of.")
    allow_pickle: bool = Field(
        False, description="Pickle objects that have no safe format, and load them. That runs their code."
    )
    provenance: bool = Field(True, description="Attach to each kit how it was made and what was measured.")
    cache_dir: str = Field("", description="Where inputs that are paths are unpacked; else below the local store.")

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
            signer=self.signer,
            store=self.store,
            browse_url=self.browse_url,
            webserver_url=self.webserver_url,
            **self.transport,
        )
        manager = ModelKitIOManager(
            kitops=resource,
            tags=self.tags,
            trusted=self.trusted,
            allow_pickle=self.allow_pickle,
            provenance=self.provenance,
            cache_dir=self.cache_dir,
        )
        return dg.Definitions(resources={"kitops": resource, "modelkit": manager})
