"""Task groups: a promotion that a person approves, and all promotions of a policy."""

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

    Three tasks: ``plan`` runs the gates and changes nothing, ``approve`` is Airflow's approval with the present and the
    candidate digest, every gate, the metrics and what differs in its body, ``promote`` promotes that digest, and only
    if it was approved, and the channel still has what the person saw. A plan that a gate refuses fails before anybody
    is asked, and where the channel has the kit already all three are skipped. Tasks that are cleared or retried never
    promote what was not approved: where another kit is planned by then, ``approve`` or ``promote`` fails.

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
    from kitops_airflow.operators.approve import KitApprovalOperator

    with TaskGroup(group_id or f"promote_to_{to}") as group:
        plan = KitPromoteOperator(
            task_id="plan", to=to, reference=reference, asset=asset, dry_run=True, skip_unchanged=True, **kwargs
        )
        planned = f"ti.xcom_pull(task_ids='{plan.task_id}')"
        candidate = f"{{{{ {planned}['candidate'] }}}}"
        present = f"{{{{ {planned}['previous_digest'] or 'absent' }}}}"
        approve = KitApprovalOperator(
            task_id="approve",
            subject=f"Promote {{{{ {planned}['digest'][:19] }}}} to {to}?",
            body=f"{{{{ {planned}['review'] }}}}",
            about={
                "kit": candidate,
                "channel": f"{{{{ {planned}['reference'].partition('@')[0] }}}}",
                "replaces": present,
            },
            **(approval or {}),
        )
        promote = KitPromoteOperator(
            task_id="promote",
            to=to,
            reference=candidate,
            expect=present,
            approval=approve.task_id,
            outlets=outlets,
            **kwargs,
        )
        plan >> approve >> promote
    return group


def promote_all(*, group_id: str = "promote_all", skip_refused: bool = False, **kwargs: Any) -> TaskGroup:
    """Promote all kits of a policy, as far as gates let them: one job for as many kits as the policy lists.

    Two tasks: ``promote`` promotes into every channel what its upstream has, and announces each channel that moved as
    its asset; ``check`` then fails with a list of what a gate refused and of what failed, neither of which held up
    anything else. They are two, for Airflow announces nothing of a task that fails.

    Args:
        group_id: The group's id.
        skip_refused: What a gate refuses is no failure: for a schedule that waits until kits have soaked or were
            approved.
        **kwargs: Arguments of :class:`~kitops_airflow.operators.promote_all.KitPromoteAllOperator`: ``policy``, ``to``,
            ``signer``, ``note``, ``dry_run``, ``outlets``, ``kitops_conn_id``, ….
    """
    from kitops_airflow.operators.promote_all import KitPromoteAllOperator, KitPromotedAllOperator

    with TaskGroup(group_id) as group:
        promote = KitPromoteAllOperator(task_id="promote", **kwargs)
        KitPromotedAllOperator(task_id="check", found=promote.output, skip_refused=skip_refused)
    return group
