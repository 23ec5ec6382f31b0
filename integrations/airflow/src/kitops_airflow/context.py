"""What the engine is told of a task run, from Airflow's context."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import kitops_core as kitops
from kitops_airflow.events import partition_of
from kitops_core import Source

_SHA = re.compile(r"[0-9a-f]{40}")


def run_source(context: Mapping[str, Any]) -> Source:
    """The run a kit comes from: DAG, run, task (with its map index), the URL of the task's page, the DAG's commit.

    The commit is known where the DAG comes from a versioned bundle, whose version is a commit.
    """
    ti = context["ti"]
    map_index = getattr(ti, "map_index", -1)
    version = str(getattr(getattr(ti, "bundle_instance", None), "version", "") or "")
    return Source(
        orchestrator="airflow",
        pipeline=ti.dag_id,
        run=ti.run_id,
        task=ti.task_id if map_index in (None, -1) else f"{ti.task_id}[{map_index}]",
        url=str(getattr(ti, "log_url", "") or ""),
        git_sha=version if _SHA.fullmatch(version) else "",
        actor=actor(context),
    )


def actor(context: Mapping[str, Any]) -> str:
    """Who works: the user that triggered the run, where one did, and the DAG and run that work for them.

    Never the operating system's user of the worker, who is the same for everybody.
    """
    ti, run = context["ti"], context.get("dag_run")
    who = getattr(run, "triggering_user_name", None)
    return f"{who} in {ti.dag_id} {ti.run_id}" if who else f"{ti.dag_id} {ti.run_id}"


def run_provenance(
    context: Mapping[str, Any], metrics: Mapping[str, float], inputs: Sequence[str]
) -> kitops.Provenance:
    """What is attached to a kit about the run: beside the source which try it was, what was measured, what went in."""
    ti = context["ti"]
    parameters: dict[str, Any] = {"try_number": ti.try_number}
    if getattr(ti, "map_index", -1) not in (None, -1):
        parameters["map_index"] = ti.map_index
    if partition := partition_of(context):
        parameters["partition_key"] = partition
    started = getattr(ti, "start_date", None)
    return kitops.Provenance(parameters=parameters, metrics=dict(metrics), inputs=tuple(inputs), started=started)
