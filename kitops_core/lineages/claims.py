"""What evidence says, in few words. Anybody who can push may have written it: nothing is taken for granted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kitops_core.evidence import predicate_types as types
from kitops_core.evidence.metrics import read_metrics
from kitops_core.evidence.secrets import redact
from kitops_core.evidence.slsa_read import read_build
from kitops_core.lineages.graph import Claim

if TYPE_CHECKING:
    from kitops_core.evidence.statements import Evidence
    from kitops_core.signing.keys import PublicKey

_KINDS = {
    types.COSIGN_SIGN: "signature",
    types.SLSA_PROVENANCE: "provenance",
    types.TEST_RESULT: "test result",
    types.VSA: "verification summary",
    types.CYCLONEDX: "bill of materials",
    types.APPROVAL: "approval",
    types.PROMOTION: "promotion",
    types.OMS: "model signature",
    "application/vnd.cyclonedx+json": "bill of materials",
}
_BUILD_FACTS = (
    *("builder", "orchestrator", "pipeline", "deployment", "task", "run", "url", "user"),
    *("started", "finished", "repository", "commit"),
)
_LONGEST = 300
_MOST = 40


def make_claim(evidence: Evidence, keys: Sequence[PublicKey]) -> Claim:
    """A piece of evidence with what it says and which of the keys verifies it."""
    statement = evidence.statement
    problem = evidence.problem
    if statement is not None and not statement.about(evidence.subject):
        problem = "it is about something else than this kit"
    signer = evidence.verified_by(keys) if keys and not problem else None
    facts: dict[str, str] = {}
    if statement is not None and not problem:
        facts = _facts(evidence.predicate_type, statement.predicate)
    return Claim(
        digest=evidence.digest,
        kind=_KINDS.get(evidence.predicate_type or evidence.artifact_type, "attachment"),
        predicate_type=evidence.predicate_type,
        artifact_type=evidence.artifact_type,
        signed=evidence.bundle is not None,
        signer=key_name(signer) if signer else "",
        created=evidence.created,
        facts=facts,
        problem=problem,
    )


def key_name(key: PublicKey) -> str:
    """What to call a key where others see it: the name of its file, without the directory."""
    return key.name.rpartition("/")[2] or key.hint


def _facts(predicate_type: str, predicate: Mapping[str, Any]) -> dict[str, str]:
    if predicate_type == types.SLSA_PROVENANCE:
        build = read_build(predicate)
        facts = {name: getattr(build, name) for name in _BUILD_FACTS}
        facts["dirty"] = {True: "yes", False: "no", None: ""}[build.dirty]
        facts |= {f"parameter {name}": value for name, value in build.parameters.items()}
    elif predicate_type == types.TEST_RESULT:
        facts = {"result": predicate.get("result"), "time": predicate.get("time"), "url": predicate.get("url")}
        facts |= {f"metric {name}": f"{value:g}" for name, value in read_metrics(predicate).items()}
    elif predicate_type == types.VSA:
        verifier = predicate.get("verifier")
        facts = {
            "result": predicate.get("verificationResult"),
            "verifier": verifier.get("id") if isinstance(verifier, Mapping) else "",
            "time": predicate.get("timeVerified"),
        }
    elif predicate_type in (types.PROMOTION, types.APPROVAL):
        facts = {str(key): value for key, value in predicate.items() if isinstance(value, (str, int, float))}
        facts |= {
            key: place.get("reference") for key in ("from", "to") if isinstance(place := predicate.get(key), Mapping)
        }
    else:
        return {}
    return {key[:_LONGEST]: _short(value) for key, value in list(facts.items())[:_MOST] if value not in (None, "")}


def _short(value: object) -> str:
    text = str(redact(value))
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
