"""Steps for ``prefect.yaml`` that bring a kit along with a deployment, or pack one when it is deployed.

A registry is given as Prefect gives blocks to steps: a block's reference, of which only the values are seen here
(``{{ prefect.blocks.oci-registry.NAME }}``), or the name of a saved ``ModelKitRepository``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import kitops_core as kitops
from prefect_kitops.connection import Connection, as_path, connect
from prefect_kitops.reference import ModelKitRef
from prefect_kitops.registry import OCIRegistry
from prefect_kitops.tasks import fetch


class PulledModelKit(TypedDict):
    """What :func:`pull_modelkit` hands to the steps after it.

    Attributes:
        directory: Where the files are.
        reference: The kit, pinned to its digest.
        digest: Its digest.
    """

    directory: str
    reference: str
    digest: str


class PushedModelKit(TypedDict):
    """What :func:`push_modelkit` hands to the steps after it.

    Attributes:
        reference: The kit, pinned to its digest.
        digest: Its digest.
        changed: Whether a tag moved to it.
    """

    reference: str
    digest: str
    changed: bool


def pull_modelkit(
    reference: str,
    directory: str,
    only: Sequence[str] = (),
    existing: kitops.Existing = "overwrite",
    verified_by: Sequence[str] = (),
    registry: str | Mapping[str, Any] = "",
) -> PulledModelKit:
    """Unpack a kit where a deployment's flow is going to run.

    Args:
        reference: The kit; pinned to a digest it is the same in every run.
        directory: Where its files go.
        only: Filters such as ``code`` or ``model``; none means everything.
        existing: What becomes of files that are in the way, such as those of the run before: ``overwrite``, ``refuse``
            or ``ignore``.
        verified_by: Public keys, of which one must have signed it.
        registry: Name of a saved ``ModelKitRepository``, or an ``OCIRegistry`` block.

    Raises:
        KitOpsError: As :meth:`kitops_core.Client.unpack`.
    """
    connection = _connect(registry)
    with connection.client() as client:
        record = fetch(client, connection.reference(reference), directory, only, existing, verified_by)
    kit = ModelKitRef.of(record)
    return {"directory": directory, "reference": kit.reference, "digest": kit.digest}


def push_modelkit(
    source: str,
    reference: str,
    tags: Sequence[str] = (),
    registry: str | Mapping[str, Any] = "",
) -> PushedModelKit:
    """Pack a directory into its registry while a deployment is made, so that its runs can pull it.

    Args:
        source: A directory with or without a Kitfile.
        reference: Where to.
        tags: Further tags.
        registry: Name of a saved ``ModelKitRepository``, or an ``OCIRegistry`` block.

    Raises:
        KitOpsError: As :meth:`kitops_core.Client.pack`.
    """
    connection = _connect(registry)
    place = connection.reference(reference)
    with connection.client() as client:
        record = client.pack(as_path(source), str(place), push=place.in_registry, tags=tags)
    kit = ModelKitRef.of(record)
    return {"reference": kit.reference, "digest": kit.digest, "changed": kit.changed}


def _connect(registry: str | Mapping[str, Any]) -> Connection:
    return connect(registry if isinstance(registry, str) else OCIRegistry(**registry))
