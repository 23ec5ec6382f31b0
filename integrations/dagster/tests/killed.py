"""A job whose process is killed while it pushes: run as a program, with the registry and the run to go on with."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import dagster as dg
from runs import QUIET

from dagster_kitops import KitOpsResource, ModelKitContents, ModelKitIOManager, kept_kit


@dg.asset(io_manager_key="modelkit")
def churn(context):
    if (kit := kept_kit(context)) is not None:
        return kit
    with Path(os.environ["TRAININGS"]).open("a") as trainings:
        trainings.write("trained\n")
    return ModelKitContents(model=b"trained for days")


def job() -> dg.JobDefinition:
    """The job, made anew in each process."""
    manager = ModelKitIOManager(kitops=KitOpsResource(registry=os.environ["REGISTRY"]))
    defs = dg.Definitions(
        [churn],
        jobs=[dg.define_asset_job("train", selection="*", executor_def=dg.in_process_executor)],
        resources={"modelkit": manager},
    )
    return defs.resolve_job_def("train")


if __name__ == "__main__":
    before = sys.argv[1:]
    again = dg.ReexecutionOptions(parent_run_id=before[0]) if before else None
    with (
        dg.DagsterInstance.get() as instance,
        dg.execute_job(
            dg.reconstructable(job), instance=instance, run_config=QUIET, reexecution_options=again
        ) as result,
    ):
        sys.exit(not result.success)
