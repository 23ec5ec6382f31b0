"""The promotion flow: pin, look, perhaps ask a person, promote, perhaps check, and go back where the check fails."""

# Prefect runs a served flow from its file, under a module name that is nowhere to be found when the annotations of the
# flow's parameters are looked up as text; so here they are not text.
import hashlib
from typing import Any, Literal, cast
from uuid import UUID

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import DEFAULT
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.flow_runs import pause_flow_run, suspend_flow_run
from prefect.states import Completed
from prefect.transactions import transaction

import kitops_core as kitops
from kitops_core.orchestrate.review import gate_figures, plan_text
from prefect_kitops.approval import (
    PromotionApproval,
    PromotionCheck,
    PromotionCheckError,
    PromotionRejectedError,
    PromotionSupersededError,
)
from prefect_kitops.artifacts import artifact_key
from prefect_kitops.connection import Connection, connect
from prefect_kitops.promotion import candidate, overtaken, promote_modelkit
from prefect_kitops.reference import ModelKitRef
from prefect_kitops.running import description_of, hints, patiently, run_logger
from prefect_kitops.tasks import pin


@flow(name="modelkit-promotion", flow_run_name="promote to {to}", persist_result=True, result_serializer="json")
def modelkit_promotion(
    to: str,
    reference: str = "",
    policy: str = "",
    registry: str | list[str] = "",
    approval: Literal["none", "pause", "suspend"] = "none",
    approval_seconds: int = 7 * 24 * 3600,
    check: PromotionCheck | None = None,
    note: str = "",
    latest: bool = True,
) -> ModelKitRef:
    """Promote a kit into a channel, with all that surrounds it.

    A run that a push started promotes that push's kit. Where the channel's upstream moved on to a newer one by then,
    it ends as ``Superseded``, and the run of the newer push promotes.

    The kit is pinned to a digest first, and what a person approves is what is promoted: where the channel moved while
    they thought about it, the run fails instead, and an answer counts for no other digest. A run that failed and is
    retried plans anew and asks again.

    Args:
        to: The channel.
        reference: The kit; a channel's name, or empty for what is in the channel's upstream now.
        policy: The promotion policy's file; by default the repository block's, else ``promotion.yaml``.
        registry: Name of a saved ``ModelKitRepository``, or names of the blocks of several registries; without one the
            credentials of ``docker login`` are used, and the record is not signed.
        approval: ``pause`` waits for a person with the process running, and needs a deployment to have no concurrency
            limit; ``suspend`` ends it and needs a deployment.
        approval_seconds: How long to wait for the person.
        check: A deployment to run after the promotion; where it fails, the channel gets back what it had. It does not
            run where nothing moved.
        note: A sentence for the record.
        latest: Whether a kit that the channel's upstream moved on from is left; ``False`` promotes an older one. What a
            person approved is promoted in any case.

    Raises:
        GateRefusedError: A gate refused; nothing was changed.
        PromotionRejectedError: A person rejected it; nothing was changed.
        PromotionCheckError: The check failed; the channel has what it had before.
        NotFoundError: There is no such check; nothing was changed.
        InvalidInputError: It is to wait for a person in a way that Prefect cannot for this run; nothing was planned.
        KitOpsError: As :meth:`kitops_core.Client.promote`.
    """
    if check:
        with hints():
            _find_deployment(check.deployment)
    if approval != "none":
        with hints():
            _check_waits(approval)
    plan = plan_promotion(reference, to, policy, registry, _tries())
    if latest and plan["superseded"]:
        return _superseded(plan, plan["superseded"])
    expect, actor = "", ""
    if approval != "none" and plan["moves"]:
        answer = _ask(plan, approval, approval_seconds)
        if answer.decision != "approve":
            raise PromotionRejectedError(
                f"{answer.approver or 'somebody'} rejected {plan['reference']} for {to}: {answer.note or 'no note'}"
            )
        expect = plan["previous_digest"] or "absent"
        actor, note = answer.approver, answer.note or note
    try:
        with transaction():
            kit = promote_modelkit(
                plan["reference"],
                to,
                policy=policy,
                expect=expect,
                actor=actor,
                note=note,
                registry=registry,
                latest=latest and not expect,
            )
            if check and kit.changed:
                _check(check, kit)
    except PromotionSupersededError as error:
        return _superseded(plan, str(error))
    return kit


modelkit_promotion.description = description_of(modelkit_promotion.fn)


def _superseded(plan: dict[str, Any], why: str) -> ModelKitRef:
    """The end of a run whose kit another one overtook: no failure, a state of its own, and the kit as its result."""
    state: Any = Completed(name="Superseded", message=why, data=ModelKitRef.model_validate(plan["kit"]))
    return cast(ModelKitRef, state)  # Prefect takes a returned state as the run's, and its data as the result


@task(name="plan-promotion", task_run_name="plan {to}", persist_result=True, cache_policy=DEFAULT)
def plan_promotion(
    reference: str, to: str, policy: str = "", registry: str | list[str] = "", tries: int = 0
) -> dict[str, Any]:
    """What a promotion would do, once for each try of a flow run: one that was suspended sees the same plan again.

    Args:
        reference: The kit, a channel's name, or empty for what is in the channel's upstream now.
        to: The channel.
        policy: The promotion policy's file.
        registry: Names of saved blocks.
        tries: How often the run was retried.

    Returns:
        The ``kit``, its pinned ``reference``, the channel's ``previous_digest``, whether anything ``moves``, what kit
        ``superseded`` it in the upstream, and the plan as ``markdown``.

    Raises:
        KitOpsError: The kit, the policy or the channel cannot be used.
    """
    with hints():
        connection = connect(registry)
        channels = connection.policy(policy)
        with connection.client() as client:
            pinned = pin(client, _candidate(reference, to, channels, connection))
            superseded = overtaken(pinned, to, client, channels)
            promotion = client.promote(pinned.reference, to, policy=channels, dry_run=True)
            markdown = plan_text(promotion, *gate_figures(client.metrics, pinned.reference, promotion, channels))
    create_markdown_artifact(
        markdown,
        key=artifact_key("modelkit-promotion", f"{pinned.repository}/{to}"),
        description=f"Promotion to {to} of {pinned.repository}",
        _sync=True,  # type: ignore[call-arg]
    )
    moves = not promotion.refused and promotion.previous_digest != pinned.digest
    return {
        "reference": pinned.reference,
        "kit": pinned.model_dump(mode="json"),
        "superseded": superseded,
        "previous_digest": promotion.previous_digest,
        "moves": moves,
        "markdown": markdown,
        "tries": tries,
    }


def _tries() -> int:
    """How often the run was retried: what failed is planned anew, and an answer does not count for the next try."""
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    if run is None:
        return 0
    with get_client(sync_client=True) as client:
        return sum(state.name == "AwaitingRetry" for state in client.read_flow_run_states(run.id))


def _candidate(reference: str, to: str, policy: kitops.PromotionPolicy, connection: Connection) -> kitops.Reference:
    """The kit that is to be promoted: named, or in the channel's upstream.

    Raises:
        InvalidInputError: No kit is named, and the channel has no upstream.
        NotFoundError: There is no such channel.
    """
    name = reference or policy.channel(to).from_
    if not name:
        raise kitops.InvalidInputError(
            f"channel '{to}' has no upstream to take a kit from", hint="name the kit to promote"
        )
    return policy.target(name) if name in policy.channels else connection.reference(candidate(name, connection))


def _check_waits(approval: str) -> None:
    """See that the run can wait for a person, before anybody waits for a plan.

    Raises:
        InvalidInputError: It is to suspend, and is a subflow, or no deployment's; or it is to pause, and its deployment
            has a concurrency limit.
    """
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    if approval == "pause":
        if run is not None and run.deployment_id is not None and _is_limited(run.deployment_id):
            # findings/prefect-paused-run-loses-its-slot.sh
            raise kitops.InvalidInputError(
                "this deployment has a concurrency limit, and Prefect ends a run of such a one that pauses for minutes",
                hint="give it approval='suspend', or no limit: runs that move one channel wait for each other",
            )
        return
    if run is None or run.parent_task_run_id is not None:
        raise kitops.InvalidInputError(
            "this promotion is a subflow, which Prefect cannot suspend",
            hint="give it approval='pause', or start it as a deployment of its own: run_deployment(...)",
        )
    if run.deployment_id is None:
        raise kitops.InvalidInputError(
            "this promotion is no run of a deployment, so nothing could start it again",
            hint="give it approval='pause', or serve it: modelkit_promotion.serve(...)",
        )


def _is_limited(deployment: UUID) -> bool:
    """Whether a deployment has a concurrency limit."""
    with get_client(sync_client=True) as client:
        return patiently(lambda: client.read_deployment(deployment)).global_concurrency_limit is not None


def _ask(plan: dict[str, Any], approval: str, seconds: int) -> PromotionApproval:
    question = PromotionApproval.with_initial_data(description=plan["markdown"])
    wait = suspend_flow_run if approval == "suspend" else pause_flow_run
    # The answer counts for this move and this try only. A suspended run may come back where the plan of before is not
    # to be found, and plan anew; where that is another move it asks anew, too.
    move = hashlib.sha256(f"{plan['previous_digest']} {plan['reference']} {plan['tries']}".encode()).hexdigest()
    return wait(wait_for_input=question, timeout=seconds, key=f"approval-{move[:12]}")


def _find_deployment(name: str) -> None:
    with get_client(sync_client=True) as client:
        try:
            patiently(lambda: client.read_deployment_by_name(name))
        except (ObjectNotFound, ValueError) as error:
            raise kitops.NotFoundError(
                f"there is no deployment '{name}' to check with", hint="write flow/deployment"
            ) from error


def _check(check: PromotionCheck, kit: ModelKitRef) -> None:
    given = {"reference": kit.reference}
    run = run_deployment(check.deployment, parameters=given, timeout=check.seconds, _sync=True)  # type: ignore[call-arg]
    assert isinstance(run, FlowRun)  # noqa: S101  for the type checker: in a sync flow it is never awaitable
    if run.state is not None and run.state.is_completed():
        return
    outcome = (run.state.name if run.state else None) or "unknown"
    if run.state is None or not run.state.is_final():
        outcome += f" after {check.seconds} s"
    run_logger().error("%s", f"{check.deployment} on {kit}: {outcome}")
    raise PromotionCheckError(f"the check {check.deployment} of {kit} ended as {outcome}")
