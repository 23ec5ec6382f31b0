"""Files that stand for weights or data that are not there: Git LFS pointers, and downloads that were interrupted.

Only the beginning of a file is read: of those as short as a pointer, and of weights whose format says how long they
are.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import BinaryIO

from kitops_core.files.gguf import GgufHeader
from kitops_core.files.safetensors import read_header

SECTIONS = ("model", "modelpart", "dataset")
"""What of a kit is to be whole; in code, a pointer may be one that is meant."""

POINTER_HINT = "run `git lfs pull`"
CUT_HINT = "download them again"

_POINTER = b"version https://git-lfs.github.com/spec/v1\n"  # Git LFS, docs/spec.md
_POINTER_BYTES = range(120, 200)  # those without extensions have 126 to 145
_WITH_HEADERS = (b".safetensors", b".gguf")


def may_be_incomplete(name: bytes, size: int) -> bool:
    """Whether a file has to be looked into: it is as long as a pointer, or says itself how long it is."""
    return size in _POINTER_BYTES or name.endswith(_WITH_HEADERS)


def is_pointer(size: int, start: bytes) -> bool:
    """Whether a file of this size that starts so is a Git LFS pointer."""
    return size in _POINTER_BYTES and start.startswith(_POINTER)


def find_fault(name: bytes, size: int, open_file: Callable[[], BinaryIO], *, allow_pointers: bool = False) -> str:
    """What keeps a file from being what its name says, as the rest of a sentence; empty where nothing does.

    Args:
        name: Its name, with or without directories.
        size: Its size in bytes.
        open_file: Opens it; asked only where :func:`may_be_incomplete`.
        allow_pointers: Take Git LFS pointers as they are.

    Raises:
        OSError: It cannot be read.
        EOFError: There is less of it to read than ``size`` says, and what is missing is needed.
    """
    if not may_be_incomplete(name, size):
        return ""
    with open_file() as file:
        if size in _POINTER_BYTES:
            if not allow_pointers and is_pointer(size, file.read(len(_POINTER))):
                return "is a Git LFS pointer, not the file itself"
            file.seek(0)
        wanted = 0
        if name.endswith(b".safetensors"):
            wanted = _safetensors_bytes(file, size)
        elif name.endswith(b".gguf"):
            wanted = GgufHeader(file, size).wanted_bytes()
    return f"has {size} bytes, and its header asks for {wanted} or more" if wanted > size else ""


def checked(
    pieces: Iterable[memoryview], name: bytes, size: int, refuse: Callable[[str], Exception]
) -> Iterator[memoryview]:
    """The same pieces of a file from somewhere else, looked into while they pass.

    Args:
        pieces: The file from its beginning.
        name: Its name.
        size: Its size in bytes.
        refuse: Makes the error to raise of what :func:`find_fault` says.
    """
    undecided = may_be_incomplete(name, size)
    start, due = bytearray(), 0
    try:
        for piece in pieces:
            if undecided:
                start += piece
                if len(start) >= min(due, size):
                    try:
                        if fault := find_fault(name, size, lambda: io.BytesIO(start)):  # noqa: B023  # called at once
                            raise refuse(fault)
                        undecided = False
                        start.clear()
                    except EOFError:
                        due = 2 * len(start)  # the header goes on; one that is long is not read again with every piece
            yield piece
    finally:
        if isinstance(pieces, Generator):
            pieces.close()  # with the connection that it reads from


def _safetensors_bytes(file: BinaryIO, size: int) -> int:
    """How long the file has to be at least; 0 where it is none that we can read."""
    begin, tensors = read_header(file, size)
    if tensors is None:
        return begin if begin > size else 0
    try:
        ends = [tensor["data_offsets"][1] for name, tensor in tensors.items() if name != "__metadata__"]
        return int(begin + max(ends, default=0))
    except (ValueError, TypeError, KeyError, IndexError):
        return 0
