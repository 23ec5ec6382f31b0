"""No training is thrown away: not for a word in the metadata, not for a figure, and not by a killed process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from fault_proxy import answer, fault_proxy
from runs import QUIET, data_version, metadata, run

import kitops_core as kitops
from dagster_kitops import KitOpsResource, ModelKitContents, ModelKitIOManager, kept_kit
from kitops_core.errors import DeniedError, InvalidInputError, KitOpsError

HERE = Path(__file__).parent


def kept_of(instance: dg.DagsterInstance) -> tuple[bytes, str]:
    """The model of the one kit that was kept, and what the last run's log says."""
    (kept,) = kitops.list_kits()
    (last, *_) = instance.get_runs()
    with kitops.open(f"{kept.repository}:{kept.tag}") as kit:
        weights = kit.read("model.bin")
    return weights, "\n".join(entry.user_message for entry in instance.all_logs(last.run_id))


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"kitops/tags": ["not a tag"]}, "not a tag"),
        ({"kitops/repository": "Not A Repository"}, "Not A Repository"),
        ({"kitops/repositry": "risk/churn"}, "did you mean 'kitops/repository'"),
        ({"kitops/serializer": "skopz"}, "there is no serializer 'skopz'"),
        ({"kitops/metric/accuracy": "good"}, "kitops/metric/accuracy is 'good', not a number"),
    ],
)
def test_a_wrong_word_in_the_metadata_loses_no_model(
    instance: dg.DagsterInstance, said: Mapping[str, Any], message: str
) -> None:
    class Model:
        """An object, so that the serializer's name counts."""

    right = "kitops/serializer" not in said

    @dg.asset(io_manager_key="modelkit", metadata=said)
    def churn():
        return ModelKitContents(model=b"trained for days" if right else {"weights": [1.0]})

    with pytest.raises(KitOpsError) as caught:
        run([churn], instance)
    assert message in f"{caught.value.message}; {caught.value.hint}"
    assert len(kitops.list_kits()) == 1
    if right:
        weights, log = kept_of(instance)
        assert weights == b"trained for days"
        assert "what was packed is kept in the local store as unpushed/" in log
        assert "kept_kit(context) gives it to the next attempt" in log


def test_the_run_that_is_executed_again_with_the_right_word_does_not_train_again(
    instance: dg.DagsterInstance, registry: str
) -> None:
    trainings, said = [], {"kitops/tags": ["1.4 beta"]}

    resource = KitOpsResource(registry=f"{registry}/{uuid.uuid4().hex[:8]}")

    def attempt(instance: dg.DagsterInstance, run_id: str) -> None:
        @dg.asset(io_manager_key="modelkit", metadata=dict(said))
        def churn(context):
            if (kit := kept_kit(context)) is not None:
                return kit
            trainings.append(1)
            return ModelKitContents(model=b"trained for days")

        defs = dg.Definitions([churn], resources={"modelkit": ModelKitIOManager(kitops=resource)})
        job = defs.resolve_implicit_global_asset_job_def()
        job.execute_in_process(instance=instance, run_id=run_id, run_config=QUIET)

    run_id = str(uuid.uuid4())
    with pytest.raises(InvalidInputError):
        attempt(instance, run_id)
    said["kitops/tags"] = ["1.4"]
    with dg.DagsterInstance.ephemeral() as another:  # for Dagster starts a run once; killed.py executes one again
        attempt(another, run_id)
        digest = data_version(another, "churn")
    assert len(trainings) == 1
    assert resource.resolve(resource.reference("churn", tag="1.4")) == digest
    assert kitops.list_kits() == []


@pytest.mark.parametrize("said_by_metadata", [False, True])
def test_a_figure_that_is_not_finite_is_packed_and_passes_no_gate(
    instance: dg.DagsterInstance, registry: str, tmp_path: Path, said_by_metadata: bool
) -> None:
    resource = KitOpsResource(registry=f"{registry}/{uuid.uuid4().hex[:8]}")
    policy = tmp_path / "promotion.yaml"
    policy.write_text(
        f"kit: {resource.reference('churn')}\nchannels:\n  prod:\n    gates:\n"
        "      - metric: {name: loss, max: 0.5}\n"
    )

    @dg.asset(io_manager_key="modelkit")
    def churn():
        metrics = {"loss": float("nan"), "accuracy": 0.9}
        if said_by_metadata:
            return dg.Output(b"weights", metadata={f"kitops/metric/{name}": value for name, value in metrics.items()})
        return ModelKitContents(model=b"weights", metrics=metrics)

    assert run([churn], instance, kitops=resource).success
    found = metadata(instance, "churn")
    assert str(found["kitops/metric/loss"]) == "nan"
    assert found["kitops/metric/accuracy"] == 0.9
    with resource.client() as client, pytest.raises(kitops.GateRefusedError, match="loss"):
        client.promote(found["kitops/reference"], "prod", policy=policy)


def test_a_figure_that_is_not_finite_takes_the_place_of_an_earlier_one_of_the_same_kit(
    instance: dg.DagsterInstance, registry: str, tmp_path: Path
) -> None:
    resource = KitOpsResource(registry=f"{registry}/{uuid.uuid4().hex[:8]}")
    policy = tmp_path / "promotion.yaml"
    policy.write_text(
        f"kit: {resource.reference('churn')}\nchannels:\n"
        "  staging: {gates: [metric: {name: loss, max: 0.5}]}\n"
        "  prod: {gates: [metric: {name: loss, max: 0.5}]}\n"
    )
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "model.onnx").write_bytes(b"weights")
    loss = [0.1]

    @dg.asset(io_manager_key="modelkit")
    def churn():  # a directory holds no figures, so its digest stays whatever was measured
        return dg.Output(tmp_path / "bundle", metadata={"kitops/metric/loss": loss[0]})

    digests = set()
    for loss[0], channel, passes in ((0.1, "staging", True), (float("nan"), "prod", False), (0.2, "prod", True)):
        assert run([churn], instance, kitops=resource).success
        time.sleep(1.1)  # a statement's time has seconds, and of two of the same one neither counts
        found = metadata(instance, "churn")
        digests.add(found["kitops/digest"])
        with resource.client() as client:
            if passes:
                client.promote(found["kitops/reference"], channel, policy=policy)
            else:
                with pytest.raises(kitops.GateRefusedError, match="'nan', which is no finite number"):
                    client.promote(found["kitops/reference"], channel, policy=policy)
    assert len(digests) == 1


@pytest.mark.parametrize(("keep", "kept"), [("always", 1), ("on-error", 1), ("never", 0)])
def test_what_is_kept_is_settable(instance: dg.DagsterInstance, registry: str, keep: str, kept: int) -> None:
    @dg.asset(io_manager_key="modelkit")
    def churn():
        return ModelKitContents(model=b"trained for days")

    with fault_proxy(registry) as proxy:
        proxy.fault("PUT", "/manifests/", answer(403), times=100)
        with pytest.raises(DeniedError):
            run([churn], instance, kitops=KitOpsResource(registry=f"{proxy.address}/ml"), keep=keep)
    assert len(kitops.list_kits()) == kept


@pytest.mark.slow
def test_a_process_that_is_killed_as_it_pushes_has_lost_nothing(registry: str, home: Path) -> None:
    pushing, repository = threading.Event(), f"{uuid.uuid4().hex[:8]}"

    def stall(handler: Any, seen: Any) -> None:
        pushing.set()
        threading.Event().wait(60)

    environment = {**os.environ, "TRAININGS": str(home / "trainings"), "PYTHONPATH": str(HERE)}
    (home / "dagster" / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with fault_proxy(registry) as proxy:
        environment["REGISTRY"] = f"{proxy.address}/{repository}"
        proxy.fault("POST", "/blobs/uploads/", stall, times=1)
        with subprocess.Popen([sys.executable, HERE / "killed.py"], env=environment, cwd=HERE) as process:
            assert pushing.wait(120)
            process.send_signal(signal.SIGKILL)
        (kept,) = kitops.list_kits()
        with kitops.open(f"{kept.repository}:{kept.tag}") as kit:
            assert kit.read("model.bin") == b"trained for days"
        run_id = kept.repository.split("/")[1]
        again = subprocess.run([sys.executable, HERE / "killed.py", run_id], env=environment, cwd=HERE, check=False)
        assert again.returncode == 0
    assert (home / "trainings").read_text() == "trained\n"
    with kitops.open(f"{registry}/{repository}/churn:latest", where="registry") as kit:
        assert kit.read("model.bin") == b"trained for days"
    assert kitops.list_kits() == []


def test_of_several_assets_of_a_step_the_one_that_is_pushed_is_not_made_again(
    instance: dg.DagsterInstance, registry: str
) -> None:
    trainings = []

    @dg.multi_asset(
        outs={name: dg.AssetOut(io_manager_key="modelkit") for name in ("model", "report")},
        retry_policy=dg.RetryPolicy(max_retries=1),
    )
    def both(context):
        model = kept_kit(context, key="model")
        if model is None:
            trainings.append(1)
            model = ModelKitContents(model=b"trained for days")
        yield dg.Output(model, output_name="model")
        report = kept_kit(context, key="report") or ModelKitContents(docs={"REPORT.md": b"# Report\n"})
        yield dg.Output(report, output_name="report")

    with fault_proxy(registry) as proxy:
        proxy.fault("PUT", "/report/manifests/", answer(403), times=1)
        resource = KitOpsResource(registry=f"{proxy.address}/{uuid.uuid4().hex[:8]}")
        assert run([both], instance, kitops=resource).success
    assert trainings == [1]
