"""A Kitfile as plain values: all that packing, unpacking and listing need of it, without the models."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from kitops_core.errors import KitfileError
from kitops_core.kitfile import config
from kitops_core.kitfile.entries import KitEntry, clean_path, is_modelkit_reference
from kitops_core.kitfile.fields import KITFILE, PACKAGE
from kitops_core.oci.media_types import Section

MANIFEST_VERSION = "1.0.0"
KITFILE_NAMES = ("Kitfile", "kitfile", ".kitfile")

_LISTS: tuple[tuple[str, str, Section], ...] = (
    ("code", "code", "code"),
    ("datasets", "datasets", "dataset"),
    ("docs", "docs", "docs"),
    ("prompts", "prompts", "prompt"),
    ("mcp_servers", "mcpServers", "mcpb"),
)


@dataclass(frozen=True)
class KitfileData:
    """What a Kitfile says. :class:`~kitops_core.kitfile.model.Kitfile` is the same for those who write one in Python.

    Attributes:
        values: Each field by its name in Python: text, lists of text, sections and lists of sections as mappings of
            the same form, free-form values. What is not said may be missing, ``None`` or empty.
    """

    values: Mapping[str, Any]

    @staticmethod
    def load(path: Path) -> KitfileData:
        """Read a Kitfile from disk.

        Raises:
            KitfileError: It cannot be read or is not a Kitfile; names every problem, with its line where known.
        """
        from kitops_core.kitfile.yaml_document import read_file

        return KitfileData.parse(read_file(Path(path), KitfileError), str(path))

    @staticmethod
    def parse(text: str | bytes, where: str = "Kitfile") -> KitfileData:
        """Read a Kitfile's YAML; ``where`` names it in errors.

        A missing ``manifestVersion`` stays empty, as in the reference, so that the packed config is the same.

        Raises:
            KitfileError: Names every problem, with its line where known.
        """
        from kitops_core.kitfile.yaml_decode import decode_document

        return KitfileData({"manifest_version": "", **decode_document(text, KITFILE, where)})

    @staticmethod
    def from_config(data: bytes, where: str = "the config") -> KitfileData:
        """Read the config blob of a packed kit; fields of newer versions are passed over.

        Raises:
            IntegrityError: It is not a Kitfile.
        """
        return KitfileData({"manifest_version": MANIFEST_VERSION, **config.decode(data, where)})

    @property
    def package(self) -> dict[str, Any]:
        """What is said of the kit as a whole, without what is empty."""
        package = self.values.get("package") or {}
        return {field.attribute: value for field in PACKAGE.own if (value := package.get(field.attribute))}

    @property
    def model(self) -> Mapping[str, Any]:
        """What is said of the model; empty where there is none."""
        return self.values.get("model") or {}

    def to_yaml(self) -> str:
        """The Kitfile as YAML for people, without what only a packed kit knows."""
        from kitops_core.kitfile.yaml_write import write

        return write(self.values)

    def to_config(self, layers: Mapping[str, tuple[str, str]]) -> bytes:
        """The config blob: compact JSON, the same bytes that the reference writes.

        Args:
            layers: An entry's address to its layer's digest and diffId. Entries not named keep what they have.

        Raises:
            ValueError: An address is not one of :meth:`entries`.
        """
        unknown = set(layers) - {entry.address for entry in self.entries()}
        if unknown:
            raise ValueError(f"not entries of this Kitfile: {', '.join(sorted(unknown))}")
        info = {
            id(entry): layers.get(address, (entry.get("digest", ""), entry.get("diff_id", "")))
            for address, _, entry in self.all_entries()
        }
        return config.encode(self.values, info)

    def said(self) -> dict[str, Any]:
        """The Kitfile under its names in files, without what is empty and without the digests of its layers."""
        return config.by_key(self.values, KITFILE, {})

    def all_entries(self) -> Iterator[tuple[str, Section, Mapping[str, Any]]]:
        """Every entry with its address and section, in layer order, whether it has a layer or not."""
        if self.values.get("model") is not None:
            yield "model", "model", self.values["model"]
            for index, part in enumerate(self.model.get("parts") or ()):
                yield f"model.parts[{index}]", "modelpart", part
        for attribute, key, section in _LISTS:
            for index, entry in enumerate(self.values.get(attribute) or ()):
                yield f"{key}[{index}]", section, entry

    def entries(self) -> list[KitEntry]:
        """Everything that has a layer, in layer order.

        A model without a path or with a ModelKit reference and a dataset with a ``remotePath`` are not in it.
        """
        return [
            KitEntry(
                address,
                section,
                clean_path(entry.get("path", "")),
                name=entry.get("name", ""),
                license=entry.get("license", ""),
                digest=entry.get("digest", ""),
                diff_id=entry.get("diff_id", ""),
            )
            for address, section, entry in self.all_entries()
            if not entry.get("remote_path")
            and (section != "model" or (entry.get("path") and not is_modelkit_reference(entry["path"])))
        ]

    def model_reference(self) -> str | None:
        """The ModelKit that ``model.path`` names, ``None`` where it is a path (see :func:`is_modelkit_reference`)."""
        path: str = self.model.get("path", "")
        return path if is_modelkit_reference(path) else None

    def references(self) -> list[str]:
        """Every ModelKit that it names: that of the model, and those that hold datasets."""
        paths = [self.model.get("path", "")]
        paths += [dataset.get("remote_path", "") for dataset in self.values.get("datasets") or ()]
        return [path for path in dict.fromkeys(paths) if is_modelkit_reference(path)]


class _Model(Protocol):
    """A :class:`~kitops_core.kitfile.model.Kitfile`, to those who do not import it."""

    def data(self) -> KitfileData: ...


def load_given(kitfile: str | os.PathLike[str] | _Model) -> tuple[KitfileData, str]:
    """The Kitfile that a user gave, and what to call it in errors.

    Raises:
        KitfileError: It cannot be read, or is none.
    """
    if isinstance(kitfile, (str, os.PathLike)):
        return KitfileData.load(Path(kitfile)), str(kitfile)
    return kitfile.data(), "the Kitfile given"


def find_kitfile(directory: Path) -> Path | None:
    """The Kitfile in ``directory`` under the first of its names that exists, or ``None``."""
    return next((path for name in KITFILE_NAMES if (path := Path(directory) / name).is_file()), None)
