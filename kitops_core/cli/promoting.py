"""What the commands that promote share: their options, and how they show gates and records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, get_args

import click

from kitops_core.cli.output import answer, answer_json, answer_rows, count_text
from kitops_core.cli.signing import open_signing_key, sign_key_option
from kitops_core.errors import GateRefusedError
from kitops_core.record import Source
from kitops_core.wording import timestamp_text

if TYPE_CHECKING:
    from kitops_core.promotion.promote_all import PromotedAll
    from kitops_core.promotion.records import PromotionRecord
    from kitops_core.promotion.result import Promotion

Decorator = Callable[[Callable[..., None]], Callable[..., None]]

policy_option = click.option(
    "-p",
    "--policy",
    metavar="FILE",
    default="promotion.yaml",
    show_default=True,
    help="The promotion policy: channels and their gates.",
)
actor_option = click.option(
    "--actor",
    metavar="NAME",
    default="",
    help="Who does this (default: $KITOPS_ACTOR, the CI system's user, user@host).",
)
note_option = click.option("--note", metavar="TEXT", default="", help="A sentence for the record.")


def promotion_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options of the commands that move a channel's tag."""
    options: list[Decorator] = [
        policy_option,
        click.option(
            "--expect",
            metavar="DIGEST",
            default="",
            help="What the channel must have now, or 'absent'; anything else is a lost race.",
        ),
        click.option("--dry-run", is_flag=True, help="Only show the plan, with each gate's evidence."),
        sign_key_option("Sign the record with this private key (PEM, or env://NAME)."),
        actor_option,
        note_option,
    ]
    for option in reversed(options):
        command = option(command)
    return command


def promoter(sign_key: str | None, actor: str) -> dict[str, Any]:
    """Who promotes, as arguments of :class:`~kitops_core.client.Client`."""
    signer = open_signing_key(sign_key) if sign_key else None
    return {"signer": signer, "run": Source(actor=actor)}


@contextmanager
def show_gates(as_json: bool) -> Iterator[None]:
    """Write the plan of a promotion that a gate refused to the answer, before the error is reported."""
    try:
        yield
    except GateRefusedError as error:
        if error.promotion is not None:
            answer_promotion(error.promotion, as_json)
        raise


def answer_promotion(result: Promotion, as_json: bool) -> None:
    """What was promoted, or would be, and what every gate said."""
    if as_json:
        answer_json(result.to_dict())
        return
    before = result.previous_digest or "(empty)"
    if before == result.digest:
        answer("unchanged", result.channel, result.digest)
    else:
        answer(result.channel, f"{before} → {result.digest}", *([f"({result.diff.summary()})"] if result.diff else []))
    answer_rows([(f"  {'✓' if gate.passed else '✗'} {gate.name}", gate.detail) for gate in result.gates])
    if result.refused:
        answer(f"refused: {len(result.refused)} of {count_text(len(result.gates), 'gate')}")
    elif result.dry_run:
        answer("nothing was changed: this is a dry run")
    elif result.record:
        answer({"promote": "promoted", "rollback": "rolled back"}[result.action], result.reference, *result.tags)


def answer_all(done: PromotedAll, as_json: bool) -> None:
    """What became of each channel that did not stay as it was, and how many of all there are."""
    from kitops_core.promotion.promote_all import Outcome

    if as_json:
        answer_json(done.to_dict())
        return
    words = {"promoted": "would promote"} if done.dry_run else {}
    shown = [one for one in done.outcomes if one.outcome in ("promoted", "refused", "failed")]
    answer_rows(
        [(words.get(one.outcome, one.outcome), one.kit, one.channel, one.reason or one.digest) for one in shown]
    )
    counts = {outcome: len(done.having(outcome)) for outcome in get_args(Outcome)}
    said = [f"{count} {words.get(outcome, outcome)}" for outcome, count in counts.items() if count]
    kits = len({one.kit for one in done.outcomes})
    answer(f"{count_text(len(done.outcomes), 'channel')} of {count_text(kits, 'kit')}", *said)
    if done.dry_run:
        answer("nothing was changed: this is a dry run")


def record_rows(record: PromotionRecord, *, checked: bool) -> list[tuple[str, ...]]:
    """The line of a record in a history, and one of the gap before it; ``checked`` where signatures were looked at."""
    signed = f"signed by {record.signed_by}" if record.signed_by else "" if checked else "not checked"
    action = record.action + (" (overwritten)" if record.overwritten else "")
    row = (timestamp_text(record.time), action, record.channel, record.digest, record.actor, signed, record.note)
    gap = ("", "(gap)", record.channel, record.before, "", "", record.gap)
    return [row, gap] if record.gap else [row]
