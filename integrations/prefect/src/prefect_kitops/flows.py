"""The promotion flow: pin, look, perhaps ask a person, promote, perhaps check, and go back where the check fails."""

# Prefect runs a served flow from its file, under a module name that is nowhere to be found when the annotations of the
# flow's parameters are looked up as text; so here they are not text.
import hashlib
from typing import Any, Literal

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import DEFAULT
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.flow_runs import pause_flow_run, suspend_flow_run
from prefect.transactions import transaction

from kitops_core.errors import InvalidInputError, NotFoundError
from kitops_core.promotion.result import Promotion
from prefect_kitops import card, kits
from prefect_kitops.approval import PromotionApproval, PromotionCheckError, PromotionRejectedError
from prefect_kitops.artifacts import artifact_key
from prefect_kitops.attached import read_attached
from prefect_kitops.channels import policy_file, promote
from prefect_kitops.connection import find_place, load_block
from prefect_kitops.markdown import code, plain
from prefect_kitops.promotion import promote_modelkit
from prefect_kitops.reference import ModelKitRef
from prefect_kitops.running import hints, run_logger


@flow(name="modelkit-promotion", flow_run_name="promote to {to}", persist_result=True, result_serializer="json")
def modelkit_promotion(
    to: str,
    reference: str = "",
    channels: str = "",
    repository: str = "",
    approval: Literal["none", "pause", "suspend"] = "none",
    approval_seconds: int = 7 * 24 * 3600,
    check: str = "",
    check_seconds: int = 3600,
    key: str = "",
    note: str = "",
) -> ModelKitRef:
    """Promote a kit into a channel, with all that surrounds it.

    The kit is pinned to a digest first, and what a person approves is what is promoted: where the channel moved while
    they thought about it, the run fails instead, and an answer counts for no other digest.

    Args:
        to: The channel.
        reference: The kit; a channel's name, or empty for what is in the channel's upstream now.
        channels: The promotion policy's file; by default the repository block's, else ``promotion.yaml``.
        repository: Name of a saved ``ModelKitRepository``; without one the credentials of ``docker login`` are used.
        approval: ``pause`` waits for a person with the process running; ``suspend`` ends it and needs a deployment.
        approval_seconds: How long to wait for the person.
        check: Name of a deployment (``flow/deployment``) to run after the promotion with the kit as its parameter
            ``reference``; where it fails, the channel gets back what it had.
        check_seconds: How long to wait for the check; one that does not end counts as failed.
        key: The private key that signs the record: a file or ``env://NAME``, as everybody can read a run's parameters.
        note: A sentence for the record.

    Raises:
        GateRefusedError: A gate refused; nothing was changed.
        PromotionRejectedError: A person rejected it; nothing was changed.
        PromotionCheckError: The check failed; the channel has what it had before.
        NotFoundError: There is no such check; nothing was changed.
        KitOpsError: As :func:`kitops_core.promote`.
    """
    if check:
        with hints():
            _find_deployment(check)
    plan = plan_promotion(reference, to, channels, repository)
    expect, actor = "", ""
    if approval != "none" and plan["moves"]:
        answer = _ask(plan, approval, approval_seconds)
        if answer.decision != "approve":
            raise PromotionRejectedError(
                f"{answer.approver or 'somebody'} rejected {plan['reference']} for {to}: {answer.note or 'no note'}"
            )
        expect = plan["previous_digest"] or "absent"
        actor, note = answer.approver, answer.note or note
    with transaction():
        kit = promote_modelkit(
            plan["reference"],
            to,
            channels=channels,
            expect=expect,
            key=key or None,
            actor=actor,
            note=note,
            registry=repository or None,
        )
        if check:
            _check(check, kit, check_seconds)
    return kit


@task(name="plan-promotion", task_run_name="plan {to}", persist_result=True, cache_policy=DEFAULT)
def plan_promotion(reference: str, to: str, channels: str = "", repository: str = "") -> dict[str, Any]:
    """What a promotion would do, once for each flow run: a run that was suspended sees the same plan again.

    Args:
        reference: The kit, a channel's name, or empty for what is in the channel's upstream now.
        to: The channel.
        channels: The promotion policy's file.
        repository: Name of a saved ``ModelKitRepository``.

    Returns:
        The kit's pinned ``reference``, the channel's ``previous_digest``, whether anything ``moves``, and the plan as
        ``markdown``.

    Raises:
        KitOpsError: The kit, the policy or the channel cannot be used.
    """
    with hints():
        pinned = pin(reference, to, channels, repository)
        promotion = promote(pinned.reference, to, channels=channels, dry_run=True, registry=repository or None)
        figures = read_attached(find_place(pinned, repository or None), pinned.digest).metrics
        there = _figures_there(promotion, repository)
    markdown = "\n".join(
        [
            f"# Promotion to {plain(to)}",
            "",
            f"{plain(pinned.repository)}  ",
            f"{code(promotion.previous_digest or 'nothing')} → {code(pinned.digest)}",
            "",
            *card.gates(promotion.gates),
            *card.metrics(figures, there),
            *card.changes(promotion.diff),
        ]
    )
    create_markdown_artifact(
        markdown,
        key=artifact_key("modelkit-promotion", f"{pinned.repository}/{to}"),
        description=f"Promotion to {to} of {pinned.repository}",
        _sync=True,  # type: ignore[call-arg]
    )
    moves = not promotion.refused and promotion.previous_digest != pinned.digest
    return {
        "reference": pinned.reference,
        "previous_digest": promotion.previous_digest,
        "moves": moves,
        "markdown": markdown,
    }


def pin(reference: str, to: str, channels: str = "", repository: str = "") -> ModelKitRef:
    """The kit that is to be promoted, pinned to the digest it has now.

    Args:
        reference: The kit, a channel's name, or empty for what is in the channel's upstream now.
        to: The channel.
        channels: The promotion policy's file.
        repository: Name of a saved ``ModelKitRepository``.

    Raises:
        InvalidInputError: No kit is named, and the channel has no upstream.
        NotFoundError: There is no such kit or channel.
        KitOpsError: The policy or the registry cannot be used.
    """
    from kitops_core.promotion.policy_file import as_policy

    block = load_block(repository)
    policy = as_policy(policy_file(channels, block))
    name = reference or policy.channel(to).from_
    if not name:
        raise InvalidInputError(f"channel '{to}' has no upstream to take a kit from", hint="name the kit to promote")
    return kits.resolve(str(policy.target(name)) if name in policy.channels else name, registry=block)


def _figures_there(promotion: Promotion, repository: str) -> dict[str, float]:
    """The metrics of what the channel has now; none where it has nothing, or that is gone from its registry."""
    if not promotion.previous_digest:
        return {}
    try:
        return read_attached(find_place(promotion.reference, repository or None), promotion.previous_digest).metrics
    except NotFoundError:
        return {}


def _ask(plan: dict[str, Any], approval: str, seconds: int) -> PromotionApproval:
    question = PromotionApproval.with_initial_data(description=plan["markdown"])
    wait = suspend_flow_run if approval == "suspend" else pause_flow_run
    # The answer counts for this move only. A suspended run may come back where the plan of before is not to be found,
    # and plan anew; where that is another move it asks anew, too.
    move = hashlib.sha256(f"{plan['previous_digest']} {plan['reference']}".encode()).hexdigest()
    return wait(wait_for_input=question, timeout=seconds, key=f"approval-{move[:12]}")


def _find_deployment(name: str) -> None:
    with get_client(sync_client=True) as client:
        try:
            client.read_deployment_by_name(name)
        except (ObjectNotFound, ValueError) as error:
            raise NotFoundError(
                f"there is no deployment '{name}' to check with", hint="write flow/deployment"
            ) from error


def _check(deployment: str, kit: ModelKitRef, seconds: int) -> None:
    given = {"reference": kit.reference}
    run = run_deployment(deployment, parameters=given, timeout=seconds, _sync=True)  # type: ignore[call-arg]
    assert isinstance(run, FlowRun)  # noqa: S101  for the type checker: in a sync flow it is never awaitable
    if run.state is not None and run.state.is_completed():
        return
    outcome = (run.state.name if run.state else None) or "unknown"
    if run.state is None or not run.state.is_final():
        outcome += f" after {seconds} s"
    run_logger().error("%s", f"{deployment} on {kit}: {outcome}")
    raise PromotionCheckError(f"the check {deployment} of {kit} ended as {outcome}")
