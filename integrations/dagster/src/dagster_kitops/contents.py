"""What an asset packs, by name: files, bytes in memory and objects."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path, PurePosixPath
from typing import Any

import kitops_core as kitops
from dagster_kitops.card import model_card
from dagster_kitops.serializers import save_object
from kitops_core import InvalidInputError
from kitops_core.orchestrate.metadata import NOT_FINITE

CARD = "README.md"
TRUSTED_TYPES = "trusted_types"
"""The Kitfile's model parameter with the types, beyond the usual ones, that whoever loads the model has to trust."""


@dataclass(frozen=True)
class ModelKitContents(kitops.Contents):
    """The contents of a kit, as :class:`kitops_core.Contents` names them, with what is in memory besides files.

    In a mapping of ``parts``, ``code``, ``datasets``, ``docs`` or ``prompts`` a value may also be ``bytes``, which
    become a file that is named as its key, or an object such as a data frame, which is written by its serializer.
    ``name`` is by default the last part of the asset's key. Without ``docs``, a kit with a model gets a ``README.md``
    with its metrics and parameters.

    Attributes:
        model: The model: a path, the URL or ``UPath`` of what is in an object store, ``bytes``, or an object such as
            a fitted scikit-learn estimator. ``framework`` and ``format`` of an object are known.
        metrics: What an evaluation measured. They go into the Kitfile's model parameters under ``metrics`` and into
            Dagster's metadata as ``kitops/metric/<name>``.
        parents: References of kits this one was made from, besides those that are the asset's inputs.
    """

    model: Any = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    parents: Sequence[str] = ()

    def stage(self, directory: Path, *, name: str, serializer: str, allow_pickle: bool) -> kitops.Contents:
        """Write what is in memory into a directory, and name everything for the engine.

        Args:
            directory: An empty directory that is kept until the kit is packed.
            name: The kit's name where it has none.
            serializer: The serializer for the model, or for data sets where there is none; ``auto`` finds one.
            allow_pickle: Whether an object that has no safe format is pickled.

        Raises:
            InvalidInputError: An object has no safe format, or parameters or metrics cannot be in a Kitfile.
        """
        contents = self._with_model(replace(self, name=self.name or name), directory, serializer, allow_pickle)
        parameters = _plain(contents.parameters)
        metrics = {key: number(value, f"metric '{key}'") for key, value in self.metrics.items()}
        if metrics:
            if "metrics" in parameters:
                raise InvalidInputError(
                    "parameters holds 'metrics', and metrics are given as well", hint="give them in one place"
                )
            parameters["metrics"] = metrics
        docs: Any = contents.docs
        if contents.model is not None and not docs:
            docs = {CARD: model_card(contents, parameters).encode()}
        files = {
            section: _staged(
                value,
                directory / section,
                named=section in ("datasets", "prompts"),
                serializer="auto" if contents.model is not None else serializer,
                allow_pickle=allow_pickle,
            )
            for section, value in (
                ("parts", contents.parts),
                ("code", contents.code),
                ("datasets", contents.datasets),
                ("docs", docs),
                ("prompts", contents.prompts),
            )
        }
        same = {one.name: getattr(contents, one.name) for one in fields(kitops.Contents)}
        return kitops.Contents(**{**same, **files, "parameters": parameters})

    @staticmethod
    def _with_model(
        contents: ModelKitContents, directory: Path, serializer: str, allow_pickle: bool
    ) -> ModelKitContents:
        model = contents.model
        if model is None or _is_location(model):
            return contents
        if isinstance(model, bytes):
            return replace(contents, model=_written(directory / "model.bin", model))
        saved = save_object(model, directory, serializer=serializer, allow_pickle=allow_pickle)
        types = {TRUSTED_TYPES: list(saved.trusted_types)} if saved.trusted_types else {}
        if types and contents.parameters.get(TRUSTED_TYPES, types[TRUSTED_TYPES]) != types[TRUSTED_TYPES]:
            raise InvalidInputError(
                f"parameters holds '{TRUSTED_TYPES}', which says here what loading the model takes",
                hint="give it another name",
            )
        return replace(
            contents,
            parameters={**contents.parameters, **types},
            model=saved.path,
            format=contents.format or saved.serializer.name,
            framework=contents.framework or saved.serializer.framework,
        )


def contents_of(value: Any, serializer: str = "auto") -> ModelKitContents:
    """The contents of a kit that is one object: a model, or a data set where its serializer says so."""
    from dagster_kitops.serializers.registry import section_of

    if section_of(value, serializer) == "dataset":
        return ModelKitContents(datasets={"data": value})
    return ModelKitContents(model=value)


def _staged(files: Any, directory: Path, *, named: bool, serializer: str, allow_pickle: bool) -> Any:
    """The same files with bytes and objects written below ``directory``.

    The keys are names in the Kitfile where entries are ``named``, and else paths in the kit.
    """
    if not isinstance(files, Mapping):
        return files
    staged: dict[str, kitops.Location] = {}
    for name, content in files.items():
        if _is_location(content):
            staged[name] = content
            continue
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not path.name:
            raise InvalidInputError(f"'{name}' cannot be the path of a file in the kit", hint="name it README.md")
        if isinstance(content, bytes):
            staged[name] = _written(directory / path, content)
        else:
            saved = save_object(content, directory, name, serializer=serializer, allow_pickle=allow_pickle)
            staged[name if named else name + saved.serializer.suffix] = saved.path
    return staged


def _is_location(value: Any) -> bool:
    """Whether a value says where a file is: a path, a URL, a path that brings its file system along."""
    return isinstance(value, (str, os.PathLike)) or kitops.brings_file_system(value)


def _written(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(0o644)
    return path


def _plain(value: Any) -> Any:
    """A parameter as JSON has it: numpy's numbers and arrays become Python's, an estimator its name."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "get_params") or isinstance(value, type):
        return (value if isinstance(value, type) else type(value)).__qualname__
    return value  # the engine says what of it a Kitfile cannot hold


def number(value: Any, what: str) -> float | str:
    """A metric as a Kitfile has it; one that is not finite by its name, which no gate takes for a number."""
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, str) and value in NOT_FINITE:
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidInputError(f"{what} is {value!r}, not a number")
    return value if math.isfinite(value) else str(value)
