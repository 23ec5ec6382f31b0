"""What to pack, as an operator is told it: a directory, contents by name, or files in an object store."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import kitops_core as kitops
from kitops_core import InvalidInputError, KitOpsError, SourceError

_INSTALL = {
    "s3": "apache-airflow-providers-amazon[s3fs]",
    "gs": "apache-airflow-providers-google",
    "abfs": "apache-airflow-providers-microsoft-azure",
    "abfss": "apache-airflow-providers-microsoft-azure",
}
FILES = ("model", "parts", "code", "datasets", "docs", "prompts")


def packable(source: Any) -> kitops.Location | kitops.Contents:
    """What the engine packs; what is in an object store is read while it is packed, with Airflow's connection.

    Args:
        source: A path, an ``ObjectStoragePath`` or its URL, :class:`kitops_core.Contents`, or a mapping with its
            fields.

    Raises:
        InvalidInputError: It is none of these, or what reads such URLs is not installed on this worker.
        SourceError: The connection of a URL cannot be used now.
    """
    if isinstance(source, kitops.Contents):
        return replace(source, **{key: _all(getattr(source, key)) for key in FILES})
    if isinstance(source, Mapping):
        unknown = sorted(set(source) - set(kitops.Contents.__dataclass_fields__))
        if unknown:
            raise InvalidInputError(
                f"contents by name have no '{unknown[0]}'",
                hint="they have " + ", ".join(kitops.Contents.__dataclass_fields__),
            )
        files = {key: _all(value) for key, value in source.items() if key in FILES}
        return kitops.Contents(**{**source, **files})
    if (isinstance(source, (str, os.PathLike)) and str(source)) or "://" in str(source):
        location: kitops.Location = _one(source)
        return location
    raise InvalidInputError(
        f"there is nothing to pack in {type(source).__name__}",
        hint="give a directory, or contents by name: {'model': 'out/model.onnx', 'docs': ['README.md']}",
    )


def whole_kitfile(given: str | Mapping[str, Any] | None) -> str | kitops.Kitfile | None:
    """A Kitfile's path as it is, or the Kitfile that a mapping describes.

    Raises:
        KitfileError: The mapping is no Kitfile.
    """
    return kitops.Kitfile.from_mapping(given) if isinstance(given, Mapping) else given


def _all(paths: Any) -> Any:
    if isinstance(paths, Mapping):
        return {key: _one(path) for key, path in paths.items()}
    if isinstance(paths, (list, tuple)):
        return [_one(path) for path in paths]
    return None if paths is None else _one(paths)


def _one(path: Any) -> Any:
    """A path as the engine takes it: a URL becomes a path with the file system that its connection gives.

    Raises:
        InvalidInputError, SourceError: See :func:`packable`; the URL is named.
    """
    url = str(path)
    if "://" not in url:
        return path
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    try:
        remote = ObjectStoragePath(path)
        _ = remote.fs
    except KitOpsError:
        raise
    except (ImportError, ValueError) as error:
        extra = _INSTALL.get(url.partition("://")[0], "the provider of that store, with fsspec")
        raise InvalidInputError(f"{url}: {error}", hint=f"install {extra} on the worker") from error
    except Exception as error:  # each provider has errors of its own
        raise SourceError(
            f"{url}: {str(error) or type(error).__name__}", hint="is there such a connection, and can it be used?"
        ) from error
    return remote
