"""Task groups: a promotion that a person approves."""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import Asset, TaskGroup
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS

from kitops_airflow.operators.promote import KitPromoteOperator


def promote_with_approval(
    to: str,
    *,
    group_id: str = "",
    reference: str = "",
    asset: Asset | None = None,
    outlets: list[Any] | None = None,
    approval: dict[str, Any] | None = None,
    **kwargs: Any,
) -> TaskGroup:
    """Plan a promotion, ask a person, then promote the very digest they saw.

    Three tasks: ``plan`` runs the gates and changes nothing, ``approve`` is Airflow's standard approval with the
    present and the candidate digest, every gate, the metrics and what differs in its body, ``promote`` promotes that
    digest, and only if the channel still has what the person saw. A plan that a gate refuses fails before anybody is
    asked, and where the channel has the kit already all three are skipped.

    Args:
        to: The channel.
        group_id: The group's id; by default ``promote_to_<channel>``.
        reference: The kit; by default what is in the channel's upstream now.
        asset: Instead of ``reference``: take the kit that the asset's newest event names.
        outlets: Assets that get an event once the kit was promoted; by default the channel's.
        approval: Further arguments of Airflow's ``ApprovalOperator``: ``assigned_users``, ``response_timeout``,
            ``notifiers``, ….
        **kwargs: Further arguments of both :class:`~kitops_airflow.operators.promote.KitPromoteOperator`.

    Raises:
        RuntimeError: This Airflow has no human in the loop, which came with 3.1.
    """
    if not AIRFLOW_V_3_1_PLUS:
        raise RuntimeError(
            "promote_with_approval needs Airflow 3.1; before, use KitPromoteOperator, with approvals in the policy"
        )
    from airflow.providers.standard.operators.hitl import ApprovalOperator

    with TaskGroup(group_id or f"promote_to_{to}") as group:
        plan = KitPromoteOperator(
            task_id="plan", to=to, reference=reference, asset=asset, dry_run=True, skip_unchanged=True, **kwargs
        )
        planned = f"ti.xcom_pull(task_ids='{plan.task_id}')"
        approve = ApprovalOperator(
            task_id="approve",
            subject=f"Promote {{{{ {planned}['digest'][:19] }}}} to {to}?",
            body=f"{{{{ {planned}['review'] }}}}",
            **(approval or {}),
        )
        promote = KitPromoteOperator(
            task_id="promote",
            to=to,
            reference=f"{{{{ {planned}['candidate'] }}}}",
            expect=f"{{{{ {planned}['previous_digest'] or 'absent' }}}}",
            approval=approve.task_id,
            outlets=outlets,
            **kwargs,
        )
        plan >> approve >> promote
    return group
