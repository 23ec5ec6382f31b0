"""The URIs of ModelKit assets: ``oci://host/repository``, and of a channel ``oci://host/repository?tag=prod``."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qs, urlsplit

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


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Airflow's handler of ``oci`` URIs: host in lower case, neither user, tag nor digest.

    What it cannot read it leaves alone: other tools name charts and images this way, and an error here would keep whole
    DAG files from loading.
    """
    host = uri.netloc.rpartition("@")[2].lower()
    path = uri.path.partition("@")[0].rstrip("/")
    head, slash, last = path.rpartition("/")
    return uri._replace(netloc=host, path=head + slash + last.partition(":")[0])
