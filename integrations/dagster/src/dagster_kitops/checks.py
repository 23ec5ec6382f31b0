"""Asset checks that look at a kit by its digest, and say which digest they looked at.

They are blocking: what is downstream does not start in the same run, ``promote_when_verified()`` waits, and a
promotion asset asks for their word on the very digest that it promotes.
"""

# Dagster reads the annotations of contexts when a function is decorated, so they are not postponed here.

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from dagster_kitops.external import KITOPS_KEY
from dagster_kitops.gates import gate_table
from dagster_kitops.hints import hints_logged
from dagster_kitops.identity import identity
from dagster_kitops.resources import KitOpsResource
from dagster_kitops.versioning import RecordedKit, latest_kit
from kitops_core import IntegrityError, NotFoundError

Asset = dg.AssetsDefinition | dg.AssetSpec | dg.AssetKey | str
Look = Callable[[KitOpsResource, RecordedKit], tuple[bool, str, Mapping[str, Any]]]


def asset_key(asset: Asset) -> dg.AssetKey:
    """The key of what stands for an asset; in a text, ``/`` parts the key."""
    if isinstance(asset, dg.AssetKey):
        return asset
    return dg.AssetKey.from_user_string(asset) if isinstance(asset, str) else asset.key


def key_file(key: str | Path, directory: Path) -> str | Path:
    """A key as an absolute path where it is a file, relative to a directory; any other stays as it is."""
    text = str(key)
    if not text or text.startswith(("-----BEGIN", "env://")):  # a text may be longer than a path can be
        return key
    return directory / text if (directory / text).is_file() else key


def signature_check(
    asset: Asset, keys: Sequence[str | Path], *, name: str = "signature", kitops_key: str = KITOPS_KEY
) -> dg.AssetChecksDefinition:
    """A check that one of the keys signed the kit.

    Args:
        asset: The asset.
        keys: Public keys: files, ``env://NAME`` or PEM text.
        name: The check's name.
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

    return _check(asset, name, "One of the keys signed this kit.", look, kitops_key)


def digest_check(asset: Asset, *, name: str = "digest", kitops_key: str = KITOPS_KEY) -> dg.AssetChecksDefinition:
    """A check that the kit is where it was put: the registry has the digest, and the tag still means it.

    Args:
        asset: The asset.
        name: The check's name.
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

    return _check(asset, name, "The kit is in the registry, and its tag still means it.", look, kitops_key)


def policy_check(
    asset: Asset,
    to: str,
    *,
    policy: str | Path = "promotion.yaml",
    name: str = "",
    kitops_key: str = KITOPS_KEY,
) -> dg.AssetChecksDefinition:
    """A check that a channel's gates would let the kit in now. Nothing is promoted.

    Args:
        asset: The asset.
        to: The channel.
        policy: The promotion policy's file.
        name: The check's name; by default it names the channel.
        kitops_key: The resource key of the KitOpsResource.
    """
    path = Path(policy).absolute()

    def look(resource: KitOpsResource, kit: RecordedKit) -> tuple[bool, str, Mapping[str, Any]]:
        with resource.client() as client:
            planned = client.promote(kit.pinned, to, policy=path, dry_run=True)
        refused = [f"{gate.name} ({gate.detail})" if gate.detail else gate.name for gate in planned.refused]
        said = f"{to} refuses it: {'; '.join(refused)}" if refused else f"{to} lets it in"
        return not refused, said, {"kitops/gates": gate_table(planned.gates)}

    title = name or "ready_for_" + "".join(c if c.isalnum() else "_" for c in to)
    return _check(asset, title, f"The gates of channel {to} let this kit in.", look, kitops_key)


def _check(asset: Asset, name: str, description: str, look: Look, kitops_key: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=asset_key(asset),
        name=name,
        description=description,
        blocking=True,
        required_resource_keys={kitops_key},
    )
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        (key,) = context.selected_asset_check_keys
        kit = latest_kit(context.instance, key.asset_key)
        if kit is None:
            return dg.AssetCheckResult(passed=False, description="the asset has no kit yet")
        with hints_logged(context.log):
            passed, said, more = look(getattr(context.resources, kitops_key), kit)
        metadata = {**identity(kit.reference, kit.digest), **more}
        return dg.AssetCheckResult(passed=passed, description=said, metadata=metadata)

    return check
