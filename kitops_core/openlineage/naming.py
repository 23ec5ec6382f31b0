"""What things are called in OpenLineage, so that others who speak of them mean the same.

Its naming (https://openlineage.io/docs/spec/naming) gives a dataset a namespace, where it is kept, and a name in it. It
knows no kits: theirs is ``oci://registry`` and the repository, with the digest as the version. Nor does it know the
Hugging Face Hub, which is one place for all, as BigQuery is: its namespace is ``hf``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from kitops_core.evidence.inputs import KIT_SCHEME, Input
from kitops_core.evidence.secrets import redact_text
from kitops_core.reference import Reference

_SAME = {"s3a": "s3", "s3n": "s3", "gcs": "gs"}
_ONE_PLACE = ("hf", "bigquery")
_CONTAINERS = ("abfs", "abfss", "wasb", "wasbs")  # of whose URLs the container stands before the @


class DatasetName(NamedTuple):
    """What a dataset is called, and which version of it is meant, if one is known."""

    namespace: str
    name: str
    version: str = ""


def kit_name(reference: Reference) -> DatasetName:
    """A kit: of the local store under ``oci://localhost``, of a layout by its directory."""
    if reference.layout:
        return DatasetName("file", os.path.abspath(reference.layout), reference.digest)
    return DatasetName(f"{KIT_SCHEME}{reference.registry.lower()}", reference.repository, reference.digest)


def input_name(item: Input) -> DatasetName:
    """What a kit was made from. Users, passwords, queries and fragments of a URL are no part of its name."""
    if (kit := item.kit) is not None:
        return kit_name(kit)
    version = _version(item.digest)
    scheme, separator, rest = item.uri.partition("://")
    if not separator:
        scheme, colon, rest = item.uri.partition(":")
        return DatasetName(*((scheme, redact_text(rest)) if colon else ("file", redact_text(item.uri))), version)
    scheme = _SAME.get(scheme.lower(), scheme.lower())
    parts = urlsplit(f"{scheme}://{rest}")
    user, _, host = parts.netloc.rpartition("@")
    authority = parts.netloc if scheme in _CONTAINERS and ":" not in user else host
    path = redact_text(parts.path)
    if scheme in _ONE_PLACE:
        name, _, revision = f"{authority}{path}".strip("/").partition("@")
        return DatasetName(scheme, name.replace("/", ".") if scheme == "bigquery" else name, version or revision)
    version = version or "".join(parse_qs(parts.query).get("versionId", ()))
    if scheme == "file":
        return DatasetName(f"file://{authority}" if authority else "file", path or "/", version)
    return DatasetName(f"{scheme}://{authority}", path.strip("/") or "/", version)


def _version(digests: Mapping[str, str]) -> str:
    for algorithm, value in digests.items():
        return value if algorithm == "gitCommit" else f"{algorithm}:{value}"
    return ""
