"""What a statement can be about: predicate types, and the short names that commands take for them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from kitops_core.errors import InvalidInputError
from kitops_core.evidence.identifiers import HOME, current

COSIGN_SIGN = "https://sigstore.dev/cosign/sign/v1"
SLSA_PROVENANCE = "https://slsa.dev/provenance/v1"
VSA = "https://slsa.dev/verification_summary/v1"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
CYCLONEDX = "https://cyclonedx.org/bom"
APPROVAL = f"{HOME}attestation/approval/v1"
PROMOTION = f"{HOME}attestation/promotion/v1"
OMS = "https://model_signing/signature/v1.0"

ANNOTATION_PREDICATE = "dev.sigstore.bundle.predicateType"
"""Annotates a referrer with the predicate type of the signed statement it holds, as cosign does."""
ANNOTATION_UNSIGNED_PREDICATE = "in-toto.io/predicate-type"
"""The same where the statement is not signed."""

_SHORT = {
    "signature": COSIGN_SIGN,
    "slsaprovenance": SLSA_PROVENANCE,
    "slsaprovenance1": SLSA_PROVENANCE,
    "test-result": TEST_RESULT,
    "vsa": VSA,
    "cyclonedx": CYCLONEDX,
    "approval": APPROVAL,
    "promotion": PROMOTION,
}
_NAMES = {uri: name for name, uri in reversed(_SHORT.items())} | {SLSA_PROVENANCE: "slsaprovenance1", OMS: "oms"}
_URI = r"[a-zA-Z][a-zA-Z0-9+.-]*:\S+"


def resolve_predicate_type(text: str) -> str:
    """The predicate type a short name (``vsa``) or a URI means.

    Raises:
        InvalidInputError: It is neither.
    """
    if uri := _SHORT.get(text):
        return uri
    if re.fullmatch(_URI, text):
        return current(text)
    raise InvalidInputError(
        f"'{text}' is not a predicate type", hint=f"give a URI, or one of {', '.join(sorted(_SHORT))}"
    )


def predicate_name(predicate_type: str) -> str:
    """The short name of a predicate type, or the type itself where it has none."""
    return _NAMES.get(current(predicate_type), predicate_type)


def annotated_type(annotations: Mapping[str, str]) -> str:
    """The predicate type that a referrer is annotated with, or an empty string; not to be trusted."""
    return current(annotations.get(ANNOTATION_PREDICATE) or annotations.get(ANNOTATION_UNSIGNED_PREDICATE) or "")
