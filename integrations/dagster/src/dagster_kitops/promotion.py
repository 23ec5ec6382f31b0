"""A channel as an asset: materializing it promotes, and while it is stale a candidate waits."""

# Dagster reads the annotations of a Config and of contexts when they are made, so they are not postponed here.

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

import kitops_core as kitops
from dagster_kitops.checks import Asset, asset_key, group_of
from dagster_kitops.external import KITOPS_KEY
from dagster_kitops.gates import gate_table, promotion_metadata
from dagster_kitops.hints import hints_logged
from dagster_kitops.naming import identifier_of
from dagster_kitops.options import check_asset
from dagster_kitops.resources import KitOpsResource
from dagster_kitops.versioning import RecordedKit, check_of_digest, dependency_kit, input_versions
from kitops_core import GateRefusedError, LostRaceError, Source, is_digest

SKIP_TAG = "kitops/skip_refused"
"""The tag of runs in which a channel whose candidate is refused is left out, with the reason, and nothing fails."""


class PromotionConfig(dg.Config):
    """What a person may say when they promote by hand."""

    digest: str = Field(default="", description="The kit to promote; by default the candidate that waits.")
    note: str = Field(default="", description="Why, for the promotion's record.")


class RollbackConfig(dg.Config):
    """What a person may say when they roll back."""

    digest: str = Field(default="", description="The kit to go back to; by default the one before the present.")
    note: str = Field(default="", description="Why, for the promotion's record.")


def promotion_asset(
    candidate: Asset,
    to: str,
    *,
    policy: str | Path = "promotion.yaml",
    key: dg.AssetKey | Sequence[str] | None = None,
    checks: Sequence[dg.AssetChecksDefinition] = (),
    signer: str = "",
    io_manager_key: str = "modelkit",
    kitops_key: str = KITOPS_KEY,
    **options: Any,
) -> dg.AssetsDefinition:
    """An asset for what a channel has. Materializing it promotes the candidate's kit, by digest, through the gates.

    Its data version is the digest that the channel has, so it is stale as long as a candidate waits, and fresh when
    the candidate is in. Its materializations are the channel's history. Of its key Dagster's graph shows the last part,
    the channel, so by default it stands in the candidate's group.

    Args:
        candidate: The asset whose kit is promoted: what packs it, or the asset of the channel upstream.
        to: The channel.
        policy: The promotion policy's file.
        key: The asset's key; by default the candidate's and the channel.
        checks: Checks that must have passed on the very digest that is promoted. The gates are asked in any case.
        signer: The private key that signs the promotion's record: a file or ``env://NAME``.
        io_manager_key: The IO manager that hands the channel's kit to assets downstream.
        kitops_key: The resource key of the KitOpsResource.
        **options: What else :func:`dagster.asset` takes: ``automation_condition``, ``owners``, ``group_name`` ...
    """
    upstream = asset_key(candidate)
    needed = [key for definition in checks for key in definition.check_keys]
    path = Path(policy).absolute()

    as_asset: Any = dg.asset(
        key=dg.AssetKey([*upstream.path, to]) if key is None else key,
        deps=[upstream],
        io_manager_key=io_manager_key,
        required_resource_keys={kitops_key},
        kinds={"kitops", *options.pop("kinds", ())},
        metadata={**options.pop("metadata", {}), "kitops/channel": to},
        output_required=False,
        description=options.pop("description", f"The kit of {upstream.to_user_string()} that channel {to} has."),
        **{**group_of(candidate), **options},
    )

    def channel(context: dg.AssetExecutionContext, config: PromotionConfig) -> Iterator[dg.MaterializeResult[Any]]:
        try:
            done = promoted(context, config)
        except dg.Failure as refused:
            if SKIP_TAG not in context.run.tags:
                raise
            context.log.warning(f"{to} waits: {refused.description}")
            return
        context.log.info(f"{done.channel} has {done.digest}" + ("" if done.changed else ", as before"))
        yield dg.MaterializeResult(data_version=dg.DataVersion(done.digest), metadata=promotion_metadata(done))

    def promoted(context: dg.AssetExecutionContext, config: PromotionConfig) -> kitops.Promotion:
        kit = _candidate(context, upstream, config.digest)
        if problem := unchecked(context.instance, needed, kit):
            raise dg.Failure(problem, allow_retries=False)
        resource: KitOpsResource = getattr(context.resources, kitops_key)
        try:
            with hints_logged(context.log), resource.client(run_source(context, resource), signer) as client:
                return client.promote(kit.pinned, to, policy=path, note=config.note)
        except GateRefusedError as error:
            gates = {"kitops/gates": gate_table(error.promotion.gates)} if error.promotion else {}
            raise dg.Failure(error.message, metadata=gates, allow_retries=False) from error
        except LostRaceError as error:
            raise dg.Failure(error.message, allow_retries=False) from error

    made: dg.AssetsDefinition = as_asset(channel)
    return check_asset(made)


def promotion_assets(
    candidate: Asset, policy: str | Path = "promotion.yaml", *, to: Sequence[str] = (), **options: Any
) -> list[dg.AssetsDefinition]:
    """An asset for each channel of a policy, each downstream of the channel that its kits come from.

    Args:
        candidate: The asset that packs the kit.
        policy: The promotion policy's file.
        to: Only these channels; by default all.
        **options: As for :func:`promotion_asset`.

    Raises:
        PolicyError: The policy cannot be used.
        NotFoundError: There is no such file or channel.
    """
    made: dict[str, dg.AssetsDefinition] = {}
    root = asset_key(candidate)
    for name, before in channels_of(policy, to).items():
        upstream = made.get(before)
        made[name] = promotion_asset(
            candidate if upstream is None else upstream,
            name,
            policy=policy,
            key=[*root.path, name],
            **{**options, "checks": options.get("checks", ()) if upstream is None else ()},
        )
    return list(made.values())


def channels_of(policy: str | Path, to: Sequence[str] = ()) -> dict[str, str]:
    """The channels of a policy, or those named, each with the channel that its kits come from; in the policy's order.

    Raises:
        PolicyError: The policy cannot be used.
        NotFoundError: There is no such file or channel.
    """
    loaded = kitops.load_policy(Path(policy).absolute())
    wanted = {name: loaded.channel(name) for name in to or loaded.channels}
    return {name: wanted[name].from_ or "" for name in loaded.channels if name in wanted}


def rollback_job(
    channel: Asset,
    to: str,
    *,
    policy: str | Path = "promotion.yaml",
    name: str = "",
    signer: str = "",
    kitops_key: str = KITOPS_KEY,
) -> dg.JobDefinition:
    """A job that gives a channel the kit again that it had before, or the one whose digest it is told.

    What a promotion's asset shows and what is downstream follow: the job reports the channel's asset, which is stale
    from then on, for the candidate that was rolled back waits again.

    Args:
        channel: The channel's asset.
        to: The channel.
        policy: The promotion policy's file.
        name: The job's name; by default it names the channel, which is enough where only one kit has such a channel.
        signer: The private key that signs the record: a file or ``env://NAME``.
        kitops_key: The resource key of the KitOpsResource.
    """
    target = asset_key(channel)
    specs = list(channel.specs) if isinstance(channel, dg.AssetsDefinition) else []
    upstream = [dep.asset_key for spec in specs if spec.key == target for dep in spec.deps]
    path = Path(policy).absolute()
    title = identifier_of(to)

    @dg.op(name=f"{name}_op" if name else f"roll_back_{title}", required_resource_keys={kitops_key})
    def roll_back(context: dg.OpExecutionContext, config: RollbackConfig) -> None:
        resource: KitOpsResource = getattr(context.resources, kitops_key)
        with hints_logged(context.log), resource.client(run_source(context, resource), signer) as client:
            done = client.rollback(to, to=config.digest, policy=path, note=config.note)
        version = {"dagster/data_version": done.digest, "dagster/data_version_is_user_provided": "true"}
        made_from = input_versions(context.instance, target, upstream, done.digest)
        context.log_event(
            dg.AssetMaterialization(asset_key=target, metadata=promotion_metadata(done), tags={**version, **made_from})
        )

    @dg.job(
        name=name or f"rollback_{title}",
        tags={"kitops/rollback": title},
        description=f"Gives channel {to} the kit again that it had before, or the one whose digest it is told.",
    )
    def job() -> None:
        roll_back()

    return job


def _candidate(context: dg.AssetExecutionContext, upstream: dg.AssetKey, digest: str) -> RecordedKit:
    kit = dependency_kit(context, upstream)
    if kit is None or not kit.reference:
        raise dg.Failure(f"{upstream.to_user_string()} has no kit to promote: materialize it", allow_retries=False)
    if digest and not is_digest(digest):
        raise dg.Failure(f"'{digest}' is not a digest", allow_retries=False)
    return RecordedKit(kit.reference, digest) if digest else kit


def unchecked(instance: dg.DagsterInstance, needed: Sequence[dg.AssetCheckKey], kit: RecordedKit) -> str:
    """What the checks have against this digest, or that they never looked at it; empty where all have passed.

    They are asked again, since a run of a channel alone does not run them, and they may be about another digest.
    """
    said = {key: check_of_digest(instance, key, kit.digest) for key in needed}
    return "; ".join(
        f"check '{key.name}' {'has not looked at' if passed is None else 'failed on'} {kit.digest}"
        for key, passed in said.items()
        if not passed
    )


def run_source(context: dg.AssetExecutionContext | dg.OpExecutionContext, resource: KitOpsResource) -> Source:
    """The run at hand, for records and provenance."""
    pages = resource.webserver_url.rstrip("/")
    run = context.run
    return Source(
        orchestrator="dagster",
        pipeline=run.job_name,
        run=run.run_id,
        task=context.op_execution_context.op.name if isinstance(context, dg.AssetExecutionContext) else context.op.name,
        url=f"{pages}/runs/{run.run_id}" if pages else "",
    )
