"""A job that signs the kit of an asset: the partner of :func:`~dagster_kitops.checks.signature_check`."""

# Dagster reads the annotations of contexts when a function is decorated, so they are not postponed here.

import dagster as dg

from dagster_kitops.checks import Asset, asset_key
from dagster_kitops.external import KITOPS_KEY
from dagster_kitops.hints import hints_logged
from dagster_kitops.promotion import run_source
from dagster_kitops.resources import KitOpsResource
from dagster_kitops.versioning import latest_kit


def signing_job(asset: Asset, *, name: str = "", signer: str = "", kitops_key: str = KITOPS_KEY) -> dg.JobDefinition:
    """A job that signs the kit that an asset has, by the digest that Dagster recorded.

    What an IO manager with a signer packed is signed already: this is for kits that others packed.

    Args:
        asset: The asset.
        name: The job's name; by default it names the asset.
        signer: The private key: a file or ``env://NAME``; by default the resource's.
        kitops_key: The resource key of the KitOpsResource.
    """
    key = asset_key(asset)
    title = name or f"sign_{key.to_python_identifier()}"

    @dg.op(name=f"{title}_op", required_resource_keys={kitops_key})
    def sign(context: dg.OpExecutionContext) -> None:
        kit = latest_kit(context.instance, key)
        if kit is None:
            raise dg.Failure(f"{key.to_user_string()} has no kit to sign", allow_retries=False)
        resource: KitOpsResource = getattr(context.resources, kitops_key)
        with hints_logged(context.log), resource.client(run_source(context, resource), signer) as client:
            client.sign(kit.pinned, where=resource.where(kit.pinned))
        context.log.info(f"signed {kit.pinned}")

    @dg.job(name=title, description=f"Signs the kit that {key.to_user_string()} has.")
    def job() -> None:
        sign()

    return job
