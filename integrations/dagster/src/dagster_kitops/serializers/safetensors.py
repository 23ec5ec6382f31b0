"""Arrays by name as safetensors, a format that holds numbers and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from kitops_core import InvalidInputError

_INSTALL = "install dagster-kitops[safetensors]"


def takes(value: Any) -> bool:
    """Whether it is a mapping from names to numpy arrays, and not an empty one."""
    numpy = sys.modules.get("numpy")
    return (
        numpy is not None
        and isinstance(value, dict)
        and bool(value)
        and all(isinstance(key, str) and isinstance(item, numpy.ndarray) for key, item in value.items())
    )


def save(value: Any) -> bytes:
    """The safetensors file.

    Raises:
        InvalidInputError: These are no arrays by name, safetensors is not installed, or it has no place for an array's
            type.
    """
    if not takes(value):
        raise InvalidInputError(
            "safetensors takes a mapping from names to numpy arrays", hint="name another serializer"
        )
    numpy_io = _numpy_io()
    import numpy

    arrays = {name: numpy.ascontiguousarray(value[name]) for name in sorted(value)}
    try:
        data: bytes = numpy_io.save(arrays)
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInputError(
            f"safetensors cannot write these arrays: {error}", hint="convert them to numbers"
        ) from error
    return data


def load(data: bytes, trusted: Sequence[str]) -> Any:
    """The arrays by name.

    Raises:
        InvalidInputError: safetensors is not installed.
    """
    return _numpy_io().load(data)


def _numpy_io() -> Any:
    try:
        from safetensors import numpy
    except ImportError:
        raise InvalidInputError("safetensors, which reads and writes arrays, is not installed", hint=_INSTALL) from None
    return numpy
