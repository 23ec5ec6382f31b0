"""Gates ``signed`` and ``approvals``: who put their key to this kit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kitops_core.evidence.counted import counted
from kitops_core.evidence.measured import NoEvidenceError, past_time
from kitops_core.evidence.predicate_types import APPROVAL, COSIGN_SIGN
from kitops_core.promotion.gate_result import GateResult
from kitops_core.promotion.gates.gate import passed, refused
from kitops_core.promotion.gates.trusted import keys_of, shortfall

if TYPE_CHECKING:
    from kitops_core.evidence.statements import Evidence
    from kitops_core.promotion.channel_models import Approvals
    from kitops_core.promotion.gate_models import Signed
    from kitops_core.promotion.gates.candidate import Candidate
    from kitops_core.promotion.policy import PromotionPolicy


@dataclass(frozen=True)
class SignedGate:
    """The kit is signed by keys, or by an identity."""

    spec: Signed
    policy: PromotionPolicy
    kind = "signed"

    @property
    def name(self) -> str:
        """What it asks for."""
        if self.spec.identity:
            return f"signed by {self.spec.identity}"
        return f"signed by {_wanted([_short(key) for key in self._keys], self.spec.needed)}"

    @property
    def _keys(self) -> tuple[str, ...]:
        return self.spec.key_names or tuple(self.policy.trust.keys if self.policy.trust else ())

    def check(self, candidate: Candidate) -> GateResult:
        """Count the different keys that signed."""
        if self.spec.identity:
            return self._check_identity(candidate)
        keys = keys_of(self.policy, self.spec)
        if not keys:
            return refused(self, "no key is named here or under trust")
        evidence = candidate.evidence(COSIGN_SIGN)
        found = {
            key.hint: (key.name, item.digest)
            for item in counted(evidence, candidate.digest, COSIGN_SIGN, keys)
            if (key := item.verified_by(keys)) is not None
        }
        if not found:
            return refused(self, shortfall(evidence, COSIGN_SIGN, keys))
        names = " and ".join(name for name, _ in found.values())
        digests = [digest for _, digest in found.values()]
        if len(found) < self.spec.needed:
            return refused(self, f"{len(found)} of {self.spec.needed}: {names}", evidence=digests)
        return passed(self, name=f"signed by {names}", evidence=digests)

    def _check_identity(self, candidate: Candidate) -> GateResult:
        from kitops_core.errors import VerificationError
        from kitops_core.evidence.verification import VerificationPolicy, check

        root = self.policy.path(self.spec.trust_root)
        wanted = VerificationPolicy(identity=self.spec.identity, issuer=self.spec.issuer, trust_root=root)
        try:
            verified = check(candidate.storage, candidate.digest, wanted, candidate.control)
        except VerificationError as error:
            return refused(self, error.message)
        return passed(self, f"vouched for by {self.spec.issuer}", evidence=verified.evidence)


@dataclass(frozen=True)
class ApprovalsGate:
    """Enough people approved this kit for this channel, each with a key of their own."""

    spec: Approvals
    policy: PromotionPolicy
    kind = "approvals"

    @property
    def name(self) -> str:
        """What it asks for."""
        return f"approved by {_wanted([_short(key) for key in self.spec.keys], self.spec.needed)}"

    def check(self, candidate: Candidate) -> GateResult:
        """Count the different keys that approved."""
        keys = self.policy.keys(self.spec.keys)
        evidence = candidate.evidence(APPROVAL)
        found: dict[str, tuple[str, str]] = {}
        reasons: list[str] = []
        for item in counted(evidence, candidate.digest, APPROVAL, keys):
            key = item.verified_by(keys)
            reason = _no_approval(item, candidate)
            if reason:
                reasons.append(reason)
            elif key is not None:
                found.setdefault(key.hint, (key.name, item.digest))
        names = " and ".join(name for name, _ in found.values())
        digests = [digest for _, digest in found.values()]
        if len(found) >= self.spec.needed:
            return passed(self, name=f"approved by {names}", evidence=digests)
        so_far = f"{len(found)} of {self.spec.needed}" + (f": {names}" if names else "")
        why = reasons[0] if reasons else "" if found else shortfall(evidence, APPROVAL, keys)
        return refused(self, "; ".join(part for part in (so_far, why) if part), evidence=digests)


def approval_predicate(channel: str, *, time: str, actor: str = "", note: str = "") -> dict[str, Any]:
    """The predicate of a statement that approves its subject for a channel.

    Args:
        channel: The channel's name.
        time: When it was approved, RFC 3339.
        actor: Who approved; for people, as only the key proves anything.
        note: Why, or under which condition.
    """
    said = {"channel": channel, "time": time, "actor": actor, "note": note}
    return {key: value for key, value in said.items() if value}


def _no_approval(item: Evidence, candidate: Candidate) -> str:
    predicate = item.statement.predicate if item.statement else {}
    if predicate.get("channel") != candidate.channel:
        return f"one approval is for the channel {predicate.get('channel')!r}"
    try:
        past_time(predicate.get("time"), candidate.now, "one approval")
    except NoEvidenceError as error:
        return error.message
    return ""


def _wanted(names: list[str], needed: int) -> str:
    if needed == len(names):
        return " and ".join(names)
    return " or ".join(names) if needed == 1 else f"{needed} of {', '.join(names)}"


def _short(key: str) -> str:
    if "-----BEGIN" in key:
        return "the key"
    return key if key.startswith("env://") else key.rpartition("/")[2]
