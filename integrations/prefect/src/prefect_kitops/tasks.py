"""Tasks that pack, push, pull, resolve and verify kits, each with an async twin.

None of them caches: the engine skips what is unchanged by itself, asks the registry while doing so, and a run that
Prefect takes from a cache emits no asset event. :class:`~prefect_kitops.cache.ModelKitContent` is there for those who
want it all the same.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from prefect import task

from prefect_kitops import kits
from prefect_kitops.artifacts import publish_card
from prefect_kitops.assets import add_record, materializes
from prefect_kitops.connection import Kit, RegistryBlock, find_place
from prefect_kitops.events import emit_kit_event, slim
from prefect_kitops.packing import pack_and_tell
from prefect_kitops.progress import Progress
from prefect_kitops.reference import ModelKitRef
from prefect_kitops.running import TASK_OPTIONS, hints, in_thread, run_logger, run_name

if TYPE_CHECKING:
    from kitops_core.events import Cancel
    from kitops_core.kits.packed_layer import CompressionName
    from kitops_core.sources.contents import Contents


@task(name="pack-modelkit", task_run_name=run_name("pack", "reference"), **TASK_OPTIONS)
def pack_modelkit(
    source: str | os.PathLike[str] | Contents,
    reference: str,
    *,
    tags: Sequence[str] = (),
    kitfile: str | os.PathLike[str] | None = None,
    compression: CompressionName = "none",
    layer_format: Literal["tar", "raw"] = "tar",
    parents: Sequence[Kit] = (),
    upstream: Sequence[Kit] = (),
    metrics: Mapping[str, float] | None = None,
    parameters: Mapping[str, Any] | None = None,
    key: str | None = None,
    registry: RegistryBlock | str | None = None,
    card: bool = True,
) -> ModelKitRef:
    """Pack a kit straight into its registry, or into the local store where the name has no registry.

    The kit is a version of the asset ``oci://registry/repository``, with digest, tag and record in its metadata.

    Args:
        source: A directory, or contents by name.
        reference: Where to; with a ``ModelKitRepository`` a tag is enough.
        tags: Further tags.
        kitfile: A Kitfile to use instead of the directory's.
        compression: ``none``, ``gzip``, ``gzip-fastest`` or ``zstd``.
        layer_format: ``raw`` stores a single file as it is instead of in a tar.
        parents: Kits it was made from; they are upstream assets too.
        upstream: Other assets it was made from, by key (``s3://bucket/table``) or kit.
        metrics: Figures that were measured, attached as a test result for the gates of a promotion.
        parameters: What the run was given, for the provenance.
        key: The private key that signs provenance and metrics: a file, PEM text or ``env://NAME``.
        registry: The registry's block, or the name of a saved ``ModelKitRepository``.
        card: Whether to publish a card of the kit as an artifact of the run.

    Raises:
        KitOpsError: As :func:`kitops_core.pack`.
    """
    return pack_and_tell(
        source,
        reference,
        tags=tags,
        kitfile=kitfile,
        compression=compression,
        layer_format=layer_format,
        parents=parents,
        upstream=upstream,
        metrics=metrics,
        parameters=parameters,
        key=key,
        registry=registry,
        card=card,
    )


@task(name="pack-modelkit", task_run_name=run_name("pack", "reference"), **TASK_OPTIONS)
async def apack_modelkit(
    source: str | os.PathLike[str] | Contents,
    reference: str,
    *,
    tags: Sequence[str] = (),
    kitfile: str | os.PathLike[str] | None = None,
    compression: CompressionName = "none",
    layer_format: Literal["tar", "raw"] = "tar",
    parents: Sequence[Kit] = (),
    upstream: Sequence[Kit] = (),
    metrics: Mapping[str, float] | None = None,
    parameters: Mapping[str, Any] | None = None,
    key: str | None = None,
    registry: RegistryBlock | str | None = None,
    card: bool = True,
) -> ModelKitRef:
    """As :func:`pack_modelkit`, beside an event loop."""
    return await in_thread(
        lambda cancel: pack_and_tell(
            source,
            reference,
            tags=tags,
            kitfile=kitfile,
            compression=compression,
            layer_format=layer_format,
            parents=parents,
            upstream=upstream,
            metrics=metrics,
            parameters=parameters,
            key=key,
            registry=registry,
            card=card,
            cancel=cancel,
        )
    )


@task(name="push-modelkit", task_run_name=run_name("push", "kit"), **TASK_OPTIONS)
def push_modelkit(
    kit: Kit, to: str = "", *, registry: RegistryBlock | str | None = None, card: bool = True
) -> ModelKitRef:
    """Send a kit from the local store to its registry, or to ``to``.

    Args:
        kit: The kit in the local store.
        to: Where to, if it has another name there; with a ``ModelKitRepository`` a tag is enough.
        registry: The registry's block, or the name of a saved ``ModelKitRepository``.
        card: Whether to publish a card of the kit as an artifact of the run.

    Raises:
        KitOpsError: As :func:`kitops_core.push`.
    """
    return _push(kit, to, registry, card)


@task(name="push-modelkit", task_run_name=run_name("push", "kit"), **TASK_OPTIONS)
async def apush_modelkit(
    kit: Kit, to: str = "", *, registry: RegistryBlock | str | None = None, card: bool = True
) -> ModelKitRef:
    """As :func:`push_modelkit`, beside an event loop."""
    return await in_thread(lambda cancel: _push(kit, to, registry, card, cancel))


def _push(
    kit: Kit, to: str, registry: RegistryBlock | str | None, card: bool, cancel: Cancel | None = None
) -> ModelKitRef:
    with hints(), Progress(f"pushing {to or kit}") as progress:
        materializes(find_place(to or kit, registry))
        record = kits.push(kit, to, registry=registry, on_event=progress.update, cancel=cancel)
    pushed = ModelKitRef.of(record)
    add_record(pushed, record)
    emit_kit_event("pushed", pushed, slim(record))
    run_logger().info("%s", f"pushed {pushed}, {record.sent} of {pushed.size} bytes sent")
    if card:
        publish_card(pushed, registry=registry)
    return pushed


@task(name="pull-modelkit", task_run_name=run_name("pull", "kit"), **TASK_OPTIONS)
def pull_modelkit(
    kit: Kit,
    directory: str | os.PathLike[str] | None = None,
    *,
    only: Sequence[str] = (),
    overwrite: bool = False,
    verified_by: Sequence[str] = (),
    registry: RegistryBlock | str | None = None,
) -> ModelKitRef:
    """Fetch a kit: its files into ``directory``, or without one the kit into the local store.

    Args:
        kit: The kit. A tag is resolved once; the digest that was fetched is in the result.
        directory: Where its files go; nothing appears there before all of it is verified.
        only: Filters such as ``model`` or ``datasets:sample``; none means everything.
        overwrite: Replace files that are in the way.
        verified_by: Public keys, of which one must have signed it; else nothing is fetched.
        registry: The registry's block, or the name of a saved ``ModelKitRepository``.

    Raises:
        KitOpsError: As :func:`kitops_core.pull` and :func:`kitops_core.unpack`.
    """
    return _pull(kit, directory, only, overwrite, verified_by, registry)


@task(name="pull-modelkit", task_run_name=run_name("pull", "kit"), **TASK_OPTIONS)
async def apull_modelkit(
    kit: Kit,
    directory: str | os.PathLike[str] | None = None,
    *,
    only: Sequence[str] = (),
    overwrite: bool = False,
    verified_by: Sequence[str] = (),
    registry: RegistryBlock | str | None = None,
) -> ModelKitRef:
    """As :func:`pull_modelkit`, beside an event loop."""
    return await in_thread(lambda cancel: _pull(kit, directory, only, overwrite, verified_by, registry, cancel))


def _pull(
    kit: Kit,
    directory: str | os.PathLike[str] | None,
    only: Sequence[str],
    overwrite: bool,
    verified_by: Sequence[str],
    registry: RegistryBlock | str | None,
    cancel: Cancel | None = None,
) -> ModelKitRef:
    with hints(), Progress(f"pulling {kit}") as progress:
        record = kits.pull(
            kit,
            directory,
            only=only,
            overwrite=overwrite,
            verified_by=verified_by,
            registry=registry,
            on_event=progress.update,
            cancel=cancel,
        )
    pulled = ModelKitRef.of(record)
    emit_kit_event("pulled", pulled, slim(record))
    run_logger().info("%s", f"pulled {pulled}")
    return pulled


@task(name="resolve-modelkit", task_run_name=run_name("resolve", "kit"), **TASK_OPTIONS)
def resolve_modelkit(kit: Kit, *, registry: RegistryBlock | str | None = None) -> ModelKitRef:
    """Pin a kit to the digest that its tag names now.

    Args:
        kit: The kit; with a ``ModelKitRepository`` a tag or digest is enough.
        registry: The registry's block, or the name of a saved ``ModelKitRepository``.

    Raises:
        NotFoundError: There is no such kit.
        KitOpsError: As :func:`kitops_core.open`.
    """
    with hints():
        return kits.resolve(kit, registry=registry)


@task(name="resolve-modelkit", task_run_name=run_name("resolve", "kit"), **TASK_OPTIONS)
async def aresolve_modelkit(kit: Kit, *, registry: RegistryBlock | str | None = None) -> ModelKitRef:
    """As :func:`resolve_modelkit`, beside an event loop."""
    with hints():
        return await in_thread(lambda _: kits.resolve(kit, registry=registry))


@task(name="verify-modelkit", task_run_name=run_name("verify", "kit"), **TASK_OPTIONS)
def verify_modelkit(
    kit: Kit,
    *,
    keys: Sequence[str] = (),
    identity: str = "",
    issuer: str = "",
    trust_root: str | os.PathLike[str] | None = None,
    type: str = "signature",
    needed: int = 1,
    registry: RegistryBlock | str | None = None,
) -> ModelKitRef:
    """Pin a kit to the digest that its tag names now, and check who signed that digest.

    Args:
        kit: The kit.
        keys: Public keys of which any may have signed: files, PEM text or ``env://NAME``.
        identity: Instead of keys: the identity in a keyless signer's certificate.
        issuer: Who vouched for ``identity``.
        trust_root: The ``trusted_root.json`` that keyless signatures are checked against.
        type: What must be signed: ``signature``, or an attestation such as ``slsaprovenance1``.
        needed: How many different keys must have signed.
        registry: The registry's block, or the name of a saved ``ModelKitRepository``.

    Raises:
        VerificationError: The kit is not signed so.
        KitOpsError: The kit, a key or the registry cannot be used.
    """
    with hints():
        return kits.verify(
            kit,
            keys=keys,
            identity=identity,
            issuer=issuer,
            trust_root=trust_root,
            type=type,
            needed=needed,
            registry=registry,
        )


@task(name="verify-modelkit", task_run_name=run_name("verify", "kit"), **TASK_OPTIONS)
async def averify_modelkit(
    kit: Kit,
    *,
    keys: Sequence[str] = (),
    identity: str = "",
    issuer: str = "",
    trust_root: str | os.PathLike[str] | None = None,
    type: str = "signature",
    needed: int = 1,
    registry: RegistryBlock | str | None = None,
) -> ModelKitRef:
    """As :func:`verify_modelkit`, beside an event loop."""
    with hints():
        return await in_thread(
            lambda _: kits.verify(
                kit,
                keys=keys,
                identity=identity,
                issuer=issuer,
                trust_root=trust_root,
                type=type,
                needed=needed,
                registry=registry,
            )
        )
