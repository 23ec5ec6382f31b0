"""The Kitfile: what a ModelKit says about itself, as pydantic models.

Fields are declared in the order the format writes them. Text fields are never ``None``: an empty string means "not
said" and is not written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Protocol

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from kitops_core.errors import IntegrityError, KitfileError
from kitops_core.kitfile import config
from kitops_core.kitfile.entries import KitEntry, clean_path, is_modelkit_reference
from kitops_core.kitfile.plain_values import plain
from kitops_core.oci.media_types import Section

MANIFEST_VERSION = "1.0.0"
KITFILE_NAMES = ("Kitfile", "kitfile", ".kitfile")

Parameters = Annotated[Any, BeforeValidator(plain)]
"""Free-form data: ``None``, text, numbers, truth values, and lists and text-keyed mappings of these."""


class _Section(BaseModel):
    """What all parts of a Kitfile share: camelCase in files, snake_case in Python, nothing unknown.

    Attributes:
        always: Keys that are written even when they are empty.
    """

    # Built when it is first used: building each class by itself as well took a tenth of a command's start.
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", validate_assignment=True, defer_build=True
    )
    always: ClassVar[frozenset[str]] = frozenset()


class AnyEntry(Protocol):
    """What the entries of all sections have."""

    path: str
    digest: str
    diff_id: str


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

    always = frozenset({"path"})
    path: str = ""
    description: str = ""


class Prompt(_Entry):
    """A prompt file, or the directory of a skill."""

    name: str = ""
    path: str = ""
    description: str = ""


class McpServer(_Entry):
    """An MCP bundle: one ``.mcpb`` file."""

    always = frozenset({"name"})
    name: str = ""
    path: str = ""
    description: str = ""


class Kitfile(_Section):
    """A Kitfile, read from YAML, from a packed kit's config, or made in Python.

    Example:
        >>> Kitfile(package=Package(name="churn"), model=Model(path="model.joblib")).to_config({})
        b'{"manifestVersion":"1.0.0","package":{"name":"churn"},"model":{"path":"model.joblib"}}'
    """

    always = frozenset({"manifestVersion", "package"})
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
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise KitfileError(str(path), [f"cannot be read: {error.strerror}"]) from None
        return Kitfile.parse(data, str(path))

    @staticmethod
    def parse(text: str | bytes, where: str = "Kitfile") -> Kitfile:
        """Read a Kitfile's YAML; ``where`` names it in errors.

        A missing ``manifestVersion`` stays empty, as in the reference, so that the packed config is the same.

        Raises:
            KitfileError: Names every problem, with its line where known.
        """
        from kitops_core.kitfile.yaml_decode import decode_document

        values = decode_document(text, Kitfile, where)
        return Kitfile.model_validate({"manifest_version": "", **values})

    @staticmethod
    def from_config(data: bytes, where: str = "the config") -> Kitfile:
        """Read the config blob of a packed kit; fields of newer versions are passed over.

        Raises:
            IntegrityError: It is not a Kitfile.
        """
        values = config.decode(data, Kitfile, where)
        try:
            return Kitfile.model_validate(values)
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(step) for step in problem["loc"])
            raise IntegrityError(f"{where} is not a Kitfile: {place}: {problem['msg']}") from None

    def to_yaml(self) -> str:
        """The Kitfile as YAML for people. Reading it gives an equal Kitfile, without what only a packed kit knows."""
        from kitops_core.kitfile.yaml_write import write

        return write(self)

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
            id(entry): layers.get(address, (entry.digest, entry.diff_id)) for address, _, entry in self.all_entries()
        }
        return config.encode(self, info)

    def all_entries(self) -> Iterator[tuple[str, Section, AnyEntry]]:
        """Every entry with its address and section, in layer order, whether it has a layer or not."""
        if self.model is not None:
            yield "model", "model", self.model
            for index, part in enumerate(self.model.parts):
                yield f"model.parts[{index}]", "modelpart", part
        for index, code in enumerate(self.code):
            yield f"code[{index}]", "code", code
        for index, dataset in enumerate(self.datasets):
            yield f"datasets[{index}]", "dataset", dataset
        for index, docs in enumerate(self.docs):
            yield f"docs[{index}]", "docs", docs
        for index, prompt in enumerate(self.prompts):
            yield f"prompts[{index}]", "prompt", prompt
        for index, server in enumerate(self.mcp_servers):
            yield f"mcpServers[{index}]", "mcpb", server

    def entries(self) -> list[KitEntry]:
        """Everything that has a layer, in layer order.

        A model without a path or with a ModelKit reference and a dataset with a ``remotePath`` are not in it.
        """
        return [
            KitEntry(
                address,
                section,
                clean_path(entry.path),
                name=getattr(entry, "name", ""),
                license=getattr(entry, "license", ""),
                digest=entry.digest,
                diff_id=entry.diff_id,
            )
            for address, section, entry in self.all_entries()
            if not getattr(entry, "remote_path", "")
            and (section != "model" or (entry.path and not is_modelkit_reference(entry.path)))
        ]

    def model_reference(self) -> str | None:
        """The ModelKit that ``model.path`` names, ``None`` where it is a path (see :func:`is_modelkit_reference`)."""
        if self.model is not None and is_modelkit_reference(self.model.path):
            return self.model.path
        return None


def find_kitfile(directory: Path) -> Path | None:
    """The Kitfile in ``directory`` under the first of its names that exists, or ``None``."""
    return next((path for name in KITFILE_NAMES if (path := Path(directory) / name).is_file()), None)
