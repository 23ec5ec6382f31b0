"""One client for all: what it signs, what counts, and whom credentials are for. Each was seen to hurt somebody once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dag_runs import dag, result, run, states
from fault_proxy import FaultProxy
from registry_fixture import HTPASSWD, PASSWORD, USERNAME, Served, serve_registry

import kitops_core as kitops
from kitops_airflow import KitOpsHook, KitPackPushOperator, KitPromoteOperator, KitSignOperator

pytestmark = pytest.mark.usefixtures("airflow_database")

POLICY = """
kit: {kit}
channels:
  dev: {{}}
  prod:
    from: dev
    gates:
      - signed: {{key: release.pub}}
      - metric: {{name: accuracy, min: 0.5, key: release.pub}}
"""


@pytest.fixture
def second_registry() -> Iterator[Served]:
    """Another registry that wants a user name and password."""
    extra = "auth: {htpasswd: {realm: test, path: {root}/htpasswd}}\n"
    with serve_registry(extra, files={"htpasswd": HTPASSWD}) as served:
        yield served


def connect(monkeypatch: pytest.MonkeyPatch, name: str, host: str) -> None:
    connection = {"conn_type": "kitops", "host": host, "login": USERNAME, "password": PASSWORD}
    monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(connection))


def policy_for(directory: Path, kit: str) -> str:
    (directory / "promotion.yaml").write_text(POLICY.format(kit=kit))
    return str(directory / "promotion.yaml")


def test_a_kit_packed_with_a_signer_passes_a_gate_and_who_approves_sees_only_figures_that_the_gate_counts(
    registry: str, model: Path, tmp_path: Path, key: str
) -> None:
    kit = f"{registry}/figures/churn"
    with dag("figures") as made:
        KitPackPushOperator(
            task_id="pack", source=str(model), reference=f"{kit}:dev", metrics={"accuracy": 0.51}, signer=key
        )
    run(made)
    kitops.attest_metrics(f"{kit}:dev", {"accuracy": 0.99})  # by anybody who may push

    with dag("figures_plan") as made:
        KitPromoteOperator(task_id="plan", to="prod", policy=policy_for(tmp_path, kit), dry_run=True)
    review = result(run(made), "plan")["review"]
    assert "accuracy 0.51" in review
    assert "| accuracy | 0.51 |" in review
    assert "0.99" not in review


def test_a_kit_that_is_also_in_the_workers_store_is_signed_in_the_registry(
    registry: str, model: Path, tmp_path: Path, key: str
) -> None:
    kit = f"{registry}/signed-after-pull/churn"
    kitops.pack(model, f"{kit}:dev", push=True)
    kitops.pull(f"{kit}:dev")
    with dag("signed_after_pull") as made:
        KitSignOperator(task_id="sign", reference=f"{kit}:dev", signer=key)
    signed = result(run(made), "sign")
    verified = kitops.verify(f"{kit}:dev", keys=[str(tmp_path / "release.pub")], where="registry")
    assert (signed["digest"], signed["reference"]) == (verified.digest, f"{kit}@{verified.digest}")
    assert signed["signature"] in {item.digest for item in kitops.referrers(f"{kit}:dev").referrers}


def test_the_password_of_one_registry_is_not_told_to_another_that_asks_for_one(
    auth_registry: Served, faults: FaultProxy, model: Path, monkeypatch: pytest.MonkeyPatch, said: Callable[[], str]
) -> None:
    connect(monkeypatch, "secured", auth_registry.address)
    told = faults.ask_for_password()
    with dag("asked_elsewhere") as made:
        KitPackPushOperator(
            task_id="pack", source=str(model), reference=f"{faults.address}/x/churn:1", kitops_conn_id="secured"
        )
    assert states(run(made)) == {"pack": "failed"}
    assert set(told) == {""}
    assert "no credentials were found" in said()


def test_one_promotion_takes_the_credentials_of_both_registries_from_one_operator(
    auth_registry: Served, second_registry: Served, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, "built", auth_registry.address)
    connect(monkeypatch, "serving", second_registry.address)
    policy = tmp_path / "promotion.yaml"
    policy.write_text(
        f"kit: {auth_registry.address}/across/churn\n"
        f"channels: {{dev: {{}}, prod: {{from: dev, target: '{second_registry.address}/across/churn:prod'}}}}\n"
    )
    hook = KitOpsHook(["built", "serving"])
    packed = hook.get_conn().pack(model, str(hook.reference("across/churn:dev")), push=True)
    for name, conn_id, expected in (("both", ["built", "serving"], "success"), ("one", "built", "failed")):
        with dag(f"across_{name}") as made:
            KitPromoteOperator(
                task_id="promote", to="prod", reference="dev", policy=str(policy), kitops_conn_id=conn_id
            )
        assert states(run(made)) == {"promote": expected}
    assert hook.get_conn().resolve(f"{second_registry.address}/across/churn:prod") == packed.digest
