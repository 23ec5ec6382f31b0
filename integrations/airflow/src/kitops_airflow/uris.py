"""What the URIs of ModelKit assets say: ``oci://host/repository``, of a channel ``oci://host/repository?tag=prod``."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from kitops_core import InvalidReferenceError, Reference, parse_reference
from kitops_core.orchestrate.names import ASSET_SCHEME

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Asset


def reference_of(asset: Asset) -> Reference:
    """The repository that an asset stands for, with its tag where it is the asset of one.

    Raises:
        InvalidReferenceError: It is not a ModelKit asset.
    """
    parts = urlsplit(asset.uri)
    if parts.scheme != ASSET_SCHEME:
        raise InvalidReferenceError(
            f"'{asset.uri}' is not the asset of a ModelKit", hint="make it with modelkit_asset('registry/repository')"
        )
    reference = parse_reference(parts.netloc + parts.path)
    tag = parse_qs(parts.query).get("tag", [""])[0]
    return reference.with_tag(tag) if tag else reference
