"""Which Prefect run a kit comes from and what it was made from, for its record and its provenance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

import kitops_core as kitops
from kitops_core.orchestrate.names import ASSET_SCHEME

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

_PLAIN = (str, int, float, bool, type(None))
_MAX_TEXT = 1000


def current_source() -> kitops.Source:
    """The flow run and task run at hand, and who started them; empty outside of any."""
    from prefect.context import FlowRunContext, TaskRunContext
    from prefect.utilities.urls import url_for

    task, flow = TaskRunContext.get(), FlowRunContext.get()
    flow_run = flow.flow_run if flow else None
    flow_run_id = flow_run.id if flow_run else task.task_run.flow_run_id if task else None
    run: str = str(flow_run_id or (task.task_run.id if task else ""))
    if not run:
        return kitops.Source()
    return kitops.Source(
        orchestrator="prefect",
        pipeline=flow.flow.name if flow and flow.flow else "",
        deployment=_deployment_name(flow_run.deployment_id) if flow_run and flow_run.deployment_id else "",
        run=run,
        task=task.task.name if task else "",
        url=url_for("flow-run" if flow_run_id else "task-run", obj_id=run) or "",
        actor=_started_by(flow_run),
    )


@lru_cache(maxsize=64)
def _deployment_name(deployment: UUID) -> str:
    """The deployment's name, or its id where the server does not say."""
    from prefect.client.orchestration import get_client

    try:
        with get_client(sync_client=True) as client:
            return client.read_deployment(deployment).name
    except Exception:  # nothing fails for a name
        return str(deployment)


def _started_by(run: FlowRun | None) -> str:
    """Who started a run, where Prefect knows: a user of Prefect Cloud, or an automation."""
    by = run.created_by if run else None
    if by is None or not by.display_value or by.type not in ("USER", "SERVICE", "AUTOMATION"):
        return ""
    return f"automation '{by.display_value}'" if by.type == "AUTOMATION" else by.display_value


def provenance_of(
    parameters: Mapping[str, Any], metrics: Mapping[str, float], parents: Iterable[Any], upstream: Iterable[str]
) -> kitops.Provenance:
    """What to say about how a kit was made in the run at hand.

    Its inputs are the kits given as parents, and all other assets that it was made from.

    Args:
        parameters: What the run was given; the engine takes out what sounds secret.
        metrics: Figures that were measured.
        parents: Kits it was made from.
        upstream: Keys of the assets it was made from.
    """
    from prefect.context import TaskRunContext

    run = TaskRunContext.get()
    others = [key for key in upstream if not key.startswith(f"{ASSET_SCHEME}://")]
    return kitops.Provenance(
        parameters=dict(parameters),
        inputs=[*dict.fromkeys(str(parent) for parent in parents), *others],
        metrics=dict(metrics),
        user=current_source().actor,
        started=run.start_time if run else None,
    )


def flow_parameters() -> dict[str, Any]:
    """What the flow at hand was given, as far as it is plain; nothing outside of any."""
    from prefect.context import FlowRunContext

    flow = FlowRunContext.get()
    return plain_arguments(flow.parameters or {}) if flow else {}


def plain_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a function's or a flow's arguments that are short and plain enough to be parameters of a provenance."""
    return {name: value for name, value in arguments.items() if _is_plain(value)}


def _is_plain(value: Any) -> bool:
    return isinstance(value, _PLAIN) and len(str(value)) <= _MAX_TEXT
