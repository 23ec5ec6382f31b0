"""In-toto statements: a predicate about subjects that are named by their digests.

The format is https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md; the older v0.1, which cosign
still writes for attestations, has the same fields.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kitops_core.errors import IntegrityError, InvalidInputError
from kitops_core.signing.strict_json import object_field, parse_object, text_field

STATEMENT_V1 = "https://in-toto.io/Statement/v1"
STATEMENT_V01 = "https://in-toto.io/Statement/v0.1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
"""The media type of a statement, as a blob and as the payload of an envelope."""

MAX_STATEMENT_BYTES = 8 * 1024 * 1024
MAX_SUBJECTS = 10_000

_HEX = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True)
class Subject:
    """What a statement is about.

    Attributes:
        digest: Digests by algorithm, in lower-case hex: ``{"sha256": "…"}``.
        name: A name, which says nothing about identity; only the digest does.
        annotations: Free-form annotations.
    """

    digest: Mapping[str, str]
    name: str = ""
    annotations: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Statement:
    """A predicate about subjects.

    Attributes:
        subjects: What it is about.
        predicate_type: A URI that says how to read the predicate.
        predicate: What is said.
    """

    subjects: tuple[Subject, ...]
    predicate_type: str
    predicate: Mapping[str, Any]

    def about(self, digest: str) -> bool:
        """Whether one of the subjects has exactly this digest (``sha256:<hex>``)."""
        algorithm, _, value = digest.partition(":")
        return bool(value) and any(subject.digest.get(algorithm) == value for subject in self.subjects)

    def to_json(self) -> bytes:
        """The statement as v1: compact, and the same bytes for the same content.

        Raises:
            InvalidInputError: The predicate has values that JSON does not have.
        """
        data = {
            "_type": STATEMENT_V1,
            "subject": [_subject_dict(subject) for subject in self.subjects],
            "predicateType": self.predicate_type,
            "predicate": dict(self.predicate),
        }
        try:
            return json.dumps(data, separators=(",", ":"), sort_keys=True, allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidInputError(
                f"the predicate ({self.predicate_type}) cannot be written as JSON: {error}"
            ) from None


def statement_for(digest: str, predicate_type: str, predicate: Mapping[str, Any], name: str = "") -> Statement:
    """A statement about one manifest, named by its digest (``sha256:<hex>``)."""
    algorithm, _, value = digest.partition(":")
    return Statement((Subject({algorithm: value}, name),), predicate_type, predicate)


def parse_statement(raw: bytes, where: str) -> Statement:
    """Read a statement, v1 or v0.1; ``where`` names it in messages.

    Raises:
        IntegrityError: It is too large, or not a statement.
    """
    data = parse_object(raw, where, MAX_STATEMENT_BYTES)
    if data.get("_type") not in (STATEMENT_V1, STATEMENT_V01):
        raise IntegrityError(f"{where}: not an in-toto statement: '_type' is {str(data.get('_type'))[:100]!r}")
    subjects = data.get("subject")
    if not isinstance(subjects, list) or not 0 < len(subjects) <= MAX_SUBJECTS:
        raise IntegrityError(f"{where}: 'subject' must be a list of 1 to {MAX_SUBJECTS}")
    predicate = data.get("predicate")
    if not isinstance(predicate, dict) and predicate is not None:
        raise IntegrityError(f"{where}: 'predicate' must be an object")
    return Statement(
        subjects=tuple(_parse_subject(subject, f"{where}: subject {i}") for i, subject in enumerate(subjects)),
        predicate_type=text_field(data, "predicateType", where),
        predicate=predicate or {},
    )


def _subject_dict(subject: Subject) -> dict[str, Any]:
    data: dict[str, Any] = {"digest": dict(subject.digest)}
    if subject.name:
        data["name"] = subject.name
    if subject.annotations:
        data["annotations"] = dict(subject.annotations)
    return data


def _parse_subject(data: Any, where: str) -> Subject:
    if not isinstance(data, dict):
        raise IntegrityError(f"{where}: an object is expected")
    digest = object_field(data, "digest", where)
    if not digest or not all(isinstance(value, str) and _HEX.fullmatch(value) for value in digest.values()):
        raise IntegrityError(f"{where}: 'digest' must map algorithms to lower-case hex")
    annotations = object_field(data, "annotations", where) if data.get("annotations") is not None else {}
    return Subject(digest, text_field(data, "name", where, required=False), annotations)
