"""Operators for all kits of a policy at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.providers.common.compat.sdk import AssetAlias, BaseOperator

from kitops_airflow.failures import KitOpsGateRefusedError, KitOpsTaskError
from kitops_airflow.operators.base import listed
from kitops_airflow.operators.promote import PolicyOperator

PROMOTED = "promoted"
"""The alias through which channels are announced that a run finds out."""


class KitPromoteAllOperator(PolicyOperator):
    """Promote into every channel of every kit of a policy what its upstream has, upstreams first, by one client.

    What a gate refuses, or what fails, holds up nothing else. Each channel that moved is announced as its asset,
    ``modelkit_asset(…, tag="prod")``; one that stayed is not. Airflow announces nothing of a task that fails, so this
    one succeeds whatever became of single channels, and :func:`~kitops_airflow.promote_all` puts a task after it that
    fails with what went wrong.

    Args:
        to: Only these channels. Templated.
        outlets: Aliases through which channels are announced; by default ``AssetAlias("promoted")``. Who waits for the
            alias hears of every channel.

    Returns:
        ``counts`` of channels by outcome (``promoted``, ``unchanged``, ``empty``, ``refused``, ``failed``),
        ``dry_run``, and a list each of those ``promoted``, ``refused`` and ``failed``: ``kit``, ``channel``,
        ``digest``, ``previous_digest`` and ``record``, or ``reason``.
    """

    template_fields: Sequence[str] = ("to", *PolicyOperator.template_fields)

    def __init__(
        self, *, to: str | Sequence[str] = (), dry_run: bool = False, outlets: Any = None, **kwargs: Any
    ) -> None:
        given = outlets if outlets is not None else [] if dry_run else [AssetAlias(PROMOTED)]
        super().__init__(dry_run=dry_run, outlets=given, **kwargs)
        for outlet in self.outlets:
            if not isinstance(outlet, AssetAlias):
                raise ValueError(
                    f"{self.task_id}: outlets are aliases, AssetAlias(name): Airflow announces every other outlet each "
                    "time, moved or not"
                )
        self.to = to

    def run(self, context: Any) -> dict[str, Any]:
        """Promote all, announce what moved, and return what became of all channels."""
        from kitops_core.orchestrate.promoted import outcome_text, promoted_metadata

        client = self.hook(context).get_conn()
        done = client.promote_all(self.policy_or_file, to=listed(self.to), dry_run=self.only_look, note=self.note)
        for one in done.outcomes:
            if one.outcome in ("refused", "failed"):
                self.log.warning("%s", outcome_text(one))
            elif one.outcome == "promoted" and one.promotion is not None:
                verb = "would have" if done.dry_run else "has"
                self.log.info("%s of %s %s %s", one.channel, one.kit, verb, one.digest)
                if not done.dry_run:
                    self.announce(context, one.promotion)
        found = promoted_metadata(done)
        self.log.info("%s", ", ".join(f"{count} {outcome}" for outcome, count in found["counts"].items()))
        return found


class KitPromotedAllOperator(BaseOperator):
    """Fail where a channel failed, or a gate refused a kit, with a list of them.

    Args:
        found: What :class:`KitPromoteAllOperator` returned. Templated.
        skip_refused: What a gate refuses is no failure: for a schedule that waits until kits have soaked or were
            approved.
    """

    template_fields: Sequence[str] = ("found",)
    ui_color = PolicyOperator.ui_color

    def __init__(self, *, found: Any, skip_refused: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.found = found
        self.skip_refused = skip_refused

    def execute(self, context: Any) -> None:
        """Look at what became of all channels.

        Raises:
            KitOpsGateRefusedError: Gates refused something, and nothing failed.
            KitOpsTaskError: Something failed.
        """
        from kitops_core.orchestrate.promoted import promoted_wrong

        if wrong := promoted_wrong(self.found, refused_too=not self.skip_refused):
            raise (KitOpsTaskError if self.found["failed"] else KitOpsGateRefusedError)(wrong)
