"""Attest and sign: statements about a kit's digest, attached to it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from kitops_core.errors import IntegrityError, InvalidInputError
from kitops_core.evidence.attach import Attached
from kitops_core.evidence.pack_evidence import attach_new, says_anything
from kitops_core.evidence.predicate_types import COSIGN_SIGN, resolve_predicate_type
from kitops_core.evidence.statement import MAX_STATEMENT_BYTES, statement_for
from kitops_core.evidence.statements import attach_statement
from kitops_core.reference import Where
from kitops_core.session import Session
from kitops_core.signing.strict_json import parse_object


def sign(
    session: Session,
    reference: str,
    *,
    where: Where = "any",
) -> Attached:
    """See :meth:`kitops_core.Client.sign`."""
    signer = session.need_signer(f"'{reference}'")
    found = session.find_subject(reference, where)
    with closing(found.storage):
        evidence = attach_new(
            found.storage,
            found.manifest.descriptor,
            COSIGN_SIGN,
            {},
            says_anything,
            key=signer,
            control=session.control,
        )
    return Attached(str(found.reference), evidence.digest, evidence.artifact_type, COSIGN_SIGN, found.where)


def attest(
    session: Session,
    reference: str,
    predicate: Mapping[str, Any] | str | os.PathLike[str],
    *,
    type: str,
    where: Where = "any",
) -> Attached:
    """See :meth:`kitops_core.Client.attest`."""
    predicate_type = resolve_predicate_type(type)
    data = predicate if isinstance(predicate, Mapping) else _read_predicate(Path(predicate))
    found = session.find_subject(reference, where)
    with closing(found.storage):
        evidence = attach_statement(
            found.storage,
            found.manifest.descriptor,
            statement_for(found.manifest.digest, predicate_type, data),
            key=session.signer,
            control=session.control,
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
