"""Attest and sign: statements about a kit's digest, attached to it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kitops_core.errors import IntegrityError, InvalidInputError
from kitops_core.events import Cancel, Control
from kitops_core.evidence.attach import Attached
from kitops_core.evidence.keys import SigningKey
from kitops_core.evidence.predicate_types import COSIGN_SIGN, resolve_predicate_type
from kitops_core.evidence.statement import MAX_STATEMENT_BYTES, statement_for
from kitops_core.evidence.statements import attach_statement
from kitops_core.evidence.strict_json import parse_object
from kitops_core.kits.find import find_kit

if TYPE_CHECKING:
    from kitops_core.storage.registry import RegistryOptions


def sign(
    reference: str,
    *,
    key: SigningKey | str | Path,
    remote: bool | None = None,
    store: Path | None = None,
    registry: RegistryOptions | None = None,
    cancel: Cancel | None = None,
) -> Attached:
    """Sign a kit's digest as cosign does, and attach the signature. The digest does not change.

    Args:
        reference: The kit. A tag is resolved once, and what it named then is signed.
        key: The key, or where it is; see :meth:`kitops_core.SigningKey.load`.
        remote: ``True`` looks in the registry, ``False`` in the local store, ``None`` in the first that has the kit.
        store: The local store's directory, where it is not the default.
        registry: How to talk to registries.
        cancel: A switch that stops between buffers.

    Raises:
        NotFoundError: There is no such kit.
        InvalidInputError: The key cannot be used.
        DeniedError, RegistryError, StoreError: A storage refused or failed.
    """
    return attest(
        reference, {}, type=COSIGN_SIGN, key=key, remote=remote, store=store, registry=registry, cancel=cancel
    )


def attest(
    reference: str,
    predicate: Mapping[str, Any] | str | os.PathLike[str],
    *,
    type: str,
    key: SigningKey | str | Path | None = None,
    remote: bool | None = None,
    store: Path | None = None,
    registry: RegistryOptions | None = None,
    cancel: Cancel | None = None,
) -> Attached:
    """Attach a statement about a kit, signed where a key is given.

    Args:
        reference: The kit. A tag is resolved once.
        predicate: What is said, or a JSON file that says it.
        type: The predicate type: a URI, or a short name such as ``slsaprovenance1``, ``vsa``, ``test-result``.
        key: The key to sign with, or where it is; ``None`` attaches the statement unsigned.
        remote: ``True`` looks in the registry, ``False`` in the local store, ``None`` in the first that has the kit.
        store: The local store's directory, where it is not the default.
        registry: How to talk to registries.
        cancel: A switch that stops between buffers.

    Raises:
        NotFoundError: There is no such kit.
        InvalidInputError: The key, the predicate or its type cannot be used.
        DeniedError, RegistryError, StoreError: A storage refused or failed.
    """
    predicate_type = resolve_predicate_type(type)
    data = predicate if isinstance(predicate, Mapping) else _read_predicate(Path(predicate))
    signer = key if key is None or isinstance(key, SigningKey) else SigningKey.load(key)
    found = find_kit(reference, remote=remote, store=store, registry=registry)
    with closing(found.storage):
        evidence = attach_statement(
            found.storage,
            found.manifest.descriptor,
            statement_for(found.manifest.digest, predicate_type, data),
            key=signer,
            control=Control(cancel=cancel),
        )
    return Attached(str(found.reference), evidence.digest, evidence.artifact_type, predicate_type, found.where)


def _read_predicate(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_STATEMENT_BYTES + 1)
        return parse_object(raw, f"the predicate '{path}'", MAX_STATEMENT_BYTES)
    except OSError as error:
        raise InvalidInputError(f"the predicate '{path}' cannot be read: {error.strerror}") from None
    except IntegrityError as error:
        raise InvalidInputError(str(error), hint="a predicate is a JSON object") from None
