"""What an asset packs, by name: files, bytes in memory and a model object."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import kitops_core as kitops
from dagster_kitops.card import model_card
from dagster_kitops.serializers import save_model
from kitops_core.errors import InvalidInputError

PathLike = str | os.PathLike[str]
Files = PathLike | Sequence[PathLike] | Mapping[str, PathLike | bytes]

CARD = "README.md"


@dataclass(frozen=True)
class ModelKitContents:
    """The contents of a kit.

    Files are given as in :class:`kitops_core.Contents`: one path, several, or a mapping. In a mapping the value may
    also be ``bytes``, which become a file that is named as its key.

    Attributes:
        model: The model: a fitted scikit-learn estimator, or the path of a file or directory in any format.
        parts: Further files of the model.
        code: Code.
        datasets: Data sets, by name or not.
        docs: Documentation. Without any, a kit with a model gets a ``README.md`` with its metrics and parameters.
        prompts: Prompts, by name or not.
        parameters: The model's parameters, ``model.get_params()`` for example.
        metrics: What an evaluation measured. They go into the Kitfile's model parameters under ``metrics`` and into
            Dagster's metadata as ``kitops/metric/<name>``.
        name: Name of the package and the model; by default the last part of the asset's key.
        version: Version of both.
        description: What it is.
        license: SPDX identifier.
        authors: Who made it.
        framework: The model's framework; known for an estimator.
        format: The model's format; known for an estimator.
    """

    model: Any = None
    parts: Files = ()
    code: Files = ()
    datasets: Files = ()
    docs: Files = ()
    prompts: Files = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    name: str = ""
    version: str = ""
    description: str = ""
    license: str = ""
    authors: Sequence[str] = ()
    framework: str = ""
    format: str = ""

    def stage(self, directory: Path, *, name: str, allow_pickle: bool) -> kitops.Contents:
        """Write what is in memory into a directory, and name everything for the engine.

        Args:
            directory: An empty directory that is kept until the kit is packed.
            name: The kit's name where the contents give none.
            allow_pickle: Whether a model object without a safe format is pickled.

        Raises:
            InvalidInputError: The model, a parameter or a name cannot be used as it is.
        """
        contents = self._with_model(replace(self, name=self.name or name), directory, allow_pickle)
        parameters = {key: _plain(value, key) for key, value in self.parameters.items()}
        metrics = {key: _number(value, key) for key, value in self.metrics.items()}
        if metrics:
            if "metrics" in parameters:
                raise InvalidInputError(
                    "parameters holds 'metrics', and metrics are given as well", hint="give them in one place"
                )
            parameters["metrics"] = metrics
        docs = contents.docs
        if contents.model is not None and not docs:
            docs = {CARD: model_card(contents, parameters).encode()}
        return kitops.Contents(
            model=contents.model,
            parts=_staged(contents.parts, directory / "parts"),
            code=_staged(contents.code, directory / "code"),
            datasets=_staged(contents.datasets, directory / "datasets"),
            docs=_staged(docs, directory / "docs"),
            prompts=_staged(contents.prompts, directory / "prompts"),
            parameters=parameters,
            name=contents.name,
            version=contents.version,
            description=contents.description,
            license=contents.license,
            authors=contents.authors,
            framework=contents.framework,
            format=contents.format,
        )

    @staticmethod
    def _with_model(contents: ModelKitContents, directory: Path, allow_pickle: bool) -> ModelKitContents:
        if contents.model is None or isinstance(contents.model, (str, os.PathLike)):
            return contents
        saved = save_model(contents.model, directory, allow_pickle=allow_pickle)
        return replace(
            contents,
            model=saved.path,
            format=contents.format or saved.format,
            framework=contents.framework or saved.framework,
        )


def _staged(files: Files, directory: Path) -> PathLike | Sequence[PathLike] | dict[str, PathLike]:
    """The same files with bytes written below ``directory``."""
    if not isinstance(files, Mapping):
        return files
    staged: dict[str, PathLike] = {}
    for name, content in files.items():
        if isinstance(content, bytes):
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or not path.name:
                raise InvalidInputError(f"'{name}' cannot be the path of a file in the kit", hint="name it README.md")
            target = directory / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            target.chmod(0o644)
            staged[name] = target
        else:
            staged[name] = content
    return staged


def _plain(value: Any, where: str) -> Any:
    """A parameter as JSON has it: numpy's numbers and arrays become Python's, an estimator its name."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if hasattr(value, "get_params") or isinstance(value, type):
        return (value if isinstance(value, type) else type(value)).__qualname__
    raise InvalidInputError(
        f"parameter '{where}' is a {type(value).__qualname__}, which a Kitfile cannot hold",
        hint="give numbers, text, lists and mappings",
    )


def _number(value: Any, name: str) -> float:
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InvalidInputError(f"metric '{name}' is {value!r}, not a finite number")
    return value
