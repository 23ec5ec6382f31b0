"""Steps for ``prefect.yaml`` that bring a kit along with a deployment, or pack one when it is deployed.

Credentials are given as Prefect gives them to steps: a block's reference, of which only the values are seen here
(``{{ prefect.blocks.oci-registry-credentials.NAME }}``), or the name of a saved ``ModelKitRepository``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from pydantic import SecretStr

from prefect_kitops import kits
from prefect_kitops.connection import RegistryBlock
from prefect_kitops.credentials import OCIRegistryCredentials
from prefect_kitops.reference import ModelKitRef

_SECRETS = ("password", "token", "identity_token")


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
    overwrite: bool = True,
    verified_by: Sequence[str] = (),
    credentials: Mapping[str, Any] | None = None,
    repository: str = "",
) -> PulledModelKit:
    """Unpack a kit where a deployment's flow is going to run.

    Args:
        reference: The kit; pinned to a digest it is the same in every run.
        directory: Where its files go.
        only: Filters such as ``code`` or ``model``; none means everything.
        overwrite: Replace files that are in the way, such as those of the run before.
        verified_by: Public keys, of which one must have signed it.
        credentials: An ``OCIRegistryCredentials`` block.
        repository: Name of a saved ``ModelKitRepository``, instead of credentials.

    Raises:
        KitOpsError: As :func:`kitops_core.unpack`.
    """
    kit = ModelKitRef.of(
        kits.pull(
            reference,
            directory,
            only=only,
            overwrite=overwrite,
            verified_by=verified_by,
            registry=_registry(credentials, repository),
        )
    )
    return {"directory": directory, "reference": kit.reference, "digest": kit.digest}


def push_modelkit(
    source: str,
    reference: str,
    tags: Sequence[str] = (),
    credentials: Mapping[str, Any] | None = None,
    repository: str = "",
) -> PushedModelKit:
    """Pack a directory into its registry while a deployment is made, so that its runs can pull it.

    Args:
        source: A directory with or without a Kitfile.
        reference: Where to.
        tags: Further tags.
        credentials: An ``OCIRegistryCredentials`` block.
        repository: Name of a saved ``ModelKitRepository``, instead of credentials.

    Raises:
        KitOpsError: As :func:`kitops_core.pack`.
    """
    record = kits.pack(source, reference, tags=tags, registry=_registry(credentials, repository))
    kit = ModelKitRef.of(record)
    return {"reference": kit.reference, "digest": kit.digest, "changed": kit.changed}


def _registry(credentials: Mapping[str, Any] | None, repository: str) -> RegistryBlock | str | None:
    if not credentials:
        return repository or None
    return OCIRegistryCredentials(
        username=credentials.get("username") or "",
        docker_config=credentials.get("docker_config") or "",
        **{name: _secret(credentials.get(name)) for name in _SECRETS},
    )


def _secret(value: Any) -> SecretStr | None:
    if value is None or isinstance(value, SecretStr):
        return value
    return SecretStr(str(value))
