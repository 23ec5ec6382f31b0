"""Where files are, as a user says it.

A path on this machine, the URL of an object store, or a path that brings its file system along (``ObjectStoragePath``,
``UPath``).
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeGuard

from kitops_core.errors import InvalidInputError

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_LOCAL = ("file", "local")
_INSTALL = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}
_INSTALL.update(dict.fromkeys(("az", "abfs", "abfss", "adl"), "adlfs"))


class FileSystemPath(Protocol):
    """A path that brings its file system along, as fsspec, universal_pathlib and Airflow have them."""

    @property
    def fs(self) -> Any:
        """The file system: an ``fsspec.AbstractFileSystem``."""

    @property
    def path(self) -> str:
        """The path in it."""


class _AsItIs:
    """Tells pydantic, where it validates a call, which paths it is to take as they are."""

    @staticmethod
    def __get_pydantic_core_schema__(source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema  # only where pydantic asks, so it is there

        def check(location: object) -> object:
            if not brings_file_system(location):
                raise ValueError("not a path with a file system")
            return location

        return core_schema.no_info_plain_validator_function(check)


Location = str | os.PathLike[str] | Annotated[FileSystemPath, _AsItIs]
"""Where a file or directory is."""


def brings_file_system(location: object) -> TypeGuard[FileSystemPath]:
    """Whether a location is a path with a file system, which is not asked for yet: it may need what is not there."""
    if isinstance(location, str) or type(location) is type(Path()):
        return False
    from inspect import getattr_static  # which brings Python's own parser along

    return all(getattr_static(location, name, None) is not None for name in ("fs", "path"))


def local_path(location: Location) -> str | None:
    """The path on this machine that a location is; ``None`` where it is somewhere else.

    Raises:
        InvalidInputError: It is a ``file://`` URL of another host.
    """
    if brings_file_system(location):
        return location.path if _LOCAL[0] in _protocols(_brought(location)) else None
    text = str(location)
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
    if brings_file_system(location):
        return _brought(location), location.path
    url = str(location)
    scheme, _, rest = url.partition("://")
    _check_authority(scheme.lower(), rest.partition("/")[0])
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        client = _INSTALL.get(scheme.lower())
        needed = f"'kitops-core[objects]' {client}" if client else "'kitops-core[objects]'"
        raise InvalidInputError(
            f"'{url}' is in an object store, which fsspec reads", hint=f"install it with: pip install {needed}"
        ) from None
    try:
        system, path = url_to_fs(url)
    except (ImportError, ValueError, TypeError) as error:
        raise _unreadable(url, error) from None
    return system, path


def scheme_of(system: Any) -> str:
    """What the URLs of a file system begin with."""
    return next(iter(_protocols(system)), "object")


def _brought(location: FileSystemPath) -> Any:
    try:
        return location.fs
    except (ImportError, ValueError) as error:
        raise _unreadable(str(location), error) from None


def _unreadable(url: str, error: Exception) -> InvalidInputError:
    client = _INSTALL.get(url.partition("://")[0].lower())
    if isinstance(error, ImportError) or (client and "not known" in str(error)):  # abfss is known by adlfs alone
        hint = f"install it with: pip install {client}" if client else str(error)
        return InvalidInputError(f"what reads '{url}' is not installed", hint=hint)
    return InvalidInputError(f"'{url}' cannot be read: {error}", hint="write s3://bucket/path, say")


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
