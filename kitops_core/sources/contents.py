"""A kit's contents by name: files from anywhere on disk, put together without copying them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from kitops_core.errors import InvalidInputError

if TYPE_CHECKING:
    from kitops_core.kitfile import Kitfile
    from kitops_core.layers.plan import Context

PathLike = str | os.PathLike[str]
Paths = PathLike | Sequence[PathLike] | Mapping[str, PathLike]


@dataclass(frozen=True)
class Contents:
    """What to pack, by Kitfile section.

    A relative path keeps its place in the kit (``out/model.onnx``); an absolute one, or one that leads out of the
    working directory, is packed under its last name. A mapping of datasets or prompts gives each its name in the
    Kitfile; a mapping of model parts, code or docs gives each its path in the kit.

    Attributes:
        model: The model's file or directory.
        parts: Further files of the model: shards, tokenizer, adapters.
        code: Code files or directories.
        datasets: Dataset files or directories, by name or not.
        remote_datasets: Datasets that stay where they are, by name: ``s3://bucket/key``, whose hash, size and version
            are looked up, or a ModelKit reference. S3 is found as :mod:`kitops_core.sources.s3` says.
        docs: Documentation.
        prompts: Prompts, by name or not.
        parameters: The model's parameters, free-form JSON.
        name: Name of the package and the model.
        version: Version of the package and the model.
        description: What it is.
        license: SPDX identifier.
        authors: Who made it.
        framework: The model's framework.
        format: The model's format.
    """

    model: PathLike | None = None
    parts: Paths = ()
    code: Paths = ()
    datasets: Paths = ()
    remote_datasets: Mapping[str, str] = field(default_factory=dict)
    docs: Paths = ()
    prompts: Paths = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    version: str = ""
    description: str = ""
    license: str = ""
    authors: Sequence[str] = ()
    framework: str = ""
    format: str = ""

    def resolve(self) -> tuple[Context, Kitfile]:
        """The files as a context to plan from, and the Kitfile that describes them.

        Raises:
            InvalidInputError: Nothing is named, two files would have one path in the kit, or parameters come
                without a model.
        """
        from kitops_core.kitfile import Code, Dataset, Docs, Kitfile, Model, ModelPart, Package, Prompt
        from kitops_core.layers.plan import Context

        files: dict[str, Path] = {}

        def place(source: PathLike, at: str = "") -> str:
            path = at or _path_in_kit(source)
            absolute = Path(source).absolute()
            if files.setdefault(path, absolute) != absolute:
                raise InvalidInputError(
                    f"'{files[path]}' and '{absolute}' would both be '{path}' in the kit",
                    hint="give one of them another name, or a path in the kit by a mapping",
                )
            return path

        if self.model is None and (self.parameters or list(_items(self.parts))):
            raise InvalidInputError("parameters and parts belong to a model, and none is named", hint="pass model=...")
        model = None
        if self.model is not None:
            model = Model(
                name=self.name,
                path=place(self.model),
                version=self.version,
                license=self.license,
                framework=self.framework,
                format=self.format,
                parts=[ModelPart(path=place(source, at)) for at, source in _items(self.parts)],
                parameters=dict(self.parameters) or None,
            )
        kitfile = Kitfile(
            package=Package(
                name=self.name,
                version=self.version,
                description=self.description,
                license=self.license,
                authors=list(self.authors),
            ),
            model=model,
            code=[Code(path=place(source, at)) for at, source in _items(self.code)],
            datasets=[Dataset(name=name, path=place(source)) for name, source in _items(self.datasets)],
            docs=[Docs(path=place(source, at)) for at, source in _items(self.docs)],
            prompts=[Prompt(name=name, path=place(source)) for name, source in _items(self.prompts)],
        )
        if self.remote_datasets:
            from kitops_core.sources.remote_dataset import with_remote

            kitfile = with_remote(kitfile, self.remote_datasets)
        if not files:
            raise InvalidInputError("there is nothing to pack", hint="name a model, code, datasets, docs or prompts")
        return Context.from_files(files), kitfile


def _items(paths: Paths) -> Iterator[tuple[str, PathLike]]:
    if isinstance(paths, Mapping):
        yield from paths.items()
    else:
        single: Iterable[PathLike] = [paths] if isinstance(paths, (str, os.PathLike)) else paths
        yield from (("", path) for path in single)


def _path_in_kit(source: PathLike) -> str:
    path = PurePosixPath(os.path.normpath(os.fspath(source)))
    if path.is_absolute() or ".." in path.parts or path == PurePosixPath("."):
        return Path(source).absolute().resolve().name
    return str(path)
