"""Each step in a process of its own: what goes between them is in the kit and in Dagster's record, not in memory."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg
import pytest
from runs import QUIET, data_version, metadata

from dagster_kitops import KitOpsResource, ModelKit, ModelKitContents, ModelKitIOManager


@dg.asset(io_manager_key="modelkit")
def churn():
    return ModelKitContents(model=f"trained by {os.getpid()}".encode())


@dg.asset(io_manager_key="modelkit")
def tuned(churn: Path):
    return ModelKitContents(model=(churn / "model.bin").read_bytes() + f", tuned by {os.getpid()}".encode())


@dg.asset
def processes(tuned: ModelKit):
    text = tuned.read_text("model.bin")
    return dg.MaterializeResult(metadata={"processes": len({part.rsplit(" ", 1)[1] for part in text.split(", ")})})


def job() -> dg.JobDefinition:
    """The job, made anew in each process."""
    asset_job = dg.define_asset_job("train", selection="*")
    manager = ModelKitIOManager(kitops=KitOpsResource())
    return dg.Definitions([churn, tuned, processes], jobs=[asset_job], resources={"modelkit": manager}).resolve_job_def(
        "train"
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_each_step_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parent)  # where a step's process looks for this module
    with dg.instance_for_test() as instance:
        with dg.execute_job(dg.reconstructable(job), instance=instance, run_config=QUIET) as result:
            assert result.success
        assert metadata(instance, "processes")["processes"] == 2
        assert metadata(instance, "tuned")["kitops/parents"] == [f"churn@{data_version(instance, 'churn')}"]
