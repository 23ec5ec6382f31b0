"""One reference over the variants of a model, which are the partitions of an asset, as an asset of its own."""

# Dagster reads the annotations of contexts and inputs when a function is decorated, so they are not postponed here.

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import dagster as dg

import kitops_core as kitops
from dagster_kitops.checks import Asset, asset_key, group_of
from dagster_kitops.external import KITOPS_KEY
from dagster_kitops.hints import hints_logged
from dagster_kitops.kit_ref import ModelKitRef
from dagster_kitops.metadata import index_metadata
from dagster_kitops.options import check_asset
from dagster_kitops.promotion import run_source
from dagster_kitops.resources import KitOpsResource
from dagster_kitops.variants import unpaired
from kitops_core import InvalidInputError, parse_reference
from kitops_core.orchestrate.names import tag_of


def modelkit_index_asset(
    variants: Asset,
    labels: Mapping[str, Mapping[str, Any]],
    *,
    tag: str = "all",
    key: dg.AssetKey | Sequence[str] | None = None,
    signer: str = "",
    kitops_key: str = KITOPS_KEY,
    **options: Any,
) -> dg.AssetsDefinition:
    """An asset for the index of an asset's partitions: one reference, from which a server takes the variant that fits.

    Materializing it makes the index beside the kits, in their repository. It names each by the digest that its
    partition has. Its data version is the index's digest: the same kits with the same labels give the same one. Take
    it where an index is taken: as the candidate of :func:`~dagster_kitops.promotion_asset`, or by its reference with
    a label. No input can be it, for an input is one kit.

    Args:
        variants: The asset whose partitions are the variants.
        labels: What each is chosen by, by partition: any JSON values by name.
        tag: The index's tag. No partition may have it.
        key: The asset's key; by default the variants' and the tag.
        signer: The private key that signs the index, and so its kits: a file or ``env://NAME``.
        kitops_key: The resource key of the KitOpsResource.
        **options: What else :func:`dagster.asset` takes: ``automation_condition``, ``owners``, ``group_name`` ...
    """
    upstream = asset_key(variants)

    as_asset: Any = dg.asset(
        key=dg.AssetKey([*upstream.path, tag]) if key is None else key,
        ins={"kits": dg.AssetIn(key=upstream)},
        required_resource_keys={kitops_key},
        kinds={"kitops", *options.pop("kinds", ())},
        description=options.pop("description", f"The variants of {upstream.to_user_string()} under one reference."),
        **{**group_of(variants), **options},
    )

    def index(context: dg.AssetExecutionContext, kits: dict[str, ModelKitRef]) -> dg.MaterializeResult[Any]:
        resource: KitOpsResource = getattr(context.resources, kitops_key)
        name = _repository(upstream, kits, labels)
        if tag in map(tag_of, kits):
            raise InvalidInputError(f"'{tag}' is the tag of a partition", hint="give the index another: tag=...")
        given = [kitops.Variant(f"{name}:{tag_of(one)}@{kit.digest}", labels[one]) for one, kit in kits.items()]
        with hints_logged(context.log), resource.client(run_source(context, resource), signer) as client:
            record = client.index_kits(f"{name}:{tag}", given, push=resource.remote)
        context.log.info(f"{record.reference} is {record.digest}" + ("" if record.changed else ", as before"))
        return dg.MaterializeResult(
            data_version=dg.DataVersion(record.digest), metadata=index_metadata(record, resource.browse_url)
        )

    made: dg.AssetsDefinition = as_asset(index)
    return check_asset(made)


def _repository(upstream: dg.AssetKey, kits: Mapping[str, ModelKitRef], labels: Mapping[str, Any]) -> str:
    """The repository that all kits are in.

    Raises:
        InvalidInputError: Kits and labels are not of the same partitions, or kits are in several repositories.
    """
    if problems := unpaired(kits, labels):
        raise InvalidInputError(
            f"the partitions of {upstream.to_user_string()}: {', '.join(problems)}",
            hint="give modelkit_index_asset labels for each partition, and materialize those that have no kit",
        )
    names = {str(replace(parse_reference(kit.reference), tag="", digest="")) for kit in kits.values()}
    if len(names) != 1:
        raise InvalidInputError(
            f"the kits of {upstream.to_user_string()} are in {len(names)} repositories: {', '.join(sorted(names))}",
            hint="an index names kits of its own repository: pack all of them into one",
        )
    return names.pop()
