"""The bytes of statements that are attached to a manifest: fetched, parsed, and how much memory they may take."""

from __future__ import annotations

from kitops_core.errors import IntegrityError
from kitops_core.events import Control
from kitops_core.evidence.bundle import MAX_BUNDLE_BYTES, Bundle
from kitops_core.evidence.statement import PAYLOAD_TYPE, Statement, parse_statement
from kitops_core.oci.manifest import Manifest
from kitops_core.storage import Storage

_VALUE_BYTES = 100  # what a value in JSON takes in memory, key and all


class StatementMemory:
    """What statements may still take: whoever can attach them writes what takes twenty times its length when read.

    Args:
        limit: Bytes, about.
    """

    def __init__(self, limit: int) -> None:
        self._limit = self._left = limit

    def take(self, raw: bytes, where: str) -> None:
        """Count JSON before it is read.

        Raises:
            IntegrityError: It would take more than is left.
        """
        size = 2 * len(raw) + _VALUE_BYTES * sum(map(raw.count, (b"{", b"[", b",")))
        if size > self._left:
            raise IntegrityError(
                f"{where}: not read, for {self._limit} bytes of memory are the limit for all that is attached",
                hint="remove what is no longer needed",
            )
        self._left -= size


def kind_of(manifest: Manifest) -> str:
    """What a referrer is."""
    return manifest.artifact_type or manifest.config.media_type


def only_layer(storage: Storage, manifest: Manifest, kind: str, where: str, control: Control) -> bytes:
    """The bytes of the one layer of a type.

    Raises:
        IntegrityError: There is none, or there are several, or it is too large.
        NotFoundError, DeniedError, RegistryError, StoreError: It cannot be read.
    """
    layers = [layer for layer in manifest.layers if layer.media_type == kind]
    if len(layers) != 1:
        raise IntegrityError(f"{where}: one layer of type {kind} is expected, not {len(layers)}")
    with storage.open_blob(layers[0], control) as reader:
        return reader.read_all(MAX_BUNDLE_BYTES)


def statement_in(bundle: Bundle | None, raw: bytes, where: str) -> Statement:
    """The statement of a bundle, or the bytes that are one.

    Raises:
        IntegrityError: They are none.
    """
    if bundle is None:
        return parse_statement(raw, where)
    if bundle.envelope.payload_type != PAYLOAD_TYPE:
        raise IntegrityError(f"{where}: the bundle signs no in-toto statement")
    return parse_statement(bundle.envelope.payload, where)
