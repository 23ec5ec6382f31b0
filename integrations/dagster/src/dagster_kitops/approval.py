"""A job with which a person approves a kit for a channel, from Dagster's launchpad."""

# Dagster reads the annotations of a Config and of contexts when they are made, so they are not postponed here.

from pathlib import Path

import dagster as dg
from pydantic import Field

from dagster_kitops.checks import Asset, asset_key
from dagster_kitops.external import KITOPS_KEY
from dagster_kitops.hints import hints_logged
from dagster_kitops.naming import identifier_of
from dagster_kitops.promotion import run_source
from dagster_kitops.resources import KitOpsResource
from dagster_kitops.versioning import latest_kit
from kitops_core import InvalidInputError, NotFoundError, is_digest, parse_reference


class ApprovalConfig(dg.Config):
    """What a person says when they approve."""

    digest: str = Field(default="", description="The kit they looked at; by default the candidate that waits.")
    note: str = Field(default="", description="Why, for the approval.")


def approval_job(
    candidate: Asset,
    to: str,
    *,
    policy: str | Path = "promotion.yaml",
    name: str = "",
    signer: str = "",
    kitops_key: str = KITOPS_KEY,
) -> dg.JobDefinition:
    """A job that approves the kit of an asset for a channel: it attaches a statement of that, which a key signs.

    Whoever may launch the job approves with that key. Where several people are to approve, each has a job of their
    own, with a key and a resource of their own.

    Args:
        candidate: The asset whose kit is promoted: what packs it, or the asset of the channel upstream.
        to: The channel.
        policy: The promotion policy's file.
        name: The job's name; by default it names the asset and the channel.
        signer: The approver's private key, a file or ``env://NAME``; by default the resource's ``signer``.
        kitops_key: The resource key of the KitOpsResource.
    """
    upstream = asset_key(candidate)
    path = Path(policy).absolute()
    title = name or f"approve_{upstream.to_python_identifier()}_for_{identifier_of(to)}"

    @dg.op(name=f"{title}_op", required_resource_keys={kitops_key})
    def approve(context: dg.OpExecutionContext, config: ApprovalConfig) -> None:
        resource: KitOpsResource = getattr(context.resources, kitops_key)
        with hints_logged(context.log), resource.client(run_source(context, resource), signer) as client:
            kit = latest_kit(context.instance, upstream)
            if kit is None or not kit.reference:
                raise NotFoundError(
                    f"{upstream.to_user_string()} has no kit to approve", hint="materialize it, then approve"
                )
            if config.digest and not is_digest(config.digest):
                raise InvalidInputError(f"'{config.digest}' is not a digest", hint="write sha256:<64 hex>")
            pinned = str(parse_reference(kit.reference).with_digest(config.digest or kit.digest))
            client.approve(pinned, to, policy=path, note=config.note)
            context.log.info(f"approved {pinned} for {to}")

    @dg.job(name=title, description=f"Approves the kit that {upstream.to_user_string()} has for channel {to}.")
    def job() -> None:
        approve()

    return job
