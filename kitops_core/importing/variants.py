"""A repository of the Hub with several quantisations: a kit for each, and the index of them."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from kitops_core.importing.hub import HubRepository
from kitops_core.importing.remote_files import RemoteFile

_QUANTIZATION = re.compile(
    r"(?i)(?:^|[-._/])((?:i?q|tq)\d(?:_[a-z0-9]+)*|bf16|f16|fp16|f32|fp32|mxfp4(?:_[a-z]+)?)(?=[-._/]|$)"
)
_PART = re.compile(r"-\d{5}-of-\d{5}$")
_SHARED = ("mmproj", "imatrix")
"""What the names of GGUF files begin with that belong to every quantisation, not to one."""

_OTHER_WEIGHTS = (".safetensors", ".safetensors.index.json", ".bin", ".pt", ".pth", ".onnx", ".h5", ".msgpack")
WEIGHTS = (*_OTHER_WEIGHTS, ".gguf")
"""What the names of files end with that are weights."""


@dataclass(frozen=True)
class HubVariant:
    """One quantisation of a repository.

    Attributes:
        tag: The tag of its kit, beside the index's.
        labels: What it is chosen by, as its files' names tell it.
        hub: The repository with the files of this variant, and those that all share.
    """

    tag: str
    labels: dict[str, Any]
    hub: HubRepository


@dataclass
class _Group:
    """The files of one model in one quantisation."""

    model: str
    quantization: str
    files: list[RemoteFile] = field(default_factory=list)


def variants_of(hub: HubRepository) -> list[HubVariant]:
    """The quantisations of a repository, as the names of its GGUF files tell them.

    ``model-Q4_K_M.gguf``, ``Q8_0/model-Q8_0-00001-of-00002.gguf``: the quantisation stands at the end of the name, or
    names the directory. Every kit has the files that are no weights. Weights in other formats are a variant too.

    Returns:
        The variants, sorted by tag; fewer than two where the names tell no quantisations.
    """
    groups: dict[tuple[str, str], _Group] = {}
    others: list[RemoteFile] = []
    shared: list[RemoteFile] = []
    for file in hub.files:
        found = _quantization(file.path)
        if found is not None:
            groups.setdefault(found, _Group(*found)).files.append(file)
        elif file.path.endswith(_OTHER_WEIGHTS):
            others.append(file)
        else:
            shared.append(file)
    several = len({group.model for group in groups.values()}) > 1
    found_variants = [
        HubVariant(
            f"{tag_of(group.model)}-{group.quantization}" if several else group.quantization,
            {"format": "gguf", "quantization": group.quantization, **({"model": group.model} if several else {})},
            _with(hub, [*group.files, *shared]),
        )
        for group in groups.values()
    ]
    if groups and others:
        name = others[0].path.removesuffix(".index.json").rpartition(".")[2]
        found_variants.append(HubVariant(name, {"format": name}, _with(hub, [*others, *shared])))
    return sorted(found_variants, key=lambda one: one.tag)


def _quantization(path: str) -> tuple[str, str] | None:
    """The model and the quantisation that the name of a GGUF file tells, ``None`` for other files."""
    directory, _, name = path.rpartition("/")
    stem = _PART.sub("", name.removesuffix(".gguf"))
    if not name.endswith(".gguf") or name.lower().startswith(_SHARED):
        return None
    of_name = [*_QUANTIZATION.finditer(stem)]
    found = of_name or [*_QUANTIZATION.finditer(directory)]
    if not found:
        return None
    model = stem[: of_name[-1].start()] if of_name else stem
    return model.strip("-._") or "model", found[-1][1].lower()


def tag_of(name: str) -> str:
    """A tag made of the name of a model or revision."""
    return re.sub(r"[^a-zA-Z0-9_.-]+", "-", name).strip("-.").lower()[:80]


def _with(hub: HubRepository, files: Iterable[RemoteFile]) -> HubRepository:
    view = copy.copy(hub)
    view.files = tuple(sorted(files, key=lambda file: file.path))
    return view
