"""The Kitfile: what a ModelKit says about itself, as pydantic models.

How they are written is in :mod:`kitops_core.kitfile.fields`. Text fields are never ``None``: an empty string means "not
said" and is not written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from kitops_core.errors import KitfileError
from kitops_core.kitfile.data import MANIFEST_VERSION, KitfileData
from kitops_core.kitfile.entries import KitEntry
from kitops_core.kitfile.plain_values import plain

Parameters = Annotated[Any, BeforeValidator(plain)]
"""Free-form data: ``None``, text, numbers, truth values, and lists and text-keyed mappings of these."""


class _Section(BaseModel):
    """What all parts of a Kitfile share: camelCase in files, snake_case in Python, nothing unknown."""

    # Built when it is first used: building each class by itself as well took a tenth of a command's start.
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", validate_assignment=True, defer_build=True
    )


class _Entry(_Section):
    """An entry that is packed as a layer.

    Attributes:
        digest: Digest of the layer's bytes as stored; only known from a packed kit, never in a Kitfile.
        diff_id: Digest of the layer's uncompressed bytes; only known from a packed kit.
    """

    digest: str = ""
    diff_id: str = ""


class Package(_Section):
    """What the kit as a whole is."""

    name: str = ""
    version: str = ""
    description: str = ""
    license: str = ""
    authors: list[str] = Field(default_factory=list)


class ModelPart(_Entry):
    """A file or directory that belongs to the model: another shard, a tokenizer, an adapter."""

    name: str = ""
    path: str = ""
    license: str = ""
    type: str = ""


class Model(_Entry):
    """The model. Its ``path`` may name another ModelKit instead of a file."""

    name: str = ""
    path: str = ""
    license: str = ""
    framework: str = ""
    format: str = ""
    version: str = ""
    description: str = ""
    parts: list[ModelPart] = Field(default_factory=list)
    parameters: Parameters = None


class Code(_Entry):
    """Source code."""

    path: str = ""
    description: str = ""
    license: str = ""


class Dataset(_Entry):
    """Data. With a ``remote_path`` it stays where it is and is not packed."""

    name: str = ""
    path: str = ""
    description: str = ""
    license: str = ""
    parameters: Parameters = None
    remote_path: str = ""
    remote_hash: str = ""


class Docs(_Entry):
    """Documentation."""

    path: str = ""
    description: str = ""


class Prompt(_Entry):
    """A prompt file, or the directory of a skill."""

    name: str = ""
    path: str = ""
    description: str = ""


class McpServer(_Entry):
    """An MCP bundle: one ``.mcpb`` file."""

    name: str = ""
    path: str = ""
    description: str = ""


class Kitfile(_Section):
    """A Kitfile, read from YAML, from a packed kit's config, or made in Python.

    Example:
        >>> Kitfile(package=Package(name="churn"), model=Model(path="model.joblib")).to_config({})
        b'{"manifestVersion":"1.0.0","package":{"name":"churn"},"model":{"path":"model.joblib"}}'
    """

    manifest_version: str = MANIFEST_VERSION
    package: Package = Field(default_factory=Package)
    model: Model | None = None
    code: list[Code] = Field(default_factory=list)
    datasets: list[Dataset] = Field(default_factory=list)
    docs: list[Docs] = Field(default_factory=list)
    prompts: list[Prompt] = Field(default_factory=list)
    mcp_servers: list[McpServer] = Field(default_factory=list)

    @staticmethod
    def load(path: Path) -> Kitfile:
        """Read a Kitfile from disk.

        Raises:
            KitfileError: It cannot be read or is not a Kitfile; names every problem, with its line where known.
        """
        return Kitfile.from_data(KitfileData.load(path))

    @staticmethod
    def parse(text: str | bytes, where: str = "Kitfile") -> Kitfile:
        """Read a Kitfile's YAML; ``where`` names it in errors.

        A missing ``manifestVersion`` stays empty, as in the reference, so that the packed config is the same.

        Raises:
            KitfileError: Names every problem, with its line where known.
        """
        return Kitfile.from_data(KitfileData.parse(text, where))

    @staticmethod
    def from_mapping(values: Mapping[str, Any], where: str = "the Kitfile given") -> Kitfile:
        """Read what a Kitfile's YAML would say, as mappings and lists; ``where`` names it in errors.

        Raises:
            KitfileError: Names every problem, or the value that no Kitfile can hold.
        """
        try:
            text = json.dumps(plain(values))
        except ValueError as error:
            raise KitfileError(where, [str(error)], hint="give numbers, text, lists and mappings by name") from None
        return Kitfile.parse(text, where)

    @staticmethod
    def from_config(data: bytes, where: str = "the config") -> Kitfile:
        """Read the config blob of a packed kit; fields of newer versions are passed over.

        Raises:
            IntegrityError: It is not a Kitfile.
        """
        return Kitfile.from_data(KitfileData.from_config(data, where))

    @staticmethod
    def from_data(data: KitfileData) -> Kitfile:
        """The models of what a Kitfile says."""
        return Kitfile.model_validate(data.values)

    def data(self) -> KitfileData:
        """What the Kitfile says, as plain values; later changes to the Kitfile are not in it."""
        return KitfileData(self.model_dump())

    def to_yaml(self) -> str:
        """The Kitfile as YAML for people. Reading it gives an equal Kitfile, without what only a packed kit knows."""
        return self.data().to_yaml()

    def to_config(self, layers: Mapping[str, tuple[str, str]]) -> bytes:
        """The config blob: compact JSON, the same bytes that the reference writes.

        Args:
            layers: An entry's address to its layer's digest and diffId. Entries not named keep what they have.

        Raises:
            ValueError: An address is not one of :meth:`entries`.
        """
        return self.data().to_config(layers)

    def entries(self) -> list[KitEntry]:
        """Everything that has a layer, in layer order.

        A model without a path or with a ModelKit reference and a dataset with a ``remotePath`` are not in it.
        """
        return self.data().entries()

    def model_reference(self) -> str | None:
        """The ModelKit that ``model.path`` names, ``None`` where it is a path (see :func:`is_modelkit_reference`)."""
        return self.data().model_reference()
