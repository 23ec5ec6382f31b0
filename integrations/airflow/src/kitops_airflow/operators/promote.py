"""Operators that promote and roll back."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from airflow.providers.common.compat.sdk import AirflowSkipException, Asset, conf

import kitops_core as kitops
from kitops_airflow.assets import modelkit_asset
from kitops_airflow.failures import KitOpsGateRefusedError
from kitops_airflow.operators.base import KitOpsOperator, KitReader
from kitops_core import KitOpsError, LostRaceError, channel_reference, parse_reference

DEFAULT_POLICY = "promotion.yaml"


class PolicyOperator(KitOpsOperator):
    """What all have that work by a promotion policy.

    Args:
        policy: The promotion policy, or its file; by default ``[kitops] policy``. A relative path is looked for beside
            the DAG's file first, then in the working directory.
        dry_run: Only say what would be done; a gate that refuses fails the task all the same.
        signer: The private key that signs the record: a path on the worker, or ``env://NAME``; never the key itself.
        note: A sentence for the record.
    """

    template_fields: Sequence[str] = ("policy", "note")

    def __init__(
        self,
        *,
        policy: str | kitops.PromotionPolicy = "",
        dry_run: bool = False,
        signer: str = "",
        note: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if dry_run and self.outlets:
            raise ValueError(
                f"{self.task_id}: a dry run changes nothing, so it has no outlets: Airflow would announce it"
            )
        self.policy = policy
        # BaseOperator.dry_run is a method of Airflow's own.
        self.only_look = dry_run
        self.signer = signer
        self.note = note

    @property
    def policy_or_file(self) -> kitops.PromotionPolicy | Path | str:
        """The promotion policy as it was given, or where its file is."""
        given = self.policy or conf.get("kitops", "policy", fallback=DEFAULT_POLICY)
        if not isinstance(given, str):
            return given
        dag_file = getattr(getattr(self, "_dag", None), "fileloc", "") or ""  # it may have no DAG yet
        beside = Path(dag_file).parent / os.path.expanduser(given)
        return beside if beside.is_file() else given

    def announce(self, context: Any, promotion: kitops.Promotion) -> None:
        """Put the kit's record, as of the channel it is in now, into the events of this task's outlets."""
        target = parse_reference(promotion.reference)
        record = replace(
            promotion.kit,
            reference=str(replace(target, digest="")),
            registry=target.registry,
            repository=target.repository,
            tag=target.tag,
            tags=tuple(dict.fromkeys((target.tag, *promotion.tags))),
            changed=promotion.changed,
            previous_digest=promotion.previous_digest,
            source=self.source_of(context),
        )
        self.emit(context, record, target.tag)


class _Promoter(PolicyOperator):
    """What promoting and rolling back share.

    Args:
        into: The channel.
        expect: What the channel must have now: a digest, or ``absent``. Anything goes where it is empty.
        outlets: Assets that get an event; by default the channel's, where channel and policy are known when the DAG is
            parsed, and none for a dry run.
    """

    template_fields: Sequence[str] = ("policy", "expect", "note")

    def __init__(self, *, into: str, expect: str = "", outlets: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs, **({} if outlets is None else {"outlets": outlets}))
        self.expect = expect
        if outlets is None and not self.only_look:
            self.outlets = self._channels_asset(into)

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """As Airflow's; mapped tasks announce only what is given: Airflow must know it before they are made."""
        return super().partial(**{"outlets": [], **kwargs})

    def load_policy(self) -> kitops.PromotionPolicy:
        """The promotion policy."""
        from kitops_core import load_policy  # not when a DAG is parsed: it takes longer than all the rest

        given = self.policy_or_file
        return load_policy(given) if isinstance(given, (str, Path)) else given

    def _channels_asset(self, channel: Any) -> list[Asset]:
        """The channel's asset, where channel and policy are known now."""
        given = self.policy_or_file
        try:
            if not isinstance(given, (str, Path)):
                target = given.target(channel)
            else:  # only what is needed: the whole policy is checked by the task, and takes longer than a DAG's parsing
                data = yaml.safe_load(Path(given).read_text(encoding="utf-8"))
                said = (data["channels"][channel] or {}).get("target") or ""
                target = channel_reference(data["kit"], said, channel)
            return [modelkit_asset(target.name, tag=target.tag)]
        except (KitOpsError, OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
            # It is on the workers only, or another task or a template names it or the channel, or it is none.
            self.log.debug("%s announces nothing: %s", self.task_id, error)
            return []

    def done(
        self,
        context: Any,
        promotion: kitops.Promotion,
        policy: kitops.PromotionPolicy,
        place: kitops.Reference | None = None,
    ) -> dict[str, Any]:
        """Announce what was done, and return it; ``place`` is where the kit comes from, if not from the channel."""
        for gate in promotion.gates:
            self.log.info("%s %s%s", "✓" if gate.passed else "✗", gate.name, f": {gate.detail}" if gate.detail else "")
        if promotion.refused:  # of a dry run; another was refused by the engine already
            named = "; ".join(
                f"{gate.name} ({gate.detail})" if gate.detail else gate.name for gate in promotion.refused
            )
            raise KitOpsGateRefusedError(f"{promotion.channel} refuses {promotion.digest}: {named}")
        before = promotion.previous_digest or "nothing"
        verb = "would have" if promotion.dry_run else "has" if promotion.changed else "had"
        self.log.info("%s %s %s, before it %s", promotion.channel, verb, promotion.digest, before)
        if not promotion.dry_run:
            self.announce(context, promotion)
        from kitops_core.orchestrate.metadata import promotion_metadata
        from kitops_core.orchestrate.review import gate_figures, plan_text

        target = parse_reference(promotion.reference)
        figures: Sequence[Mapping[str, float]] = ()
        if promotion.dry_run:
            candidate = str((place or target).with_digest(promotion.digest))
            figures = gate_figures(self.hook(context).get_conn().metrics, candidate, promotion, policy)
        return {
            **promotion_metadata(promotion),
            "registry": target.registry,
            "repository": target.repository,
            "tag": target.tag,
            "review": plan_text(promotion, *figures),
        }


class KitPromoteOperator(_Promoter, KitReader):
    """Promote a kit into a channel, by digest, through the channel's gates.

    A gate that refuses fails the task at once, without retries, and the error names each gate and why; a lost race
    fails it too, told apart as ``KitOpsLostRaceError``. Nothing was changed then. Let no two promotions into one
    channel run at a time: ``max_active_runs=1``, or a pool.

    The channel's asset, ``modelkit_asset(…, tag="prod")``, gets an event with the kit's record.

    Args:
        to: The channel.
        reference: The kit, or the name of a channel that has it; by default what is in the channel's upstream now.
        asset: Instead of ``reference``: take the kit that the asset's newest event names.
        skip_refused: End as skipped where a gate refuses, instead of failing: for a schedule that waits until a kit has
            soaked or was approved.
        skip_unchanged: End as skipped where the channel has this very kit already: there is no event, and what waits
            for the channel does not run for nothing.
        approval: The task that asked a person, as :func:`~kitops_airflow.promote_with_approval` makes it. What was
            approved must be this very kit for this channel, instead of what ``expect`` says; the record names who
            answered, when and what, instead of who started the run.

    Returns:
        What was done: ``action``, ``digest``, ``previous_digest``, ``changed``, ``gates``, ``record``, and ``review``,
        a text in Markdown for people.
    """

    template_fields: Sequence[str] = ("reference", "to", *_Promoter.template_fields)
    needs_a_kit = False

    def __init__(
        self,
        *,
        to: str,
        skip_refused: bool = False,
        skip_unchanged: bool = False,
        approval: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(into=to, **kwargs)
        self.to = to
        self.approval = approval
        self.skip_refused = skip_refused
        self.skip_unchanged = skip_unchanged

    def execute(self, context: Any) -> Any:
        """Promote; see :meth:`run`."""
        try:
            return super().execute(context)
        except KitOpsGateRefusedError as refusal:
            if self.skip_refused:
                raise AirflowSkipException(str(refusal)) from refusal
            raise

    def run(self, context: Any) -> dict[str, Any]:
        """Promote, and return what was done."""
        policy = self.load_policy()
        reference = self.kit(context) or policy.channel(self.to).from_
        note = self._answered(context, reference, policy) if self.approval else self.note
        hook = self.hook(context)  # which works for who approved
        if reference and reference not in policy.channels:
            reference = str(hook.reference(reference))
        promote = partial(hook.get_conn().promote, reference, self.to, policy=policy, dry_run=self.only_look, note=note)
        try:
            promotion = promote(expect=self.expect)
        except LostRaceError as lost:
            if not lost.found or not reference.endswith(f"@{lost.found}"):
                raise
            # An earlier try of this task moved it, and ended before that was noted.
            promotion = promote(expect=lost.found)
        place = policy.target(reference) if reference in policy.channels else parse_reference(reference)
        candidate = place.with_digest(promotion.digest)
        self.used(str(candidate), promotion.digest)
        result = {**self.done(context, promotion, policy, place), "candidate": str(candidate)}
        if self.skip_unchanged and promotion.digest == promotion.previous_digest:
            context["ti"].xcom_push(key="return_value", value=result)
            raise AirflowSkipException(f"{self.to} has {promotion.digest} already")
        return result

    def _answered(self, context: Any, reference: str, policy: kitops.PromotionPolicy) -> str:
        """The record's note, with who approved in Airflow, who is its actor then.

        Raises:
            KitOpsTaskError: What is going to be promoted was not approved.
        """
        from kitops_airflow.operators.approve import ASKED, check_answer

        ti = context["ti"]
        answer, asked = (ti.xcom_pull(task_ids=self.approval, key=key) for key in ("return_value", ASKED))
        check_answer(answer, asked, {"kit": reference, "channel": str(policy.target(self.to)), "replaces": self.expect})
        user = answer.get("responded_by_user") or {}
        who = str(user.get("name") or user.get("id") or "nobody, in time")
        self.actor = f"{who} in {ti.dag_id} {ti.run_id}"
        said = f"{', '.join(answer['chosen_options'])} by {who} in Airflow at {answer.get('responded_at')}"
        return f"{self.note}; {said}" if self.note else said


class KitRollbackOperator(_Promoter):
    """Give a channel back the kit it had before, and record that as a rollback.

    Args:
        channel: The channel.
        to: The digest to go back to; by default the one before the present.

    Returns:
        What was done, as of :class:`KitPromoteOperator`.
    """

    template_fields: Sequence[str] = ("channel", "to", *_Promoter.template_fields)

    def __init__(self, *, channel: str, to: str = "", **kwargs: Any) -> None:
        super().__init__(into=channel, **kwargs)
        self.channel = channel
        self.to = to

    def run(self, context: Any) -> dict[str, Any]:
        """Roll back, and return what was done."""
        policy = self.load_policy()
        promotion = (
            self.hook(context)
            .get_conn()
            .rollback(
                self.channel, to=self.to, policy=policy, expect=self.expect, dry_run=self.only_look, note=self.note
            )
        )
        return self.done(context, promotion, policy)
