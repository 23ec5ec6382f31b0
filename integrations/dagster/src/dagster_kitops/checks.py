"""Asset checks that look at kits by their digests, and say which digests they looked at.

They look at what their run made, or at the partitions that it is for: see :mod:`dagster_kitops.checked`.

They are blocking: what is downstream does not start in the same run, ``promote_when_verified()`` waits, and a
promotion asset asks for their word on the very digest that it promotes.
"""

# Dagster reads the annotations of contexts when a function is decorated, so they are not postponed here.

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg

from dagster_kitops.checked import kits_of_check
from dagster_kitops.external import KITOPS_KEY
from dagster_kitops.gates import gate_table
from dagster_kitops.hints import hints_logged
from dagster_kitops.identity import VERDICTS_KEY, identity
from dagster_kitops.naming import identifier_of
from dagster_kitops.options import check_asset
from dagster_kitops.resources import KitOpsResource
from dagster_kitops.versioning import RecordedKit
from kitops_core import IntegrityError, InvalidInputError, NotFoundError

Asset = dg.AssetsDefinition | dg.AssetSpec | dg.AssetKey | str
_NAMED = 5
"""How many of the kits that failed a check's sentence names; its table has all."""

Look = Callable[[KitOpsResource, RecordedKit], tuple[bool, str, Mapping[str, Any]]]


def asset_key(asset: Asset) -> dg.AssetKey:
    """The key of what stands for an asset; in a text, ``/`` parts the key.

    Raises:
        InvalidInputError: The asset itself is given, and its ``kitops/`` metadata cannot be used.
    """
    if isinstance(asset, dg.AssetKey):
        return asset
    return dg.AssetKey.from_user_string(asset) if isinstance(asset, str) else check_asset(asset).key


def group_of(asset: Asset) -> dict[str, str]:
    """The group of an asset as an option of another that is to stand beside it; none where only a key is given."""
    if isinstance(asset, dg.AssetsDefinition):
        return {"group_name": asset.group_names_by_key[asset.key]}
    return {"group_name": asset.group_name} if isinstance(asset, dg.AssetSpec) and asset.group_name else {}


def key_file(key: str | Path, directory: Path) -> str | Path:
    """A key as an absolute path where it is a file, relative to a directory; any other stays as it is."""
    text = str(key)
    if not text or text.startswith(("-----BEGIN", "env://")):  # a text may be longer than a path can be
        return key
    return directory / text if (directory / text).is_file() else key


def signature_check(
    asset: Asset,
    keys: Sequence[str | Path],
    *,
    name: str = "signature",
    partitions_def: dg.PartitionsDefinition[Any] | None = None,
    kitops_key: str = KITOPS_KEY,
) -> dg.AssetChecksDefinition:
    """A check that one of the keys signed the kit.

    Args:
        asset: The asset.
        keys: Public keys: files, ``env://NAME`` or PEM text.
        name: The check's name.
        partitions_def: The asset's partitions, where Dagster is to keep a result for each; needs a Dagster that has it.
            Without it the check looks at the partitions of its run all the same.
        kitops_key: The resource key of the KitOpsResource.
    """
    given = [key_file(key, Path.cwd()) for key in keys]

    def look(resource: KitOpsResource, kit: RecordedKit) -> tuple[bool, str, Mapping[str, Any]]:
        try:
            with resource.client() as client:
                verified = client.verify(kit.pinned, keys=given)
        except IntegrityError as error:
            return False, error.message, {}
        return True, f"signed by {', '.join(verified.signers)}", {}

    return _check(asset, name, "One of the keys signed this kit.", look, kitops_key, partitions_def)


def digest_check(
    asset: Asset,
    *,
    name: str = "digest",
    partitions_def: dg.PartitionsDefinition[Any] | None = None,
    kitops_key: str = KITOPS_KEY,
) -> dg.AssetChecksDefinition:
    """A check that the kit is where it was put: the registry has the digest, and the tag still means it.

    Args:
        asset: The asset.
        name: The check's name.
        partitions_def: The asset's partitions, where Dagster is to keep a result for each; needs a Dagster that has it.
            Without it the check looks at the partitions of its run all the same.
        kitops_key: The resource key of the KitOpsResource.
    """

    def look(resource: KitOpsResource, kit: RecordedKit) -> tuple[bool, str, Mapping[str, Any]]:
        try:
            resource.resolve(kit.pinned)
            found = resource.resolve(kit.reference)
        except NotFoundError as error:
            return False, error.message, {}
        if found != kit.digest:
            return False, f"{kit.reference} was moved to {found}", {"kitops/found": found}
        return True, f"{kit.reference} is {kit.digest}", {}

    return _check(
        asset, name, "The kit is in the registry, and its tag still means it.", look, kitops_key, partitions_def
    )


def policy_check(
    asset: Asset,
    to: str,
    *,
    policy: str | Path = "promotion.yaml",
    name: str = "",
    partitions_def: dg.PartitionsDefinition[Any] | None = None,
    kitops_key: str = KITOPS_KEY,
) -> dg.AssetChecksDefinition:
    """A check that a channel's gates would let the kit in now. Nothing is promoted.

    Args:
        asset: The asset.
        to: The channel.
        policy: The promotion policy's file.
        name: The check's name; by default it names the channel.
        partitions_def: The asset's partitions, where Dagster is to keep a result for each; needs a Dagster that has it.
            Without it the check looks at the partitions of its run all the same.
        kitops_key: The resource key of the KitOpsResource.
    """
    path = Path(policy).absolute()

    def look(resource: KitOpsResource, kit: RecordedKit) -> tuple[bool, str, Mapping[str, Any]]:
        with resource.client() as client:
            planned = client.promote(kit.pinned, to, policy=path, dry_run=True)
        refused = [f"{gate.name} ({gate.detail})" if gate.detail else gate.name for gate in planned.refused]
        said = f"{to} refuses it: {'; '.join(refused)}" if refused else f"{to} lets it in"
        return not refused, said, {"kitops/gates": gate_table(planned.gates)}

    title = name or f"ready_for_{identifier_of(to)}"
    return _check(asset, title, f"The gates of channel {to} let this kit in.", look, kitops_key, partitions_def)


def _check(
    asset: Asset,
    name: str,
    description: str,
    look: Look,
    kitops_key: str,
    partitions_def: dg.PartitionsDefinition[Any] | None,
) -> dg.AssetChecksDefinition:
    options: dict[str, Any] = {} if partitions_def is None else {"partitions_def": partitions_def}
    if options and "partitions_def" not in inspect.signature(dg.asset_check).parameters:
        raise InvalidInputError(
            f"Dagster {dg.__version__} has no checks with partitions",
            hint="leave partitions_def out: the check looks at the partitions of its run all the same",
        )

    @dg.asset_check(
        asset=asset_key(asset),
        name=name,
        description=description,
        blocking=True,
        required_resource_keys={kitops_key},
        **options,
    )
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        (key,) = context.selected_asset_check_keys
        with hints_logged(context.log):
            try:
                kits = kits_of_check(context, key.asset_key)
            except NotFoundError as error:
                return dg.AssetCheckResult(passed=False, description=error.message)
            verdicts = [
                _verdict(look, getattr(context.resources, kitops_key), partition, kit)
                for partition, kit in kits.items()
            ]
        return _result(verdicts)

    return check


class _Verdict(NamedTuple):
    """What was found of one kit.

    Attributes:
        partition: Its partition, or ``None``.
        kit: The kit, or ``None`` where there is none.
        passed: Whether it passed.
        said: What was found.
        metadata: What Dagster's pages show besides.
    """

    partition: str | None
    kit: RecordedKit | None
    passed: bool
    said: str
    metadata: Mapping[str, Any]


def _verdict(look: Look, resource: KitOpsResource, partition: str | None, kit: RecordedKit | None) -> _Verdict:
    if kit is None:
        return _Verdict(partition, None, False, "no kit is recorded", {})
    if not kit.reference:
        return _Verdict(partition, None, False, "its materialization names no reference", {})
    passed, said, more = look(resource, kit)
    return _Verdict(partition, kit, passed, said, {**identity(kit.reference, kit.digest), **more})


def _result(verdicts: Sequence[_Verdict]) -> dg.AssetCheckResult:
    """One result for all kits: it fails if one does."""
    passed = all(verdict.passed for verdict in verdicts)
    if len(verdicts) == 1:
        (only,) = verdicts
        said = only.said if only.partition is None else f"{only.partition}: {only.said}"
        return dg.AssetCheckResult(passed=passed, description=said, metadata=only.metadata)
    failed = [verdict for verdict in verdicts if not verdict.passed]
    said = "; ".join(f"{verdict.partition}: {verdict.said}" for verdict in failed[:_NAMED])
    more = f"; and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
    by_digest: dict[str, bool] = {}
    for verdict in verdicts:
        if verdict.kit is not None:  # two partitions may have one kit, under two tags
            by_digest[verdict.kit.digest] = verdict.passed and by_digest.get(verdict.kit.digest, True)
    rows: list[dict[str, str | bool]] = [
        {
            "partition": str(each.partition),
            "passed": each.passed,
            "found": each.said,
            "kit": each.kit.digest if each.kit is not None else "",
        }
        for each in verdicts
    ]
    columns = {"partition": "string", "passed": "bool", "found": "string", "kit": "string"}
    table = dg.MetadataValue.table(
        [dg.TableRecord(row) for row in rows],
        schema=dg.TableSchema([dg.TableColumn(name, type_) for name, type_ in columns.items()]),
    )
    return dg.AssetCheckResult(
        passed=passed,
        description=said + more if failed else f"all {len(verdicts)} kits passed",
        metadata={"kitops/kits": table, VERDICTS_KEY: dg.MetadataValue.json(by_digest)},
    )
