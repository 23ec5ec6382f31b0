"""Texts that stay texts: Dagster's templates make numbers of ``"1.10"``, and a version or a tag is no number."""

# Dagster reads annotations when a component's class is made, so they are not postponed here.

from typing import Annotated, Any

import dagster as dg


def _text(context: Any, value: str) -> str:
    return str(context.resolve_value(value)) if "{{" in value else value


def _texts(context: Any, values: list[str]) -> list[str]:
    return [_text(context, value) for value in values]


Text = Annotated[str, dg.Resolver(_text, model_field_type=str, inject_before_resolve=False)]
Texts = Annotated[list[str], dg.Resolver(_texts, model_field_type=list[str])]
