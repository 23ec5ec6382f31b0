"""A job that signs the kit of an asset: the partner of :func:`~dagster_kitops.checks.signature_check`."""

# Dagster reads the annotations of contexts when a function is decorated, so they are not postponed here.

import dagster as dg

from dagster_kitops.checked import latest_kits
from dagster_kitops.checks import Asset, asset_key
from dagster_kitops.external import KITOPS_KEY
from dagster_kitops.hints import hints_logged
from dagster_kitops.promotion import run_source
from dagster_kitops.resources import KitOpsResource
from dagster_kitops.versioning import partitions_of


def signing_job(asset: Asset, *, name: str = "", signer: str = "", kitops_key: str = KITOPS_KEY) -> dg.JobDefinition:
    """A job that signs the kit that an asset has, of each partition where it has some, by the digest Dagster recorded.

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
        resource: KitOpsResource = getattr(context.resources, kitops_key)
        with hints_logged(context.log), resource.client(run_source(context, resource), signer) as client:
            partitions = partitions_of(context.get_step_execution_context(), key)
            kits = latest_kits(context.instance, key, partitions).values()
            for pinned in dict.fromkeys(kit.pinned for kit in kits if kit is not None and kit.reference):
                client.sign(pinned, where=resource.where(pinned))
                context.log.info(f"signed {pinned}")

    @dg.job(name=title, description=f"Signs the kit that {key.to_user_string()} has.")
    def job() -> None:
        sign()

    return job
