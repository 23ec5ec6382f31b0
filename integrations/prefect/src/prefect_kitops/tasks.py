"""Tasks that pack, push, pull, resolve, sign and verify kits, each with an async twin.

None of them caches; :class:`~prefect_kitops.cache.ModelKitContent` is there for those who want it all the same.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import kitops_core as kitops
from kitops_core.orchestrate.metadata import record_metadata
from prefect_kitops.artifacts import publish_card
from prefect_kitops.assets import Upstream, add_record, materializes
from prefect_kitops.connection import Kit, Registry, as_path, connect, place_of
from prefect_kitops.events import emit_kit_event
from prefect_kitops.packing import pack_kit
from prefect_kitops.progress import Progress
from prefect_kitops.reference import ModelKitRef
from prefect_kitops.running import run_logger, run_name, twins


@twins("pack-modelkit", run_name("pack", "reference"))
def _pack(
    source: kitops.Location | kitops.Contents,
    reference: str,
    *,
    tags: Sequence[str] = (),
    kitfile: str | os.PathLike[str] | None = None,
    how: kitops.Packing | None = None,
    upstream: Sequence[Upstream] = (),
    metrics: Mapping[str, float] | None = None,
    registry: Registry = None,
    card: bool = True,
) -> ModelKitRef:
    """Pack a kit straight into its registry, or into the local store where the name has no registry.

    The kit is a version of the asset ``oci://registry/repository``, with digest, tag and record in its metadata. Its
    provenance has the parameters of the flow run; where the registry's block has a ``signer``, it is signed, and so is
    what is said about it.

    Args:
        source: A directory, or contents by name. Either may be in an object store: a URL, a ``UPath``, or
            :func:`~prefect_kitops.storage.storage_path` of a block; it is read while it is packed, and never copied.
        reference: Where to; with a ``ModelKitRepository`` a tag is enough.
        tags: Further tags.
        kitfile: A Kitfile to use instead of the directory's.
        how: Compression, layer format and what else decides the digest.
        upstream: What it was made from: kits, their references, and other assets by key (``s3://bucket/table``).
        metrics: Figures that were measured, attached as a test result for the gates of a promotion.
        registry: The registry's block, or the name of a saved ``ModelKitRepository``; several where several take part.
        card: Whether to publish a card of the kit as an artifact of the run.

    Raises:
        KitOpsError: As :meth:`kitops_core.Client.pack`.
    """
    return pack_kit(
        source,
        reference,
        tags=tags,
        kitfile=kitfile,
        how=how,
        upstream=upstream,
        metrics=metrics,
        registry=registry,
        card=card,
    )


@twins("push-modelkit", run_name("push", "kit"))
def _push(kit: Kit, to: str = "", *, registry: Registry = None, card: bool = True) -> ModelKitRef:
    """Send a kit from the local store to its registry, or to another name there, with all that is attached to it.

    Args:
        kit: The kit in the local store.
        to: Where to, if it has another name there; with a ``ModelKitRepository`` a tag is enough.
        registry: The registry's block, or the name of a saved ``ModelKitRepository``.
        card: Whether to publish a card of the kit as an artifact of the run.

    Raises:
        KitOpsError: As :meth:`kitops_core.Client.push`.
    """
    connection = connect(registry)
    place = connection.reference(to or kit)
    with Progress(f"pushing {to or kit}") as progress:
        client = connection.client(on_event=progress.update)
        materializes(place, connection.url(place))
        record = client.push(str(kit), str(place))
    with client:
        pushed = ModelKitRef.of(record)
        add_record(pushed, record)
        emit_kit_event("pushed", pushed, record_metadata(record))
        run_logger().info("%s", f"pushed {pushed}, {record.sent} of {pushed.size} bytes sent")
        if card:
            publish_card(pushed, connection, client)
    return pushed


@twins("pull-modelkit", run_name("pull", "kit"))
def _pull(
    kit: Kit,
    directory: str | os.PathLike[str] | None = None,
    *,
    only: Sequence[str] = (),
    existing: kitops.Existing = "refuse",
    verified_by: Sequence[str] = (),
    registry: Registry = None,
) -> ModelKitRef:
    """Fetch a kit: its files into a directory, or without one the kit into the local store.

    Args:
        kit: The kit. A tag is resolved once; the digest that was fetched is in the result.
        directory: Where its files go; nothing appears there before all of it is verified.
        only: Filters such as ``model`` or ``datasets:sample``; none means everything.
        existing: What becomes of files that are in the way: ``refuse``, ``overwrite`` or ``ignore``.
        verified_by: Public keys, of which one must have signed it; else nothing is fetched.
        registry: The registry's block, or the name of a saved ``ModelKitRepository``.

    Raises:
        KitOpsError: As :meth:`kitops_core.Client.pull` and :meth:`kitops_core.Client.unpack`.
    """
    with Progress(f"pulling {kit}") as progress, connect(registry).client(on_event=progress.update) as client:
        record = fetch(client, connect(registry).reference(kit), directory, only, existing, verified_by)
    pulled = ModelKitRef.of(record)
    emit_kit_event("pulled", pulled, record_metadata(record))
    run_logger().info("%s", f"pulled {pulled}")
    return pulled


def fetch(
    client: kitops.Client,
    reference: kitops.Reference,
    directory: str | os.PathLike[str] | None,
    only: Sequence[str],
    existing: kitops.Existing,
    verified_by: Sequence[str],
) -> kitops.ModelKitRecord:
    """Fetch the kit that a reference names now; see :func:`pull_modelkit`.

    Raises:
        KitOpsError: The kit, a key, the registry or the directory cannot be used.
    """
    where = place_of(reference)
    with client.open(str(reference), where=where) as kit:
        if verified_by:
            client.verify(kit.reference, keys=verified_by, where=where)
        if directory is not None:
            kit.unpack(as_path(directory), only=only, existing=existing)
        elif reference.in_registry:
            return client.pull(kit.reference)
        return kit.record()


@twins("resolve-modelkit", run_name("resolve", "kit"))
def _resolve(kit: Kit, *, registry: Registry = None) -> ModelKitRef:
    """Pin a kit to the digest that its tag names now.

    Args:
        kit: The kit; with a ``ModelKitRepository`` a tag or digest is enough.
        registry: The registry's block, or the name of a saved ``ModelKitRepository``.

    Raises:
        NotFoundError: There is no such kit.
        KitOpsError: As :meth:`kitops_core.Client.open`.
    """
    connection = connect(registry)
    with connection.client() as client:
        return pin(client, connection.reference(kit))


def pin(client: kitops.Client, reference: kitops.Reference) -> ModelKitRef:
    """The kit that a reference names now.

    Raises:
        NotFoundError: There is no such kit.
    """
    with client.open(str(reference), where=place_of(reference)) as opened:
        return ModelKitRef.of(opened.record())


@twins("sign-modelkit", run_name("sign", "kit"))
def _sign(kit: Kit, *, registry: Registry) -> ModelKitRef:
    """Sign a kit where it is: in its registry, where its name has one. The digest does not change.

    Args:
        kit: The kit. A tag is resolved once, and what it named then is signed.
        registry: The block with the private key as its ``signer``, or the name of a saved ``ModelKitRepository``.

    Raises:
        KitOpsError: As :meth:`kitops_core.Client.sign`.
    """
    connection = connect(registry)
    with connection.client() as client:
        pinned = pin(client, connection.reference(kit))
        client.sign(pinned.reference)
    run_logger().info("%s", f"signed {pinned}")
    return pinned


@twins("verify-modelkit", run_name("verify", "kit"))
def _verify(
    kit: Kit,
    *,
    keys: Sequence[str] = (),
    identity: str = "",
    issuer: str = "",
    trust_root: str | os.PathLike[str] | None = None,
    type: str = "signature",
    needed: int = 1,
    registry: Registry = None,
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
    connection = connect(registry)
    with connection.client() as client:
        pinned = pin(client, connection.reference(kit))
        client.verify(
            pinned.reference,
            keys=keys,
            identity=identity,
            issuer=issuer,
            trust_root=Path(as_path(trust_root)) if trust_root is not None else None,
            type=type,
            needed=needed,
        )
    return pinned


pack_modelkit, apack_modelkit = _pack
push_modelkit, apush_modelkit = _push
pull_modelkit, apull_modelkit = _pull
resolve_modelkit, aresolve_modelkit = _resolve
sign_modelkit, asign_modelkit = _sign
verify_modelkit, averify_modelkit = _verify
