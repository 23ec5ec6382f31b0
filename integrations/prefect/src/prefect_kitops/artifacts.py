"""Artifacts of a run that people read: a kit's card and a link to its repository."""

from __future__ import annotations

import hashlib
import re

from prefect.artifacts import create_link_artifact, create_markdown_artifact

import kitops_core as kitops
from kitops_core.orchestrate.review import kit_card
from prefect_kitops.connection import Connection, Kit, Registry, connect, place_of
from prefect_kitops.reference import ModelKitRef
from prefect_kitops.running import at_once, in_run, run_logger

_MAX_SLUG = 40


def create_modelkit_card(kit: Kit, *, registry: Registry = None) -> None:
    """Publish a kit's card, and a link to its repository, as artifacts of the run at hand.

    Of a kit of an earlier task the card also says what changed since the one that its tag named before. Its metrics are
    those that the repository's promotion policy trusts, where there is one.

    Args:
        kit: The kit.
        registry: The registry's block, or the name of a saved ``ModelKitRepository``.

    Raises:
        KitOpsError: The kit cannot be read.
    """
    connection = connect(registry)
    with connection.client() as client:
        _publish(kit, connection, client)


def publish_card(kit: ModelKitRef, connection: Connection, client: kitops.Client) -> None:
    """Publish the card where there is a run to publish it in; a kit that was pushed does not fail for its card."""
    if not in_run():
        return
    try:
        _publish(kit, connection, client)
    except Exception as error:
        detail = error.message if isinstance(error, kitops.KitOpsError) else f"{type(error).__name__}"
        run_logger().warning("%s", f"the card of {kit} was not published: {detail}")


def artifact_key(kind: str, name: str) -> str:
    """A key as Prefect allows them, different for different names."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[-_MAX_SLUG:].strip("-")
    return f"{kind}-{slug}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _publish(kit: Kit, connection: Connection, client: kitops.Client) -> None:
    reference = connection.reference(kit)
    where, url = place_of(reference), connection.url(reference)
    digest = reference.digest
    if not digest:
        with client.open(str(reference), where=where) as opened:
            digest = opened.digest
    pinned = str(reference.with_digest(digest))
    read, difference, figures, attached = at_once(
        lambda: _read(pinned, client, where),
        lambda: _difference(kit, reference, pinned, client),
        lambda: client.metrics(pinned, trusted=_trusted(connection), where=where),
        lambda: client.referrers(pinned, where=where).referrers,
    )
    card = kit_card(*read, difference=difference, figures=figures, attached=attached, url=url)
    tag = f":{reference.tag}" if reference.tag else ""
    publish = [
        lambda: create_markdown_artifact(
            card,
            key=artifact_key("modelkit", reference.name),
            description=f"ModelKit {reference.name}{tag}",
            _sync=True,  # type: ignore[call-arg]
        )
    ]
    if url:
        publish.append(
            lambda: create_link_artifact(
                url,
                link_text=reference.name,
                key=artifact_key("modelkit-link", reference.name),
                description="The repository in its registry",
                _sync=True,  # type: ignore[call-arg]
            )
        )
    at_once(*publish)


def _read(pinned: str, client: kitops.Client, where: kitops.Where) -> tuple[kitops.ModelKitRecord, str]:
    with client.open(pinned, where=where) as opened:
        return opened.record(), opened.kitfile.to_yaml()


def _difference(kit: Kit, reference: kitops.Reference, pinned: str, client: kitops.Client) -> kitops.KitDiff | None:
    before = kit.previous_digest if isinstance(kit, ModelKitRef) else ""
    if not before or pinned.endswith(before):
        return None
    try:
        return client.diff(str(reference.with_digest(before)), pinned, where=place_of(reference))
    except kitops.NotFoundError:
        return None  # it was removed since


def _trusted(connection: Connection) -> tuple[kitops.PublicKey, ...]:
    """The keys that the repository's policy trusts; none where it is not on this machine."""
    from pathlib import Path

    own = connection.repository
    return connection.policy().trusted if own and Path(own.policy).expanduser().is_file() else ()
