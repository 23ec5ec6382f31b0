"""Blobs and options for tests of storages."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from kitops_core.events import Control, Event
from kitops_core.oci.blob import BytesSource
from kitops_core.oci.manifest import Descriptor, Manifest, build_manifest, sha256_digest
from kitops_core.storage import Storage
from kitops_core.storage.registry import RegistryOptions

MEDIA_TYPE = "application/octet-stream"
ARTIFACT_TYPE = "application/vnd.test.artifact"


def fast(**settings: Any) -> RegistryOptions:
    """Options that wait milliseconds where others wait seconds."""
    return RegistryOptions(**{"backoff": 0.002, "timeout": 5.0, "keep_trying": 0.5, **settings})


def some_bytes(size: int, seed: int = 0) -> bytes:
    """Bytes that do not repeat, the same for every run."""
    return random.Random(seed).randbytes(size)


class Bytes:
    """A blob source over bytes; counts how often it was started.

    Args:
        data: The bytes.
        sized: Whether the size is known beforehand.
        known: Whether the digest is known beforehand.
        verified: Whether the source is said to check itself.
        before: Called before each buffer with its index.
    """

    media_type = MEDIA_TYPE

    def __init__(
        self,
        data: bytes,
        *,
        sized: bool = True,
        known: bool = False,
        verified: bool = False,
        before: Callable[[int], None] = lambda index: None,
        name: str = "model.bin",
        buffer: int = 65536,
    ) -> None:
        self.name = name
        self.size = len(data) if sized else None
        self.known = describe(data) if known else None
        self.verified = verified
        self.started = 0
        self._data = data
        self._before = before
        self._buffer = buffer

    def stream(self) -> Iterator[memoryview]:
        self.started += 1
        for index, start in enumerate(range(0, len(self._data), self._buffer)):
            self._before(index)
            yield memoryview(self._data)[start : start + self._buffer]


def describe(data: bytes) -> Descriptor:
    """The descriptor of ``data``."""
    return Descriptor(MEDIA_TYPE, sha256_digest(data), len(data))


def read(storage: Storage, descriptor: Descriptor, control: Control | None = None) -> bytes:
    """All bytes of a blob, checked."""
    with storage.open_blob(descriptor, control or Control()) as reader:
        return reader.read_all(1 << 30)


def put_kit(
    storage: Storage, tags: tuple[str, ...] = (), content: bytes = b"weights", subject: Descriptor | None = None
) -> Manifest:
    """A small manifest with a config and a layer, written to a storage."""
    control = Control()
    config = storage.write_blob(BytesSource(b"{}", "application/vnd.test.config"), control).descriptor
    layer = storage.write_blob(BytesSource(content, MEDIA_TYPE, "layer"), control).descriptor
    manifest = build_manifest(artifact_type=ARTIFACT_TYPE, config=config, layers=[layer], subject=subject)
    storage.put_manifest(manifest, tags)
    return manifest


class Events:
    """Events as they came, and a control that collects them."""

    def __init__(self) -> None:
        self.all: list[Event] = []
        self.control = Control(self.all.append)

    def of(self, phase: str) -> list[Event]:
        """Those of one phase."""
        return [event for event in self.all if event.phase == phase]


def error_body(code: str, message: str) -> bytes:
    """What a registry says of an error, as the distribution spec has it."""
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()
