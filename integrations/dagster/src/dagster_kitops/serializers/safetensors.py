"""Arrays by name, or one array, as safetensors, a format that holds numbers and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kitops_core import InvalidInputError

_INSTALL = "install dagster-kitops[safetensors]"
_ONE = "array"
"""The name of an array that has none."""

_OF_ONE = {"kitops.object": "numpy.ndarray"}
"""The file's own metadata where it is one array; one key only, for several come in any order."""


def takes(value: Any) -> bool:
    """Whether it is a numpy array, or a mapping from names to some, and not an empty one."""
    if isinstance(value, dict):
        return bool(value) and all(isinstance(key, str) and _is_array(item) for key, item in value.items())
    return _is_array(value)


def save(value: Any, file: Path) -> None:
    """Write the safetensors file, straight from the arrays' memory where they lie in one piece.

    Raises:
        InvalidInputError: These are no arrays by name, safetensors is not installed, or it has no place for an array's
            type.
    """
    if not takes(value):
        raise InvalidInputError(
            "safetensors takes a numpy array, or a mapping from names to some", hint="name another serializer"
        )
    numpy_io = _numpy_io()
    import numpy

    named = value if isinstance(value, dict) else {_ONE: value}
    arrays = {name: numpy.asarray(named[name], order="C") for name in sorted(named)}
    try:
        numpy_io.save_file(arrays, file, metadata=None if isinstance(value, dict) else _OF_ONE)
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInputError(
            f"safetensors cannot write these arrays: {error}", hint="convert them to numbers"
        ) from error


def load(file: Path, trusted: Sequence[str]) -> Any:
    """The arrays by name, or the one array.

    Raises:
        InvalidInputError: safetensors is not installed.
    """
    _numpy_io()
    from safetensors import safe_open

    with safe_open(file, framework="np", backend="pread") as held:  # mapped, the file would count as memory as well
        arrays = held.get_tensors()
        return arrays[_ONE] if held.metadata() == _OF_ONE else arrays


def _is_array(value: Any) -> bool:
    """Whether it is numpy's own array: a masked one has more to it than numbers."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and type(value) in (numpy.ndarray, numpy.memmap)


def _numpy_io() -> Any:
    try:
        from safetensors import numpy
    except ImportError:
        raise InvalidInputError("safetensors, which reads and writes arrays, is not installed", hint=_INSTALL) from None
    return numpy
