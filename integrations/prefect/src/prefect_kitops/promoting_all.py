"""One job that promotes all kits of a policy: what waits in every channel's upstream goes as far as gates let it."""

# The flow's annotations are not text, as those of flows.py.
from collections.abc import Sequence
from contextlib import nullcontext

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from kitops_core import PromotedAll
from kitops_core.orchestrate.promoted import promoted_metadata, promoted_text, promoted_wrong
from prefect_kitops.artifacts import artifact_key
from prefect_kitops.connection import Registry, connect
from prefect_kitops.locks import modelkit_lock
from prefect_kitops.promotion import announce
from prefect_kitops.reference import ModelKitRef
from prefect_kitops.running import description_of, in_run, run_logger, twins


class NotPromotedError(Exception):
    """Some of the promotions of a policy were refused or failed, as its text lists; all others were done."""


@twins("promote-all-modelkits", "promote all")
def _promote_all(
    policy: str = "",
    *,
    to: Sequence[str] = (),
    skip_refused: bool = False,
    actor: str = "",
    note: str = "",
    registry: Registry = None,
) -> list[ModelKitRef]:
    """Promote into every channel of every kit of a policy what its upstream has now, upstreams first.

    What a gate refuses, or what fails, holds up nothing else; the run fails in the end and lists it. What moved stays
    moved, also in a transaction that fails later. Runs of the same policy wait for each other.

    Args:
        policy: The promotion policy's file, with one kit or with ``kits``; by default the repository block's, else
            ``promotion.yaml``.
        to: Only these channels.
        skip_refused: What a gate refuses is no failure: for a schedule that waits until kits have soaked or were
            approved.
        actor: Who promotes, where Prefect does not know.
        note: A sentence for the records.
        registry: The blocks of the registries, or their names.

    Returns:
        The kits that moved, each as its channel has it now.

    Raises:
        NotPromotedError: A gate refused something, or something failed; all else was promoted.
        KitOpsError: The policy, a channel or a block cannot be used; nothing was changed.
    """
    connection = connect(registry)
    channels = connection.policy(policy)
    first, *others = sorted(each.kit for each in channels.each())
    kits = f"{first} and {len(others)} more" if others else first
    with (
        connection.client(actor=actor) as client,
        modelkit_lock(f"all channels of {kits}") if in_run() else nullcontext(),
    ):
        done = client.promote_all(channels, to=[to] if isinstance(to, str) else to, note=note)
    moved = [announce("promoted", one.promotion) for one in done.having("promoted") if one.promotion]
    for one in done.having("refused"):
        if one.promotion:
            announce("promotion-refused", one.promotion)
    _publish(kits, done)
    if wrong := promoted_wrong(promoted_metadata(done), refused_too=not skip_refused):
        raise NotPromotedError(wrong)
    return moved


promote_all_modelkits, apromote_all_modelkits = _promote_all


@flow(name="modelkit-promotion-all", flow_run_name="promote all")
def modelkit_promotion_all(
    policy: str = "",
    to: tuple[str, ...] = (),
    skip_refused: bool = False,
    registry: str | list[str] = "",
    note: str = "",
) -> list[ModelKitRef]:
    """Promote into every channel of every kit of a policy what its upstream has now: one scheduled job for all.

    What a gate refuses, or what fails, holds up nothing else; the run fails in the end and lists it.

    Args:
        policy: The promotion policy's file; by default the repository block's, else ``promotion.yaml``.
        to: Only these channels.
        skip_refused: What a gate refuses is no failure.
        registry: Name of a saved ``ModelKitRepository``, or names of the blocks of several registries; without one the
            credentials of ``docker login`` are used, and the records are not signed.
        note: A sentence for the records.

    Raises:
        NotPromotedError: A gate refused something, or something failed; all else was promoted.
        KitOpsError: The policy, a channel or a block cannot be used; nothing was changed.
    """
    return promote_all_modelkits(policy, to=to, skip_refused=skip_refused, note=note, registry=registry)


modelkit_promotion_all.description = description_of(modelkit_promotion_all.fn)


def _publish(kits: str, done: PromotedAll) -> None:
    """Publish what became of all kits as an artifact of the run; none of it is undone for that."""
    if not in_run():
        return
    try:
        create_markdown_artifact(
            promoted_text(done),
            key=artifact_key("modelkit-promotion-all", kits),
            description=f"Promotion of {kits}",
            _sync=True,  # type: ignore[call-arg]
        )
    except Exception as error:
        run_logger().warning("%s", f"what was promoted was not published: {type(error).__name__}")
