"""One job that promotes all kits of a policy: what waits in every channel's upstream goes as far as gates let it."""

# Dagster reads the annotations of contexts when a function is decorated, so they are not postponed here.

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import dagster as dg

import kitops_core as kitops
from dagster_kitops.checks import Asset, asset_key
from dagster_kitops.external import KITOPS_KEY
from dagster_kitops.gates import promotion_metadata
from dagster_kitops.hints import hints_logged
from dagster_kitops.promotion import channels_of, run_source
from dagster_kitops.resources import KitOpsResource
from dagster_kitops.versioning import input_versions
from kitops_core import ChannelOutcome, parse_reference
from kitops_core.orchestrate.promoted import outcome_text, promoted_metadata, promoted_wrong


def promote_all_job(
    policy: str | Path = "promotion.yaml",
    *,
    to: Sequence[str] = (),
    candidates: Mapping[str, Asset] | None = None,
    skip_refused: bool = False,
    name: str = "promote_all",
    signer: str = "",
    kitops_key: str = KITOPS_KEY,
) -> dg.JobDefinition:
    """A job that promotes into every channel of every kit of a policy what its upstream has, upstreams first.

    What a gate refuses, or what fails, holds up nothing else; the run fails in the end and lists it. Each channel that
    moved is reported as its asset, whose data version is the digest: the candidate's key and the channel, as
    :func:`~dagster_kitops.promotion_assets` names them. A channel that stayed is not reported.

    Args:
        policy: The promotion policy's file, with one kit or with ``kits``.
        to: Only these channels; by default all.
        candidates: The assets that pack kits, by the kit's repository as the policy has it; by default the asset that
            the IO manager would have packed there.
        skip_refused: What a gate refuses is no failure: for a schedule that waits until kits have soaked or were
            approved.
        name: The job's name.
        signer: The private key that signs the records: a file or ``env://NAME``.
        kitops_key: The resource key of the KitOpsResource.

    Raises:
        PolicyError: The policy cannot be used.
        NotFoundError: There is no such file or channel.
    """
    path = Path(policy).absolute()
    channels_of(path, to)
    known = {kit: asset_key(asset) for kit, asset in (candidates or {}).items()}

    @dg.op(name=f"{name}_op", out=dg.Out(dg.Nothing), required_resource_keys={kitops_key})
    def promote_all(context: dg.OpExecutionContext) -> Iterator[dg.AssetMaterialization | dg.Output[None]]:
        resource: KitOpsResource = getattr(context.resources, kitops_key)
        with hints_logged(context.log), resource.client(run_source(context, resource), signer) as client:
            done = client.promote_all(path, to=to)
        upstream = channels_of(path)
        for one in done.outcomes:
            if one.outcome == "promoted" and one.promotion is not None:
                root = known.get(one.kit) or _candidate_of(one.kit, resource)
                yield _moved(context, root, upstream[one.channel], one.promotion)
            elif one.outcome in ("refused", "failed"):
                context.log.warning(outcome_text(one))
        found = promoted_metadata(done)
        context.log.info(", ".join(f"{count} {outcome}" for outcome, count in found["counts"].items()))
        if wrong := promoted_wrong(found, refused_too=not skip_refused):
            failed, refused = done.having("failed"), () if skip_refused else done.having("refused")
            outcomes = _table([*failed, *refused])
            raise dg.Failure(wrong, metadata={"kitops/outcomes": outcomes}, allow_retries=bool(failed))
        yield dg.Output(None, metadata={"kitops/outcomes": found["counts"]})

    @dg.job(name=name, description="Promotes all kits of a policy, as far as gates let them.")
    def job() -> None:
        promote_all()

    return job


def _moved(
    context: dg.OpExecutionContext, root: dg.AssetKey, upstream: str, promotion: kitops.Promotion
) -> dg.AssetMaterialization:
    key = dg.AssetKey([*root.path, promotion.channel])
    version = {"dagster/data_version": promotion.digest, "dagster/data_version_is_user_provided": "true"}
    sources = [dg.AssetKey([*root.path, upstream]), root]  # a channel that kits are pushed to may be no asset
    made_from = input_versions(context.instance, key, sources, promotion.digest)
    return dg.AssetMaterialization(asset_key=key, metadata=promotion_metadata(promotion), tags={**version, **made_from})


def _candidate_of(kit: str, resource: KitOpsResource) -> dg.AssetKey:
    """The key of the asset that the IO manager packs into a repository."""
    namespace = f"{resource.registry.rstrip('/')}/"
    path = kit.removeprefix(namespace) if kit.startswith(namespace) else parse_reference(kit).repository
    return dg.AssetKey(path.split("/"))


def _table(outcomes: Sequence[ChannelOutcome]) -> dg.TableMetadataValue:
    columns = ("kit", "channel", "outcome", "reason")
    return dg.MetadataValue.table(
        [dg.TableRecord({column: str(getattr(one, column)) for column in columns}) for one in outcomes],
        schema=dg.TableSchema([dg.TableColumn(column) for column in columns]),
    )
