"""A kit of files, in YAML."""

# Dagster reads the annotations of a component when the class is made, so they are not postponed here.

from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from dagster_kitops.components.scaffolding import ModelKitScaffolder
from dagster_kitops.components.texts import Text, Texts
from dagster_kitops.contents import ModelKitContents
from dagster_kitops.options import check_definitions
from kitops_core import InvalidInputError


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
    """An asset that packs files as a ModelKit: a directory, or files by section."""

    asset: dg.ResolvedAssetSpec = Field(description="The asset: key, deps, owners, automation_condition ...")
    path: str = Field("", description="A directory to pack, with its Kitfile or one is generated.")
    contents: KitFiles | None = Field(None, description="Files by section, instead of a directory.")
    tags: Texts = Field([], description="The kit's tags; by default the IO manager's.")
    io_manager_key: str = Field("modelkit", description="The ModelKitIOManager.")

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        """What lists of components show."""
        return dg.ComponentTypeSpec(description="Files packed as a KitOps ModelKit.", tags=["kitops"], owners=[])

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The asset.

        Raises:
            InvalidInputError: Neither or both of ``path`` and ``contents`` are given.
        """
        if bool(self.path) == (self.contents is not None):
            raise InvalidInputError(
                f"{context.path}: a ModelKitComponent packs either 'path' or 'contents'", hint="give one of them"
            )
        metadata: dict[str, Any] = {"kitops/tags": self.tags} if self.tags else {}
        spec = self.asset.merge_attributes(metadata=metadata, kinds={"kitops"})
        value = self._value(context.path)

        @dg.multi_asset(name=spec.key.to_python_identifier(), outs={"kit": self._out(spec)})
        def kit() -> Any:
            return value

        return check_definitions(dg.Definitions(assets=[kit]))

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
