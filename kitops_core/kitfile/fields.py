"""The fields of the Kitfile's models, as reading and writing need them: derived from the models, stated once."""

from __future__ import annotations

from functools import cache
from types import UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.alias_generators import to_camel

LAYER_FIELDS = ("digest", "diff_id")
"""Fields that only a packed kit has; written after all others."""


class FieldSpec(NamedTuple):
    """A field of one of the models.

    Attributes:
        attribute: Its name in Python.
        key: Its name in files.
        kind: ``text``, ``texts`` (a list), ``section``, ``sections`` (a list), or ``any``.
        section: The model of a section.
        always: Whether it is written when empty.
    """

    attribute: str
    key: str
    kind: Literal["text", "texts", "section", "sections", "any"]
    section: type[BaseModel] | None
    always: bool


@cache
def own_fields(model: type[BaseModel]) -> tuple[FieldSpec, ...]:
    """The fields a person writes, in the format's order."""
    return tuple(_spec(model, name) for name in model.model_fields if name not in LAYER_FIELDS)


@cache
def packed_fields(model: type[BaseModel]) -> tuple[FieldSpec, ...]:
    """All fields a packed config may have, in the format's order."""
    layer = tuple(_spec(model, name) for name in LAYER_FIELDS if name in model.model_fields)
    return own_fields(model) + layer


def _spec(model: type[BaseModel], name: str) -> FieldSpec:
    field = model.model_fields[name]
    key = to_camel(name)
    always = key in getattr(model, "always", ())
    annotation: Any = field.annotation
    if get_origin(annotation) in (Union, UnionType):
        annotation = next(a for a in get_args(annotation) if a is not type(None))
    if annotation is str:
        return FieldSpec(name, key, "text", None, always)
    if get_origin(annotation) is list:
        (item,) = get_args(annotation)
        if item is str:
            return FieldSpec(name, key, "texts", None, always)
        return FieldSpec(name, key, "sections", item, always)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return FieldSpec(name, key, "section", annotation, always)
    return FieldSpec(name, key, "any", None, always)
