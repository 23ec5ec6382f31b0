"""The fields of a Kitfile, in the order the format writes them.

The pydantic models (:mod:`kitops_core.kitfile.model`) declare the same for those who write Kitfiles in Python; a test
holds both together. They are stated here as well because reading and writing must not wait for pydantic: importing it
takes longer than packing a small kit.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["text", "texts", "section", "sections", "any"]


class FieldSpec(NamedTuple):
    """A field of a section.

    Attributes:
        attribute: Its name in Python.
        key: Its name in files.
        kind: ``text``, ``texts`` (a list), ``section``, ``sections`` (a list), or ``any`` (free-form).
        section: The fields of a section, or of each section in a list.
        always: Whether it is written when empty.
    """

    attribute: str
    key: str
    kind: Kind
    section: Fields | None = None
    always: bool = False


class Fields(NamedTuple):
    """What a section may say.

    Attributes:
        own: What a person writes.
        layer: What only the config of a packed kit has besides; written last.
    """

    own: tuple[FieldSpec, ...]
    layer: tuple[FieldSpec, ...]


def _key(attribute: str) -> str:
    first, *rest = attribute.split("_")
    return first + "".join(word.title() for word in rest)


def _text(*attributes: str, always: bool = False) -> list[FieldSpec]:
    return [FieldSpec(attribute, _key(attribute), "text", None, always) for attribute in attributes]


def _entry(*fields: FieldSpec) -> Fields:
    return Fields(fields, tuple(_text("digest", "diff_id")))


_PARAMETERS = FieldSpec("parameters", "parameters", "any")

PACKAGE = Fields((*_text("name", "version", "description", "license"), FieldSpec("authors", "authors", "texts")), ())
MODEL_PART = _entry(*_text("name", "path", "license", "type"))
MODEL = _entry(
    *_text("name", "path", "license", "framework", "format", "version", "description"),
    FieldSpec("parts", "parts", "sections", MODEL_PART),
    _PARAMETERS,
)
CODE = _entry(*_text("path", "description", "license"))
DATASET = _entry(*_text("name", "path", "description", "license"), _PARAMETERS, *_text("remote_path", "remote_hash"))
DOCS = _entry(*_text("path", always=True), *_text("description"))
PROMPT = _entry(*_text("name", "path", "description"))
MCP_SERVER = _entry(*_text("name", always=True), *_text("path", "description"))
KITFILE = Fields(
    (
        *_text("manifest_version", always=True),
        FieldSpec("package", "package", "section", PACKAGE, always=True),
        FieldSpec("model", "model", "section", MODEL),
        FieldSpec("code", "code", "sections", CODE),
        FieldSpec("datasets", "datasets", "sections", DATASET),
        FieldSpec("docs", "docs", "sections", DOCS),
        FieldSpec("prompts", "prompts", "sections", PROMPT),
        FieldSpec("mcp_servers", "mcpServers", "sections", MCP_SERVER),
    ),
    (),
)
