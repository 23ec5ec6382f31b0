"""A kit's contents by name: files from anywhere, on disk or in object stores, put together without copying them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, cast

from kitops_core.errors import InvalidInputError
from kitops_core.objects.location import Location, brings_file_system, local_path

if TYPE_CHECKING:
    from kitops_core.kitfile import Kitfile
    from kitops_core.layers.plan import Context
    from kitops_core.objects.store import ObjectDirectory, StoredObject

Locations = Location | Sequence[Location] | Mapping[str, Location]

_TEXTS = ("name", "version", "description", "license", "framework", "format")
_FILES = ("model", "parts", "code", "datasets", "docs", "prompts")


@dataclass(frozen=True)
class Contents:
    """What to pack, by Kitfile section.

    A relative path keeps its place in the kit (``out/model.onnx``); an absolute one, or one that leads out of the
    working directory, is packed under its last name. So is what is in an object store: the URL of a file or directory
    there (``s3://``, ``gs://``, ``az://``, whatever fsspec reads), or a path that brings its file system along, such as
    an ``ObjectStoragePath`` or a ``UPath``. It is read while it is packed, and never copied. A mapping of datasets or
    prompts gives each its name in the Kitfile; a mapping of model parts, code or docs gives each its path in the kit.

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

    model: Location | None = None
    parts: Locations = ()
    code: Locations = ()
    datasets: Locations = ()
    remote_datasets: Mapping[str, str] = field(default_factory=dict)
    docs: Locations = ()
    prompts: Locations = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    version: str = ""
    description: str = ""
    license: str = ""
    authors: Sequence[str] = ()
    framework: str = ""
    format: str = ""

    def load(self) -> tuple[Context, Kitfile]:
        """The files as a context to plan from, and the Kitfile that describes them.

        Raises:
            InvalidInputError: Nothing is named, two files would have one path in the kit, parameters come without a
                model, a field is not what a Kitfile can hold, or what reads an object store is not installed.
            SourceError, DeniedError: What is in an object store cannot be looked at.
        """
        from kitops_core.kitfile import Code, Dataset, Docs, Kitfile, Model, ModelPart, Package, Prompt
        from kitops_core.layers.plan import Context

        files: dict[str, Path | StoredObject | ObjectDirectory] = {}
        places: dict[str, str] = {}
        self._check_texts()
        parameters = self._plain_parameters()

        def place(source: Location, at: str = "") -> str:
            local = local_path(source)
            path = at or _path_in_kit(source, local)
            absolute = str(source if local is None else Path(local).absolute())
            if path not in places:
                places[path] = absolute
                files[path] = Path(absolute) if local is not None else _found(source)
            elif places[path] != absolute:
                raise InvalidInputError(
                    f"'{places[path]}' and '{absolute}' would both be '{path}' in the kit",
                    hint="give one of them another name, or a path in the kit by a mapping",
                )
            return path

        if self.model is None and (parameters or list(_items(self.parts))):
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
                parameters=parameters or None,
            )
        kitfile = Kitfile(
            package=Package(
                name=self.name,
                version=self.version,
                description=self.description,
                license=self.license,
                authors=[self.authors] if isinstance(self.authors, str) else list(self.authors),
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

    def _check_texts(self) -> None:
        """Refuse what would be no text in the Kitfile, and no path."""
        given = {name: [getattr(self, name)] for name in _TEXTS}
        authors = self.authors
        given["authors"] = (
            list(authors) if isinstance(authors, Sequence) and not isinstance(authors, str) else [authors]
        )
        for name, values in given.items():
            for value in values:
                if not isinstance(value, str):
                    raise _wrong(name, "text", value, f'write {name}="..."')
        for name in _FILES:
            for _, path in _items(getattr(self, name)):
                if not isinstance(path, (str, os.PathLike)) and not brings_file_system(path):
                    raise _wrong(name, "a path", path, "name files or directories")

    def _plain_parameters(self) -> dict[str, Any]:
        """The parameters as a Kitfile holds them."""
        from kitops_core.kitfile.plain_values import plain

        hint = "give numbers, text, lists and mappings by name"
        if not isinstance(self.parameters, Mapping):
            raise _wrong("parameters", "a mapping", self.parameters, hint)
        try:
            found: dict[str, Any] = plain(self.parameters, place="parameters")
        except ValueError as error:
            raise InvalidInputError(str(error), hint=hint) from None
        return found


def _wrong(field: str, wanted: str, value: object, hint: str) -> InvalidInputError:
    kind = "None" if value is None else type(value).__qualname__
    return InvalidInputError(f"{field} must be {wanted}, not {kind}", hint=hint)


def _items(paths: Locations | None) -> Iterator[tuple[str, Location]]:
    if isinstance(paths, Mapping):
        yield from paths.items()
    elif paths is not None:
        several = isinstance(paths, Iterable) and not isinstance(paths, (str, os.PathLike))
        several = several and not brings_file_system(paths)
        single = cast("Iterable[Location]", paths if several else [paths])
        yield from (("", path) for path in single)


def _path_in_kit(source: Location, local: str | None) -> str:
    if local is None:
        text = source.path if brings_file_system(source) else str(source).partition("://")[2]
        return PurePosixPath(text).name
    path = PurePosixPath(os.path.normpath(local))
    if path.is_absolute() or ".." in path.parts or path == PurePosixPath("."):
        return Path(local).absolute().resolve().name
    return str(path)


def _found(source: Location) -> StoredObject | ObjectDirectory:
    from kitops_core.objects.store import find_objects

    return find_objects(source)
