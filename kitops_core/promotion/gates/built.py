"""Gates ``provenance`` and ``age``: who made the kit, from what, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from kitops_core.evidence.counted import counted
from kitops_core.evidence.identifiers import forms
from kitops_core.evidence.measured import NoEvidenceError, past_time
from kitops_core.evidence.predicate_types import SLSA_PROVENANCE
from kitops_core.oci.media_types import ANNOTATION_CREATED
from kitops_core.promotion.gate_result import GateResult
from kitops_core.promotion.gates.gate import passed, refused
from kitops_core.promotion.gates.trusted import keys_of, required
from kitops_core.wording import duration_text

if TYPE_CHECKING:
    from kitops_core.evidence.slsa_read import Build
    from kitops_core.evidence.statements import Evidence
    from kitops_core.promotion.gate_models import Age, BuiltBy
    from kitops_core.promotion.gates.candidate import Candidate
    from kitops_core.promotion.policy import PromotionPolicy


@dataclass(frozen=True)
class ProvenanceGate:
    """One provenance of the kit meets all conditions."""

    spec: BuiltBy
    policy: PromotionPolicy
    kind = "provenance"

    @property
    def name(self) -> str:
        """What it asks for."""
        parts = [
            *([f"built by {self.spec.builder}"] if self.spec.builder else []),
            *([f"from {self.spec.repository}"] if self.spec.repository else []),
            *(["with a clean git tree"] if self.spec.clean else []),
        ]
        return " ".join(parts) or "has provenance"

    def check(self, candidate: Candidate) -> GateResult:
        """Look for a provenance that meets all conditions."""
        keys = keys_of(self.policy, self.spec)
        found = required(candidate.evidence(SLSA_PROVENANCE), candidate.digest, SLSA_PROVENANCE, keys)
        reasons = []
        for item in found:
            build = _build(item)
            reason = self._unmet(build)
            if not reason:
                what = build.builder if not self.spec.builder or "*" in self.spec.builder else ""
                commit = f"commit {build.commit[:12]}" if build.commit else ""
                return passed(self, ", ".join(part for part in (what, commit) if part), evidence=[item.digest])
            reasons.append(reason)
        return refused(self, "; ".join(dict.fromkeys(reasons)), evidence=[item.digest for item in found])

    def _unmet(self, build: Build) -> str:
        if self.spec.builder and not any(_matches(form, self.spec.builder) for form in forms(build.builder)):
            return f"built by {build.builder or 'nobody it names'}"
        if self.spec.repository and not _matches(build.repository, self.spec.repository):
            return f"from {build.repository or 'no repository it names'}"
        if self.spec.clean and not build.commit:
            return "names no git commit"
        if self.spec.clean and build.dirty is not False:
            return "the git tree had changes" if build.dirty else "does not say whether the git tree was clean"
        return ""


@dataclass(frozen=True)
class AgeGate:
    """The kit is not too old, or not too young."""

    spec: Age
    policy: PromotionPolicy
    kind = "age"

    @property
    def name(self) -> str:
        """What it asks for."""
        bounds = [
            *([f"at least {duration_text(self.spec.min)}"] if self.spec.min is not None else []),
            *([f"at most {duration_text(self.spec.max)}"] if self.spec.max is not None else []),
        ]
        return f"{' and '.join(bounds)} old"

    def check(self, candidate: Candidate) -> GateResult:
        """Compare the time since the kit was made with the bounds."""
        made, evidence = made_at(candidate, candidate.evidence(SLSA_PROVENANCE), self.policy)
        age = candidate.now - made
        young = self.spec.min is not None and age < self.spec.min
        if young or (self.spec.max is not None and age > self.spec.max):
            return refused(self, f"made {duration_text(age)} ago", evidence=evidence)
        return passed(self, f"made {duration_text(age)} ago", evidence=evidence)


def made_at(
    candidate: Candidate, evidence: Sequence[Evidence], policy: PromotionPolicy, *, annotated: bool = True
) -> tuple[datetime, list[str]]:
    """When the kit was first made, and the referrer that says so.

    A kit that is made again from the same input is the same kit, so that the earliest provenance decides. Without
    provenance the manifest's own annotation does, where nobody's signature is asked for.

    Raises:
        NoEvidenceError: Nothing that counts says it, or it says a time in the future.
    """
    keys = policy.trusted
    times = []
    for item in counted(evidence, candidate.digest, SLSA_PROVENANCE, keys):
        finished = _build(item).finished
        if finished:
            times.append((past_time(finished, candidate.now, "its provenance"), item.digest))
    if times:
        made, digest = min(times)
        return made, [digest]
    stated = candidate.manifest.annotations.get(ANNOTATION_CREATED)
    if annotated and not keys and stated:
        return past_time(stated, candidate.now, f"the annotation {ANNOTATION_CREATED}"), []
    required(evidence, candidate.digest, SLSA_PROVENANCE, keys)
    raise NoEvidenceError("its provenance does not say when it was finished")


def _matches(text: str, pattern: str) -> bool:
    """Whether the whole text is as the pattern has it; only ``*`` is special, in time linear to a stranger's text."""
    first, *rest = pattern.split("*")
    if not rest:
        return text == pattern
    *middle, last = rest
    if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
        return False
    at, end = len(first), len(text) - len(last)
    for part in middle:
        at = text.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True


def _build(item: Evidence) -> Build:
    from kitops_core.evidence.slsa_read import read_build

    return read_build(item.statement.predicate if item.statement else {})
