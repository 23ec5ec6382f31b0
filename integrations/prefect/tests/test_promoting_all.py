"""One job for all kits of a policy: what moved is told, and one kit that cannot go ahead stops none of the others."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

import pytest
import yaml
from conftest import write_bundle
from prefect import flow
from prefect.states import State
from runs import artifacts, events_of

import kitops_core as kitops
from prefect_kitops import ModelKitRef, NotPromotedError, OCIRegistry, modelkit_promotion_all, promote_all_modelkits

pytestmark = pytest.mark.usefixtures("prefect_server")


class Kits:
    """Three kits of one policy, each in ``dev``; ``staging`` takes one licence, ``prod`` what is there."""

    def __init__(self, root: Path, registry: str) -> None:
        self.root = root
        self.names = [f"{registry}/{uuid.uuid4().hex[:8]}/{name}" for name in ("churn", "fraud", "spam")]
        gate = {"license": {"allow": ["Apache-2.0"]}}
        channels = {"dev": {}, "staging": {"from": "dev", "gates": [gate]}, "prod": {"from": "staging"}}
        self.policy = root / "promotion.yaml"
        self.policy.write_text(yaml.safe_dump({"kits": self.names, "channels": channels}, sort_keys=False))
        self.digests = [self.pack(name, "1.0.0") for name in self.names]

    def pack(self, kit: str, version: str, license: str = "Apache-2.0") -> str:
        bundle = self.root / "bundle"
        shutil.rmtree(bundle, ignore_errors=True)
        kitfile = write_bundle(bundle, f"{kit} {version}".encode(), version=version) / "Kitfile"
        kitfile.write_text(kitfile.read_text().replace("Apache-2.0", license))
        return kitops.pack(bundle, f"{kit}:dev", push=True).digest

    def having(self, channel: str) -> list[str]:
        return [kitops.resolve(f"{name}:{channel}", where="registry") for name in self.names]


@pytest.fixture
def kits(tmp_path: Path, registry: str) -> Kits:
    return Kits(tmp_path, registry)


def test_one_run_promotes_all_kits_as_far_as_they_go(kits: Kits) -> None:
    moved = modelkit_promotion_all(str(kits.policy), note="every night")
    assert [kit.digest for kit in moved] == [digest for digest in kits.digests for _ in ("staging", "prod")]
    assert kits.having("prod") == kits.digests
    for name, digest in zip(kits.names, kits.digests, strict=True):
        promoted = "kitops.modelkit.promoted"
        events = [e for e in events_of(f"oci://{name}", wait_for=promoted, count=2) if e["event"] == promoted]
        assert [e["resource"]["kitops.channel"] for e in events] == ["staging", "prod"]
        assert {e["resource"]["kitops.digest"] for e in events} == {digest}
    record = kitops.history("prod", policy=f"{kits.policy}#{kits.names[0].partition('/')[2]}")[0]
    assert (record.note, record.run.pipeline, record.run.task) == (
        "every night",
        "modelkit-promotion-all",
        "promote-all-modelkits",
    )
    assert modelkit_promotion_all(str(kits.policy)) == []


def test_what_a_gate_refuses_stops_nothing_else_and_fails_the_run_in_the_end(kits: Kits) -> None:
    modelkit_promotion_all(str(kits.policy), to=["staging"])
    refused = kits.pack(kits.names[0], "2.0.0", "GPL-3.0-only")
    second = kits.pack(kits.names[1], "2.0.0")
    with pytest.raises(NotPromotedError) as error:
        modelkit_promotion_all(str(kits.policy))
    first, line = str(error.value).splitlines()
    assert first == "1 of 6 channels went wrong"
    assert line.startswith(f"staging of {kits.names[0]} refused: license")
    assert "GPL-3.0-only" in line
    assert kits.having("prod") == [kits.digests[0], second, kits.digests[2]]
    shown = next(card["data"] for card in artifacts("markdown") if kits.names[0] in (card["data"] or ""))
    assert f"| refused | `{kits.names[0]}` | staging | license" in shown
    assert f"| promoted | `{kits.names[1]}` | prod | `{second}` |" in shown
    event = "kitops.modelkit.promotion-refused"
    found = [e for e in events_of(f"oci://{kits.names[0]}", wait_for=event) if e["event"] == event]
    assert [e["resource"]["kitops.digest"] for e in found] == [refused]
    assert modelkit_promotion_all(str(kits.policy), skip_refused=True) == []


def test_a_kit_whose_registry_is_away_fails_alone(kits: Kits) -> None:
    policy = yaml.safe_load(kits.policy.read_text())
    policy["kits"].insert(0, "127.0.0.1:9/ml/away")
    kits.policy.write_text(yaml.safe_dump(policy, sort_keys=False))
    away = OCIRegistry(host="127.0.0.1:9", keep_trying=0)

    @flow
    def nightly() -> list[ModelKitRef]:
        return promote_all_modelkits(str(kits.policy), to="staging", registry=away)

    state: State[list[ModelKitRef]] = nightly(return_state=True)
    assert state.is_failed()
    assert "1 of 4 channels went wrong\nstaging of 127.0.0.1:9/ml/away failed: " in str(state.message)
    assert kits.having("staging") == kits.digests


def test_a_policy_that_cannot_be_used_changes_nothing(kits: Kits) -> None:
    with pytest.raises(kitops.NotFoundError, match="no channel 'canary'"):
        promote_all_modelkits(str(kits.policy), to=["staging", "canary"])
