"""Promotion in a DAG, against a real registry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from dag_runs import dag, events, result, run, states

import kitops_core as kitops
from kitops_airflow import (
    KitPackPushOperator,
    KitPromoteOperator,
    KitRollbackOperator,
    KitVerifyOperator,
    ModelKitEvent,
    modelkit_asset,
)
from kitops_airflow.failures import KitOpsGateRefusedError, KitOpsLostRaceError, airflow_failures
from kitops_core.errors import LostRaceError

pytestmark = pytest.mark.usefixtures("airflow_database")

POLICY = """
kit: {kit}
trust: {{keys: [release.pub]}}
channels:
  dev: {{}}
  staging:
    from: dev
    gates:
      - signed: {{key: release.pub}}
      - metric: {{name: accuracy, min: 0.9}}
"""


@pytest.fixture
def channels(tmp_path: Path, key: str) -> Callable[[str], str]:
    """Writes a promotion policy beside its keys; gives its path."""

    def write(kit: str) -> str:
        path = tmp_path / "promotion.yaml"
        path.write_text(POLICY.format(kit=kit))
        return str(path)

    return write


def pack(made: str, kit: str, model: Path, accuracy: float, key: str = "") -> dict[str, object]:
    with dag(made) as packing:
        KitPackPushOperator(
            task_id="pack",
            source={"model": str(model / "model.onnx"), "name": "churn", "metrics": {"accuracy": accuracy}},
            reference=f"{kit}:dev",
            signer=key,
        )
    dag_run = run(packing)
    assert states(dag_run) == {"pack": "success"}
    return dict(result(dag_run, "pack"))


def test_a_kit_goes_into_a_channel_by_the_digest_of_its_event_and_back(
    registry: str, model: Path, tmp_path: Path, channels: Callable[[str], str], key: str
) -> None:
    kit = f"{registry}/promoted/churn"
    staging = modelkit_asset(kit, tag="staging")
    policy = channels(kit)
    first = pack("promoted_one", kit, model, 0.94, key)
    promoted = {}
    for name in ("one", "two"):
        if name == "two":
            (model / "model.onnx").write_bytes(b"others")
            pack("promoted_two", kit, model, 0.95, key)
        with dag(f"promote_{name}") as made:
            verify = KitVerifyOperator(task_id="verify", asset=modelkit_asset(kit), keys=str(tmp_path / "release.pub"))
            promote = KitPromoteOperator(
                task_id="promote", asset=modelkit_asset(kit), to="staging", policy=policy, signer=key
            )
            verify >> promote
        dag_run = run(made)
        assert states(dag_run) == {"verify": "success", "promote": "success"}
        promoted[name] = result(dag_run, "promote")
        assert result(dag_run, "verify")["digest"] == promoted[name]["digest"]

    assert promoted["one"]["digest"] == first["digest"]
    assert promoted["two"]["previous_digest"] == first["digest"]
    assert [gate["passed"] for gate in promoted["two"]["gates"]] == [True] * len(promoted["two"]["gates"])
    told = [ModelKitEvent.from_extra(extra) for extra in events(staging.uri)]
    assert [event.digest for event in told] == [promoted["one"]["digest"], promoted["two"]["digest"]]
    assert (told[1].tag, told[1].previous_digest) == ("staging", first["digest"])

    with dag("promote_back") as made:
        KitRollbackOperator(task_id="back", channel="staging", policy=policy, signer=key)
    assert result(run(made), "back")["digest"] == first["digest"]
    assert len(events(staging.uri)) == 3
    history = kitops.history("staging", policy=policy)
    assert all(record.actor.endswith(f"{record.run.pipeline} {record.run.run}") for record in history)
    assert [record.run.pipeline for record in history if record.run.task == "promote"] == ["promote_two", "promote_one"]


def test_a_plan_shows_a_person_both_digests_the_gates_the_metrics_and_what_differs(
    registry: str, model: Path, channels: Callable[[str], str], key: str
) -> None:
    kit = f"{registry}/planned/churn"
    policy = channels(kit)
    first = pack("planned_one", kit, model, 0.94, key)
    with dag("planned_promote") as made:
        KitPromoteOperator(task_id="promote", to="staging", policy=policy, signer=key)
    assert states(run(made)) == {"promote": "success"}
    (model / "model.onnx").write_bytes(b"others")
    second = pack("planned_two", kit, model, 0.95, key)
    with dag("planned") as made:
        KitPromoteOperator(task_id="plan", to="staging", policy=policy, dry_run=True)
    planned = result(run(made), "plan")

    assert (planned["previous_digest"], planned["digest"]) == (first["digest"], second["digest"])
    lines = planned["review"].splitlines()
    assert f"| now | `{first['digest']}` |" in lines
    assert f"| candidate | `{second['digest']}` |" in lines
    for heading in ("## Gates", "## Metrics", "## What changed"):
        assert heading in lines
    assert any(line.startswith("| ✓ | accuracy") and "0.95" in line for line in lines)
    assert "| accuracy | 0.95 | 0.94 |" in lines
    assert any(line.startswith("| changed | model `model.onnx`") for line in lines)
    with kitops.open(f"{kit}:staging") as there:
        assert there.digest == first["digest"]


def test_what_the_channel_has_already_can_end_as_skipped_with_no_event(
    registry: str, model: Path, channels: Callable[[str], str], key: str
) -> None:
    kit = f"{registry}/promoted-again/churn"
    policy, staging = channels(kit), modelkit_asset(kit, tag="staging")
    packed = pack("again_pack", kit, model, 0.94, key)
    for name, expected in (("once", "success"), ("twice", "skipped")):
        with dag(f"promoted_{name}") as made:
            KitPromoteOperator(
                task_id="promote", to="staging", policy=policy, signer=key, outlets=[staging], skip_unchanged=True
            )
        dag_run = run(made)
        assert states(dag_run) == {"promote": expected}
        assert result(dag_run, "promote")["digest"] == packed["digest"]
    assert len(events(staging.uri)) == 1


def test_a_kit_is_named_without_its_registry_or_by_the_channel_that_has_it(
    registry: str, model: Path, channels: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_NAMED", f'{{"conn_type": "kitops", "host": "{registry}/named"}}')
    kit = f"{registry}/named/churn"
    packed = pack("named_pack", kit, model, 0.94, key)
    for reference in ("churn:dev", "dev"):
        with dag(f"named_{reference.replace(':', '_')}") as made:
            KitPromoteOperator(
                task_id="promote",
                to="staging",
                reference=reference,
                policy=channels(kit),
                dry_run=True,
                kitops_conn_id="named",
            )
        assert result(run(made), "promote")["candidate"] == f"{kit}@{packed['digest']}"


def test_what_is_announced_is_the_channels_asset_where_it_is_known_and_nothing_else_is_given(tmp_path: Path) -> None:
    (tmp_path / "promotion.yaml").write_text("kit: r.example.com/ml/churn\nchannels: {dev: {}, prod: {from: dev}}\n")
    policy, other = str(tmp_path / "promotion.yaml"), modelkit_asset("r.example.com/ml/other")
    prod = modelkit_asset("r.example.com/ml/churn", tag="prod")
    with dag("known", default_args={"policy": policy}):
        assert KitPromoteOperator(task_id="promote", to="prod").outlets == [prod]
        assert KitRollbackOperator(task_id="back", channel="prod").outlets == [prod]
        assert KitPromoteOperator(task_id="given", to="prod", outlets=[other]).outlets == [other]
        assert KitPromoteOperator(task_id="plan", to="prod", dry_run=True).outlets == []
        assert KitPromoteOperator(task_id="run_knows", to="{{ params.to }}").outlets == []
        assert KitPromoteOperator(task_id="worker_knows", to="prod", policy="elsewhere.yaml").outlets == []
        assert KitPromoteOperator.partial(task_id="mapped", to="prod").expand(reference=["a", "b"]).outlets == []


def test_a_dry_run_with_outlets_is_a_mistake_in_the_dag() -> None:
    with dag("dry"), pytest.raises(ValueError, match="a dry run changes nothing"):
        KitPromoteOperator(
            task_id="plan", to="prod", dry_run=True, outlets=[modelkit_asset("r.example.com/ml/churn", tag="prod")]
        )


def test_a_gate_that_refuses_fails_without_another_try_and_says_which_and_why(
    registry: str, model: Path, channels: Callable[[str], str], said: Callable[[], str]
) -> None:
    kit = f"{registry}/refused-kit/churn"
    policy = channels(kit)
    pack("refused_pack", kit, model, 0.7)
    with dag("refused_kit") as made:
        KitPromoteOperator(task_id="plan", to="staging", policy=policy, dry_run=True, retries=3)
        KitPromoteOperator(task_id="promote", to="staging", policy=policy, retries=3)
        KitPromoteOperator(task_id="hourly", to="staging", policy=policy, skip_refused=True)
    assert states(run(made)) == {"plan": "failed", "promote": "failed", "hourly": "skipped"}
    text = said()
    assert "KitOpsGateRefusedError: staging refuses sha256:" in text
    assert "signed by release.pub" in text
    with pytest.raises(kitops.NotFoundError):
        kitops.open(f"{kit}:staging")


def test_a_lost_race_is_told_apart(registry: str, model: Path, channels: Callable[[str], str], key: str) -> None:
    kit = f"{registry}/raced/churn"
    policy = channels(kit)
    pack("raced_pack", kit, model, 0.94, key)
    with dag("raced") as made:
        KitPromoteOperator(task_id="promote", to="staging", policy=policy, expect="sha256:" + "a" * 64, retries=3)
    assert states(run(made)) == {"promote": "failed"}
    with pytest.raises(KitOpsLostRaceError, match="look at it"), airflow_failures():
        raise LostRaceError("it moved", expected="", found="", hint="look at it")
    assert not issubclass(KitOpsLostRaceError, KitOpsGateRefusedError)


def test_a_policy_is_looked_for_beside_the_dag(tmp_path: Path, channels: Callable[[str], str]) -> None:
    channels("registry.example.com/ml/churn")
    with dag("beside") as made:
        promote = KitPromoteOperator(task_id="promote", to="staging")
    made.fileloc = str(tmp_path / "dags.py")
    assert promote.load_policy().kit == "registry.example.com/ml/churn"


def test_a_kit_that_nobody_signed_is_not_verified(
    registry: str, model: Path, tmp_path: Path, channels: Callable[[str], str], said: Callable[[], str]
) -> None:
    channels("registry.example.com/ml/churn")
    kitops.pack(model, f"{registry}/unsigned/churn:1.0", push=True)
    with dag("unsigned") as made:
        KitVerifyOperator(
            task_id="verify",
            reference=f"{registry}/unsigned/churn:1.0",
            keys=str(tmp_path / "release.pub"),
            retries=3,
        )
    assert states(run(made)) == {"verify": "failed"}
    assert "KitOpsTaskError" in said()


def test_provenance_names_the_dag_the_run_the_try_and_what_was_measured(registry: str, model: Path) -> None:
    from kitops_core.evidence.predicate_types import SLSA_PROVENANCE, TEST_RESULT
    from kitops_core.evidence.statements import read_evidence
    from kitops_core.session import Session

    record = pack("provenance", f"{registry}/provenance/churn", model, 0.94)
    with Session() as session:
        found = session.find(f"{registry}/provenance/churn:dev", "registry")
        statements = {
            item.predicate_type: item.statement for item in read_evidence(found.storage, str(record["digest"]))
        }
    text = statements[SLSA_PROVENANCE].to_json().decode()  # type: ignore[union-attr]
    source = dict(record["source"])  # type: ignore[call-overload]
    for said in ('"pipeline":"provenance"', '"task":"pack"', '"try_number":1', source["run"]):
        assert said in text
    assert TEST_RESULT in statements
