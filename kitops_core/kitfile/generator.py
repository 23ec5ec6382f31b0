"""A first Kitfile for a directory: what ``kitops init`` writes.

The rules are the reference's (which names are weights, docs, data; how whole directories are taken; which weight is
the model), extended where those leave a file without its obvious section.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kitops_core.kitfile.file_kinds import (
    file_kind,
    is_about,
    is_environment,
    is_model_config,
    is_prompt_directory,
    is_settings,
)
from kitops_core.kitfile.licenses import READ_BYTES, front_matter, license_of_card, license_of_text
from kitops_core.kitfile.listing import ListedFile, Listing, ReadStart, list_directory, starts_in
from kitops_core.kitfile.model import (
    Code,
    Dataset,
    Docs,
    Kitfile,
    Model,
    ModelPart,
    Package,
    Prompt,
)
from kitops_core.kitfile.model_info import model_info

MAX_ENTRIES = 300
"""How many entries a generated Kitfile has: each is a layer, and the manifest that lists them has a limit."""

_CATCH_ALL_ABOVE = 5
_CODE_DIRECTORIES = ("src", "pkg", "lib", "build")
_DATA_DIRECTORIES = ("data", "dataset", "datasets")
_SHARD = re.compile(r"[-_.]\d{5}-of-\d{5}")


def generate(
    directory: Path,
    *,
    name: str = "",
    description: str = "",
    authors: Sequence[str] = (),
    depth: int = 0,
    ignored: Callable[[str, bool], bool] | None = None,
    fallback_name: str = "",
) -> Kitfile:
    """Look at a directory and describe it. Only names, sizes and the heads of a few files are read.

    Args:
        directory: The context directory.
        name: The package's name; a skill's name or the directory's where it is empty.
        description: The package's description.
        authors: The package's authors.
        depth: How many levels of subdirectories are taken file by file; those below are taken whole. -1: all.
        ignored: Told a path in the kit and whether it is a directory, says whether packing will leave it out.
        fallback_name: The package's name where nothing else says one, instead of the directory's.

    Raises:
        SourceError: ``directory`` is not a directory, or something in it cannot be listed.
    """
    root = Path(directory)
    listing = list_directory(root, ignored or (lambda _path, _is_directory: False))
    package = Package(name=name, description=description, authors=list(authors))
    return describe(listing, starts_in(root), package, depth=depth, fallback_name=fallback_name or root.resolve().name)


def describe(listing: Listing, read: ReadStart, package: Package, *, depth: int, fallback_name: str = "") -> Kitfile:
    """Describe files wherever they are.

    Args:
        listing: The files.
        read: Reads the starts of a few of them.
        package: What is said of the package already.
        depth: How many levels of subdirectories are taken file by file; those below are taken whole. -1: all.
        fallback_name: The package's name where nothing says one.
    """
    draft = _Draft(read, Kitfile(package=package))
    if listing.skill:
        draft.add_skill(listing)
    else:
        draft.add_files(listing, depth)
        draft.finish()
    draft.describe_package(listing)
    package.name = package.name or fallback_name
    return draft.kitfile


class _Draft:
    """The Kitfile as it grows; weights, their metadata and unknown files wait until all is seen."""

    def __init__(self, read: ReadStart, kitfile: Kitfile) -> None:
        self.read = read
        self.kitfile = kitfile
        self.weights: list[ListedFile] = []
        self.metadata: list[str] = []
        self.unknown: list[str] = []
        self.media: list[str] = []
        self.license = ""
        self.card: dict[str, Any] = {}
        self.skills: list[dict[str, Any]] = []
        self.seen: set[str] = set()

    def add_files(self, directory: Listing, depth: int, *, is_root: bool = True) -> None:
        """Take a directory's files one by one."""
        if directory.skill:
            self.add_skill(directory)
            return
        of_mlflow = any(file.name == "MLmodel" for file in directory.files)
        for file in directory.files:
            self._add_file(file, is_root, of_mlflow and is_environment(file.name))
        for inner in directory.directories:
            if depth == 0 or len(inner.files) > MAX_ENTRIES:
                self._add_whole(inner)
            else:
                self.add_files(inner, depth - 1, is_root=False)

    def add_skill(self, directory: Listing) -> None:
        """Take a directory with a SKILL.md as one prompt."""
        skill = front_matter(self.read(directory.skill, READ_BYTES))
        self.kitfile.prompts.append(
            Prompt(path=directory.path or ".", name=_said(skill, "name"), description=_said(skill, "description"))
        )
        self.skills.append(skill)

    def _add_file(self, file: ListedFile, is_root: bool, is_metadata: bool) -> None:
        self.seen.add(file.path)
        lower = file.name.lower()
        kind = "metadata" if is_metadata else file_kind(file.path)
        in_prompts = is_prompt_directory(file.path.rpartition("/")[0].rpartition("/")[2])
        if lower.startswith("readme"):
            self.kitfile.docs.append(Docs(path=file.path, description="Readme file"))
            if is_root and not self.card:
                self.card = front_matter(self.read(file.path, READ_BYTES))
        elif lower.startswith(("license", "licence")):
            self.kitfile.docs.append(Docs(path=file.path, description="License file"))
            if is_root:
                self.license = license_of_text(self.read(file.path, READ_BYTES)) or self.license
        elif in_prompts and kind in ("docs", "metadata", "unknown"):
            self.kitfile.prompts.append(Prompt(path=file.path))
        elif kind == "model":
            self.weights.append(file)
        elif kind == "metadata":
            self.metadata.append(file.path)
        elif kind == "docs":
            self.kitfile.docs.append(Docs(path=file.path))
        elif kind == "dataset":
            self.kitfile.datasets.append(Dataset(path=file.path))
        elif kind == "prompt":
            self.kitfile.prompts.append(Prompt(path=file.path))
        elif kind == "media" and not is_root:
            self.kitfile.datasets.append(Dataset(path=file.path))
        elif is_root:
            (self.media if kind == "media" else self.unknown).append(file.path)
        else:
            self.kitfile.code.append(Code(path=file.path))

    def _add_whole(self, directory: Listing) -> None:
        if directory.skill:
            self.add_skill(directory)
            return
        path = directory.path + "/"
        weights = [file for file in directory.files if file_kind(file.name) == "model"]
        self.seen.update(file.path for file in directory.files)
        told = [file for file in directory.files if not is_about(file.name)] or directory.files
        kinds = {file_kind(file.name) for file in told}
        if directory.directories:
            kinds.add("unknown")
        main = kinds - {"metadata"}
        if directory.name == "docs":
            self.kitfile.docs.append(Docs(path=path))
        elif directory.name in _CODE_DIRECTORIES:
            self.kitfile.code.append(Code(path=path))
        elif main == {"model"}:
            self.weights += weights
            self.metadata += [file.path for file in directory.files if file_kind(file.name) == "metadata"]
        elif main in ({"dataset"}, {"media"}, {"dataset", "media"}) or (
            directory.name in _DATA_DIRECTORIES and "model" not in main
        ):
            self.kitfile.datasets.append(Dataset(path=path))
        elif main == {"docs"}:
            self.kitfile.docs.append(Docs(path=path))
        elif main == {"prompt"} or (is_prompt_directory(directory.name) and "model" not in main):
            self.kitfile.prompts.append(Prompt(path=path))
        elif not main and any(is_model_config(file.name) for file in directory.files):
            self.metadata.append(path)
        else:
            self.weights += weights
            self.kitfile.code.append(Code(path=path))

    def finish(self) -> None:
        """Decide what waited: the model and its parts, catch-all code, the licence's place."""
        most = max(self.unknown, self.media, key=len)
        if len(self.unknown) + len(self.media) > _CATCH_ALL_ABOVE:
            if most is self.media:
                self.kitfile.datasets.append(Dataset(path="."))
            else:
                self.kitfile.code.append(Code(path="."))
        else:
            self.kitfile.code += [Code(path=path) for path in self.unknown + self.media]
        if self.weights:
            self.kitfile.model = self._model()
        else:
            self.kitfile.code += [Code(path=path) for path in self.metadata if is_settings(path)]
            self.kitfile.datasets += [Dataset(path=path) for path in self.metadata if not is_settings(path)]
        self._gather()
        license_ = self.license or license_of_card(self.card)
        if self.kitfile.model is not None:
            self.kitfile.model.license = license_
        elif len(self.kitfile.datasets) == 1:
            self.kitfile.datasets[0].license = license_
        elif len(self.kitfile.code) == 1:
            self.kitfile.code[0].license = license_
        else:
            self.kitfile.package.license = license_

    def _gather(self) -> None:
        """Of very many entries, take the most as one: the rest of the directory, of the kind that most files have."""
        kit = self.kitfile
        kinds: list[tuple[list[Any], type[Any]]] = [
            (kit.datasets, Dataset),
            (kit.docs, Docs),
            (kit.prompts, Prompt),
            (kit.code, Code),
            *([(kit.model.parts, ModelPart)] if kit.model else []),
        ]
        rest: tuple[list[Any], type[Any]] | None = None
        while sum(len(entries) for entries, _ in kinds) > MAX_ENTRIES:
            entries, kind = max(kinds, key=lambda found: len(found[0]))
            rest = rest or (entries, kind)
            entries.clear()
        if rest is not None:  # what no other entry names is in it, and there can be only one such
            kit.code[:] = [code for code in kit.code if code.path != "."]
            rest[0].append(rest[1](path="."))

    def _model(self) -> Model:
        largest = max(self.weights, key=lambda file: file.size)
        average = sum(file.size for file in self.weights) // len(self.weights)
        main = largest if largest.size > average + average // 2 else self.weights[0]
        others = [file.path for file in self.weights if file is not main] + self.metadata
        info = model_info(self.read, main.path, self.seen)
        card = {key: self.card[key] for key in ("base_model", "pipeline_tag") if self.card.get(key)}
        return Model(
            name=_SHARD.sub("", os.path.splitext(main.path)[0]),
            path=main.path,
            framework=info.framework,
            format=info.format,
            parts=[ModelPart(path=path) for path in others],
            parameters={**info.parameters, **card} or None,
        )

    def describe_package(self, listing: Listing) -> None:
        """Fill from a skill's front matter what the caller left empty."""
        if not self.skills:
            return
        kit, package, skill = self.kitfile, self.kitfile.package, self.skills[0]
        only_prompts = kit.model is None and not (kit.code or kit.datasets or kit.docs)
        if only_prompts and len(self.skills) == 1:
            package.name = package.name or _said(skill, "name")
            package.description = package.description or _said(skill, "description")
        package.license = package.license or _said(skill, "license")


def _said(values: dict[str, Any], key: str) -> str:
    value = values.get(key)
    return value if isinstance(value, str) else ""
