"""What the models of ``promotion.yaml`` are made of: their base, durations and sizes."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from kitops_core.errors import InvalidInputError
from kitops_core.wording import DURATION_PATTERN, SIZE_PATTERN, parse_duration, parse_size


class Section(BaseModel):
    """A part of ``promotion.yaml``: nothing unknown in it, and not changed once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, defer_build=True)


def _duration(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError("must be a duration: 90s, 30m, 24h or 7d")
    try:
        return timedelta(seconds=parse_duration(value))
    except InvalidInputError as error:
        raise ValueError(f"{error.message}; {error.hint}") from None


def _size(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, str):
        raise ValueError("must be a size: 500MB, 10GiB or a number of bytes")
    try:
        return parse_size(value)
    except InvalidInputError as error:
        raise ValueError(f"{error.message}; {error.hint}") from None


_SIZE_SCHEMA = {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": f"^{SIZE_PATTERN}$"}]}

Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    WithJsonSchema({"type": "string", "pattern": f"^{DURATION_PATTERN}$", "examples": ["24h", "7d"]}),
]
"""A duration, written ``30m``, ``24h``, ``7d``."""

Size = Annotated[int, Field(ge=1), BeforeValidator(_size), WithJsonSchema({**_SIZE_SCHEMA, "examples": ["10GiB"]})]
"""A number of bytes, written ``500MB``, ``10GiB`` or as a number."""

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
"""A finite number; neither text nor a truth value."""

Count = Annotated[int, Field(strict=True, ge=1)]
"""A whole number from 1."""

Text = Annotated[str, Field(min_length=1)]
"""Text that says something."""
