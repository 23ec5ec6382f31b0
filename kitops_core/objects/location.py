"""Where files are, as a user says it.

A path on this machine, the URL of an object store, or a path that brings its file system along (``ObjectStoragePath``,
``UPath``).
"""

from __future__ import annotations

import os
import re
from typing import Any, Protocol, runtime_checkable

from kitops_core.errors import InvalidInputError

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_LOCAL = ("file", "local")
_INSTALL = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}
_INSTALL.update(dict.fromkeys(("az", "abfs", "abfss", "adl"), "adlfs"))


@runtime_checkable
class FileSystemPath(Protocol):
    """A path that brings its file system along, as fsspec, universal_pathlib and Airflow have them."""

    @property
    def fs(self) -> Any:
        """The file system: an ``fsspec.AbstractFileSystem``."""

    @property
    def path(self) -> str:
        """The path in it."""


Location = str | os.PathLike[str] | FileSystemPath
"""Where a file or directory is."""


def local_path(location: Location) -> str | None:
    """The path on this machine that a location is; ``None`` where it is somewhere else.

    Raises:
        InvalidInputError: It is a ``file://`` URL of another host.
    """
    if isinstance(location, FileSystemPath):
        return location.path if _LOCAL[0] in _protocols(location.fs) else None
    text = os.fspath(location)
    found = _URL.match(text)
    if found is None:
        return text
    if found[1].lower() not in _LOCAL:
        return None
    path = text[found.end() :]
    if found[1].lower() == "file" and not path.startswith("/"):
        raise InvalidInputError(f"'{text}' names no file of this machine", hint="write file:///path/to/it")
    return path


def file_system(location: Location) -> tuple[Any, str]:
    """The file system that a location is in, and its path there.

    Raises:
        InvalidInputError: What reads this kind of URL is not installed, or the URL has what cannot be in one.
    """
    if isinstance(location, FileSystemPath):
        return location.fs, location.path
    url = os.fspath(location)
    scheme, _, rest = url.partition("://")
    _check_authority(scheme.lower(), rest.partition("/")[0])
    client = _INSTALL.get(scheme.lower())
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        needed = f"'kitops-core[objects]' {client}" if client else "'kitops-core[objects]'"
        raise InvalidInputError(
            f"'{url}' is in an object store, which fsspec reads", hint=f"install it with: pip install {needed}"
        ) from None
    try:
        system, path = url_to_fs(url)
    except (ImportError, ValueError, TypeError) as error:
        if isinstance(error, ImportError) or (client and "not known" in str(error)):  # abfss is known by adlfs alone
            hint = f"install it with: pip install {client}" if client else str(error)
            raise InvalidInputError(f"what reads '{url}' is not installed", hint=hint) from None
        raise InvalidInputError(f"'{url}' cannot be read: {error}", hint="write s3://bucket/path, say") from None
    return system, path


def scheme_of(system: Any) -> str:
    """What the URLs of a file system begin with."""
    return next(iter(_protocols(system)), "object")


def _protocols(system: Any) -> tuple[str, ...]:
    named = getattr(system, "protocol", ())
    return (named,) if isinstance(named, str) else tuple(named)


def _check_authority(scheme: str, authority: str) -> None:
    """See that nothing secret stands in a URL, and nothing that only Airflow would understand.

    Raises:
        InvalidInputError: Something does.
    """
    user, at, rest = authority.rpartition("@")
    if ":" in user:
        raise InvalidInputError(
            f"the URL {scheme}://…@{rest} has credentials in it", hint="put them into the environment or a profile"
        )
    if at and scheme in ("s3", "s3a", "gs", "gcs"):
        raise InvalidInputError(
            f"'{scheme}://{authority}' names a connection of Airflow's, which nothing else knows",
            hint="in Airflow pass an ObjectStoragePath; elsewhere write the bucket alone",
        )
