"""A kit in YAML: of files, imported, or one that something else packs."""

# Dagster reads the annotations of a component when the class is made, so they are not postponed here.

from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from dagster_kitops.components.scaffolding import ModelKitScaffolder
from dagster_kitops.components.texts import Text, Texts
from dagster_kitops.contents import ModelKitContents
from dagster_kitops.external import external_modelkit, modelkit_sensor
from dagster_kitops.importing import imported_modelkit
from dagster_kitops.options import check_asset
from kitops_core import InvalidInputError

_KINDS = ("path", "contents", "source", "reference")
"""The fields of which one says where the kit comes from."""

_OF_ASSETS = (
    "deps",
    "description",
    "metadata",
    "group_name",
    "code_version",
    "owners",
    "kinds",
    "automation_condition",
    "freshness_policy",
    "partitions_def",
)
"""What an asset in YAML says that :func:`dagster.asset` takes by the same name."""


class KitFiles(dg.Model, dg.Resolvable):
    """What is in a kit, by the sections of a Kitfile. Paths are relative to defs.yaml."""

    model_path: str = Field("", description="The model's file or directory.")
    parts: list[str] = Field([], description="Further files of the model.")
    code: list[str] = Field([], description="Code.")
    datasets: dict[str, str] = Field({}, description="Data sets by name.")
    docs: list[str] = Field([], description="Documentation.")
    prompts: list[str] = Field([], description="Prompts.")
    parameters: dict[str, Any] = Field({}, description="The model's parameters.")
    metrics: dict[str, float] = Field({}, description="What an evaluation measured.")
    version: Text = Field("", description="The version.")
    description: str = Field("", description="What it is.")
    license: str = Field("", description="SPDX identifier.")
    authors: list[str] = Field([], description="Who made it.")
    framework: str = Field("", description="The model's framework.")


@dg.scaffold_with(ModelKitScaffolder)
class ModelKitComponent(dg.Component, dg.Resolvable, dg.Model):
    """An asset that is a ModelKit: of a directory, of files by section, imported, or packed by something else."""

    asset: dg.ResolvedAssetSpec = Field(description="The asset: key, deps, owners, automation_condition ...")
    path: str = Field("", description="A directory to pack, with its Kitfile or one is generated.")
    contents: KitFiles | None = Field(None, description="Files by section, instead of a directory.")
    source: str = Field("", description="What to import: organisation/model of the Hub, mlflow://models/churn/3 ...")
    ref: str = Field("", description="A branch, tag or commit of the source.")
    reference: str = Field("", description="A kit that something else packs; a sensor watches its tag, switched on.")
    tags: Texts = Field([], description="The kit's tags; by default the IO manager's, of an import 'latest'.")
    io_manager_key: str = Field("modelkit", description="The ModelKitIOManager.")

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        """What lists of components show."""
        return dg.ComponentTypeSpec(description="A KitOps ModelKit.", tags=["kitops"], owners=[])

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The asset.

        Raises:
            InvalidInputError: Not one of ``path``, ``contents``, ``source`` and ``reference`` is given, or a field that
                means nothing with it.
            InvalidReferenceError: ``reference`` is none.
        """
        given = [name for name in _KINDS if getattr(self, name)]
        if len(given) != 1:
            raise InvalidInputError(
                f"{context.path}: a ModelKitComponent has either 'path', 'contents', 'source' or 'reference'",
                hint="give one of them",
            )
        if self.ref and not self.source:
            raise InvalidInputError(f"{context.path}: 'ref' says which state of 'source', and there is none")
        if self.reference:
            return self._external(context.path)
        if self.source:
            return dg.Definitions(assets=[self._imported()])
        metadata: dict[str, Any] = {"kitops/tags": self.tags} if self.tags else {}
        spec = self.asset.merge_attributes(metadata=metadata, kinds={"kitops"})
        value = self._value(context.path)

        @dg.multi_asset(name=spec.key.to_python_identifier(), outs={"kit": self._out(spec)})
        def kit() -> Any:
            return value

        return dg.Definitions(assets=[check_asset(kit)])

    def _external(self, directory: Path) -> dg.Definitions:
        if self.tags:
            raise InvalidInputError(f"{directory}: 'tags' are of kits that are packed here, not of 'reference'")
        said = {name: getattr(self.asset, name, None) for name in _OF_ASSETS}
        spec = external_modelkit(
            self.asset.key,
            self.reference,
            io_manager_key=self.io_manager_key,
            tags=_own_tags(self.asset),
            **{name: value for name, value in said.items() if value},
        )
        watch = modelkit_sensor([spec], name=f"watch_{spec.key.to_python_identifier()}")
        return dg.Definitions(assets=[spec], sensors=[watch])

    def _imported(self) -> dg.AssetsDefinition:
        said = {name: getattr(self.asset, name, None) for name in _OF_ASSETS}
        asset = imported_modelkit(
            self.asset.key,
            self.source,
            ref=self.ref,
            tags=self.tags or ("latest",),
            io_manager_key=self.io_manager_key,
            **{name: value for name, value in said.items() if value},
        )
        return asset.map_asset_specs(lambda spec: spec.merge_attributes(tags=_own_tags(self.asset)))

    def _out(self, spec: dg.AssetSpec) -> dg.AssetOut:
        return dg.AssetOut.from_spec(spec, io_manager_key=self.io_manager_key, dagster_type=dg.Any)

    def _value(self, directory: Path) -> Path | ModelKitContents:
        if self.contents is None:
            return directory / self.path
        files = self.contents

        def inside(paths: list[str]) -> list[Path]:
            return [directory / path for path in paths]

        return ModelKitContents(
            model=directory / files.model_path if files.model_path else None,
            parts=inside(files.parts),
            code=inside(files.code),
            datasets={name: directory / path for name, path in files.datasets.items()},
            docs=inside(files.docs),
            prompts=inside(files.prompts),
            parameters=files.parameters,
            metrics=files.metrics,
            version=files.version,
            description=files.description,
            license=files.license,
            authors=files.authors,
            framework=files.framework,
        )


def _own_tags(spec: dg.AssetSpec) -> dict[str, str]:
    """The asset's tags without those that Dagster makes of its kinds."""
    return {key: value for key, value in spec.tags.items() if not key.startswith("dagster/kind/")}
