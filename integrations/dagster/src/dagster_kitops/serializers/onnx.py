"""ONNX models: a graph of operators and its weights."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kitops_core import InvalidInputError

_INSTALL = "install dagster-kitops[onnx]"


def takes(value: Any) -> bool:
    """Whether it is an ``onnx.ModelProto``."""
    onnx = sys.modules.get("onnx")
    return onnx is not None and isinstance(value, onnx.ModelProto)


def save(value: Any, file: Path) -> None:
    """Write the ONNX file, with maps in a fixed order. A protocol buffer is made in memory before it is written.

    Raises:
        InvalidInputError: It is no ``onnx.ModelProto``, larger than a protocol buffer may be, or its weights are in
            another file: ``onnx.save`` with external data takes them out of the model in memory, too.
    """
    if not takes(value):
        raise InvalidInputError("onnx takes an onnx.ModelProto", hint="name another serializer")
    if name := next(_elsewhere(value.graph), ""):
        raise InvalidInputError(
            f"the tensor '{name}' of this ONNX model is in another file, which would not be in the kit",
            hint="read that file with onnx.load, which takes its tensors in, or give its directory as the model",
        )
    try:
        file.write_bytes(value.SerializeToString(deterministic=True))
    except OSError:
        raise
    except Exception as error:  # protobuf's implementations raise different ones
        raise InvalidInputError(
            f"this ONNX model cannot be one file: {error}",
            hint="save it with external data (onnx.save) and give its directory as the model",
        ) from error


def _elsewhere(graph: Any) -> Iterator[str]:
    """The names of tensors whose numbers are in another file, those within nodes among them."""
    tensors = [*graph.initializer]
    for node in graph.node:
        for attribute in node.attribute:
            tensors += [attribute.t, *attribute.tensors]
            for inner in ([attribute.g] if attribute.HasField("g") else []) + [*attribute.graphs]:
                yield from _elsewhere(inner)
    yield from (tensor.name or "without a name" for tensor in tensors if tensor.data_location == tensor.EXTERNAL)


def load(file: Path, trusted: Sequence[str]) -> Any:
    """The model.

    Raises:
        InvalidInputError: onnx is not installed.
    """
    try:
        import onnx  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise InvalidInputError(
            "it is an ONNX model, and onnx is not installed", hint="install dagster-kitops[onnx]"
        ) from None
    # Data outside of the file is left where it is: its place may be anywhere.
    return onnx.load_model(str(file), format="protobuf", load_external_data=False)
