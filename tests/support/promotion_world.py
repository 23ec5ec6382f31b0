"""A kit in the local store, channels beside it, and short ways to attach what gates read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from clients import find_kit
from signing_tools import new_key

import kitops_core as kitops
from kitops_core.errors import NotFoundError
from kitops_core.evidence.predicate_types import APPROVAL, COSIGN_SIGN, PROMOTION, SLSA_PROVENANCE, TEST_RESULT
from kitops_core.evidence.statement import statement_for
from kitops_core.evidence.statements import attach_statement
from kitops_core.promotion.gate_result import GateResult
from kitops_core.promotion.gates.candidate import Candidate
from kitops_core.promotion.gates.configured import gates_of
from kitops_core.promotion.gates.evaluate import evaluate
from kitops_core.promotion.gates.signed import approval_predicate
from kitops_core.promotion.policy import PromotionPolicy
from kitops_core.promotion.policy_file import parse_policy
from kitops_core.promotion.records import PromotionRecord
from kitops_core.session import FoundKit
from kitops_core.signing.keys import SigningKey
from kitops_core.wording import timestamp_text

NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
RELEASE, RISK, ML, STRANGER = (new_key(f"{name}.key") for name in ("release", "risk", "ml", "stranger"))


class World:
    """Kits named ``churn`` in the local store, and a ``promotion.yaml`` with its keys in a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for key, name in ((RELEASE, "release"), (RISK, "risk"), (ML, "ml"), (STRANGER, "stranger")):
            (directory / f"{name}.pub").write_bytes(key.public.pem)
        self.digest = self.pack("weights")
        self._moves: dict[str, list[PromotionRecord]] = {}

    def pack(self, weights: str, tag: str = "dev", **package: str) -> str:
        """Pack a kit; its digest."""
        context = self.directory / "kit"
        context.mkdir(exist_ok=True)
        (context / "model.bin").write_text(weights)
        (context / "data.csv").write_text("a,b\n")
        fields = {"name": "churn", "version": "1.0", "license": "Apache-2.0", **package}
        about = "".join(f"  {key}: '{value}'\n" for key, value in fields.items() if value)
        (context / "Kitfile").write_text(
            f"manifestVersion: 1.0.0\npackage:\n{about}"
            "model: {name: churn, path: model.bin, license: MIT, parameters: {max_depth: 8}}\n"
            "datasets: [{name: eval, path: data.csv}]\n"
        )
        return kitops.pack(context, f"churn:{tag}").digest

    def find(self, target: str) -> FoundKit:
        return find_kit(f"churn@{target}" if target.startswith("sha256:") else f"churn:{target}", "store")

    def policy(self, channels: str, head: str = "") -> PromotionPolicy:
        """A policy whose ``channels`` are lines of YAML."""
        text = f"kit: churn\n{head}\nchannels:\n" + "".join(f"  {line}\n" for line in channels.strip().splitlines())
        return parse_policy(text, "promotion.yaml", base=self.directory)

    def candidate(self, policy: PromotionPolicy, channel: str, *, digest: str = "", now: datetime = NOW) -> Candidate:
        def open_channel(name: str) -> FoundKit | None:
            try:
                return find_kit(str(policy.target(name)), "store")
            except NotFoundError:
                return None

        return Candidate(self.find(digest or self.digest), channel, policy, open_channel=open_channel, now=now)

    def ask(self, gate: str, *, head: str = "", digest: str = "", now: datetime = NOW) -> GateResult:
        """What one gate of ``prod`` says of the kit."""
        policy = self.policy(f"prod:\n  gates:\n    - {gate}", head)
        (result,) = self.ask_all(policy, "prod", digest=digest, now=now)
        return result

    def ask_all(
        self, policy: PromotionPolicy, channel: str, *, digest: str = "", now: datetime = NOW
    ) -> list[GateResult]:
        return evaluate(gates_of(policy, channel), self.candidate(policy, channel, digest=digest, now=now))

    def attest(
        self,
        predicate_type: str,
        predicate: Mapping[str, Any],
        *,
        key: SigningKey | None = None,
        on: str = "",
        about: str = "",
    ) -> str:
        """Attach a statement to the kit; ``about`` another digest where somebody cheats. The referrer's digest."""
        found = self.find(on or self.digest)
        statement = statement_for(about or found.manifest.digest, predicate_type, predicate)
        return attach_statement(found.storage, found.manifest.descriptor, statement, key=key).digest

    def sign(self, key: SigningKey, **where: str) -> str:
        return self.attest(COSIGN_SIGN, {}, key=key, **where)

    def measure(
        self, value: object, *, key: SigningKey | None = None, ago: timedelta = timedelta(0), **rest: Any
    ) -> str:
        """Attach a test result with an accuracy."""
        on, result = rest.pop("on", ""), rest.pop("result", "PASSED")
        said = {
            "result": result,
            "configuration": [],
            "metrics": {"accuracy": value},
            "time": timestamp_text(NOW - ago),
        }
        return self.attest(TEST_RESULT, said | rest, key=key, on=on)

    def approve(self, key: SigningKey | None, channel: str = "prod", *, time: datetime = NOW, **where: str) -> str:
        return self.attest(APPROVAL, approval_predicate(channel, time=timestamp_text(time)), key=key, **where)

    def built(self, *, key: SigningKey | None = None, ago: timedelta = timedelta(days=1), **build: Any) -> str:
        """Attach provenance: who built the kit, from which commit, and when."""
        source = {
            "uri": f"git+{build.get('repository', 'https://git.example.com/ml/churn')}@abc",
            "digest": {"gitCommit": "0123456789abcdef0123456789abcdef01234567"},
            "annotations": {"dirty": build["dirty"]} if "dirty" in build else {},
        }
        said = {
            "buildDefinition": {"buildType": "https://example.com/build", "resolvedDependencies": [source]},
            "runDetails": {
                "builder": {"id": build.get("builder", "https://ci.example.com/runner/7")},
                "metadata": {"finishedOn": timestamp_text(NOW - ago)},
            },
        }
        return self.attest(SLSA_PROVENANCE, said, key=key, on=build.get("on", ""))

    def promoted(
        self,
        channel: str,
        digest: str,
        *,
        ago: timedelta,
        previous: str = "",
        key: SigningKey | None = None,
        **fields: Any,
    ) -> str:
        """Move a channel's tag as a promotion does, and leave its record; the record's digest."""
        found = self.find(digest)
        found.storage.tag(found.manifest.descriptor, channel)
        moves = self._moves.setdefault(channel, [])
        before = fields.get("drift") or previous
        linked = next((move.record for move in reversed(moves) if before == move.digest), "")
        links = {"number": len(moves) + 1, "previous_digest": previous, "previous_record": linked}
        record = PromotionRecord(
            channel=channel, digest=digest, **{"action": "promote", "time": NOW - ago, **links, **fields}
        )
        name = self.attest(PROMOTION, record.to_predicate(), key=key, on=digest)
        moves.append(replace(record, record=name))
        return name
