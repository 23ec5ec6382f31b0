"""One file system of objects: what is there, and its bytes, with errors that name the object."""

from __future__ import annotations

import errno
import hashlib
import io
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kitops_core.errors import DeniedError, InvalidInputError, KitOpsError, SourceChangedError, SourceError
from kitops_core.objects.location import Location, file_system, scheme_of

_START_BYTES = 64 * 1024
_TAGS = ("ETag", "etag", "generation", "digest", "blob_id")
"""What changes when an object's bytes do, by the names that file systems give it."""
_TIMES = ("LastModified", "last_modified", "updated", "mtime", "modified", "created")
_ASKED_ONE_BY_ONE = 8
_UNTOLD = 2**62
"""The time of what has none: later than any, so that what was read then is never taken for what is there now."""


@dataclass(frozen=True)
class StoredObject:
    """An object, as it was when it was looked at.

    Attributes:
        store: Where it is.
        path: What it is called there.
        size: Its size in bytes.
        tag: What changes with its bytes (ETag, generation); empty where the store does not tell.
        modified_ns: When it was written, in nanoseconds since 1970, where no tag tells of a change; 0 with a tag.
    """

    store: ObjectStore
    path: str
    size: int
    tag: str
    modified_ns: int

    @property
    def url(self) -> str:
        """Its URL, for messages."""
        return self.store.url(self.path)

    def identity(self) -> tuple[int, int]:
        """Two numbers of 63 bits that change when its place, its tag or its time do."""
        named = "\0".join((*self.store.identity, self.path, self.tag)).encode("utf-8", "surrogateescape")
        digest = hashlib.sha256(named).digest()
        return int.from_bytes(digest[:8], "big") >> 1, int.from_bytes(digest[8:16], "big") >> 1

    def read(self, start: int, end: int) -> bytes:
        """Its bytes from ``start`` up to ``end``.

        Raises:
            SourceChangedError: It is gone, or has fewer.
            SourceError, DeniedError: It cannot be read.
        """
        if start >= end:
            return b""
        with _told(self.url, reading=True):
            data: bytes = self.store.fs.cat_file(self.path, start=start, end=end)
        if len(data) != end - start:
            raise SourceChangedError.at(self.url, f"gave {len(data)} bytes where {end - start} were asked for")
        return data

    def open(self) -> io.BufferedReader:
        """The object as a file that is read here and there, a little at a time."""
        return io.BufferedReader(_ObjectFile(self), _START_BYTES)


@dataclass(frozen=True)
class ObjectDirectory:
    """All objects below a path of a store.

    Attributes:
        url: The path's URL.
        objects: The objects, by their paths below it.
    """

    url: str
    objects: Mapping[str, StoredObject]

    @property
    def name(self) -> str:
        """The last part of its path."""
        return posixpath.basename(self.url.rstrip("/"))


class ObjectStore:
    """A file system of fsspec's, used for reading only.

    Attributes:
        fs: The file system.
        identity: What tells it from others: protocol and endpoint.
    """

    def __init__(self, system: Any) -> None:
        self.fs = system
        self._scheme = scheme_of(system)
        options = getattr(system, "storage_options", None) or {}
        client = options.get("client_kwargs") or {}
        endpoint = options.get("endpoint_url") or client.get("endpoint_url") or options.get("account_name") or ""
        self.identity = (self._scheme, str(endpoint))

    def url(self, path: str) -> str:
        """The URL of a path."""
        return path if "://" in path else f"{self._scheme}://{path.lstrip('/')}"

    def find(self, path: str) -> StoredObject | ObjectDirectory:
        """What is at a path, as it is now.

        Raises:
            SourceError: There is nothing, or something that can be no file of a kit; all such are named.
            DeniedError: It may not be looked at.
        """
        url = self.url(path)
        with _told(url):
            self.fs.invalidate_cache(path)
            info = self.fs.info(path)
        if info.get("type") == "file" and not path.endswith("/"):
            return self._object(info, path)
        below = path.rstrip("/") + "/"
        listed = self._list(path)
        objects = {name.removeprefix(below): self._object(info, name) for name, info in listed.items()}
        problems = [f"'{self.url(path)}'" for path in _impossible(objects, listed, below)]
        if problems:
            raise SourceError(
                f"in '{url}' no files of a kit can be {', '.join(problems[:20])}",
                hint="a name has no empty part, no '.' or '..', and is not both a file and a directory",
            )
        if not objects:
            raise SourceError(f"there is nothing at '{url}'", hint="is it the right bucket and path?")
        return ObjectDirectory(url, objects)

    def check_unchanged(self, objects: Sequence[StoredObject]) -> None:
        """Look again at objects that were just read.

        Raises:
            SourceChangedError: One is not what it was.
            SourceError, DeniedError: They cannot be looked at.
        """
        if len(objects) > _ASKED_ONE_BY_ONE:
            listed = self._list(posixpath.commonpath([posixpath.dirname(found.path) for found in objects]))
        for before in objects:
            if len(objects) > _ASKED_ONE_BY_ONE:
                info = listed.get(before.path)
            else:
                with _told(before.url, reading=True):
                    self.fs.invalidate_cache(before.path)
                    info = self.fs.info(before.path)
            if info is None:
                raise SourceChangedError.at(before.url, "was removed")
            now = self._object(info, before.path)
            if now.size != before.size:
                raise SourceChangedError.at(before.url, f"was replaced by one of {now.size} bytes")
            if (now.tag, now.modified_ns) != (before.tag, before.modified_ns):
                raise SourceChangedError.at(before.url, "was replaced")

    def _list(self, path: str) -> dict[str, Any]:
        """Names and what is known of all objects below a path, without what stands for empty directories."""
        with _told(self.url(path)):
            self.fs.invalidate_cache(path)
            found: Mapping[str, Any] = self.fs.find(path, detail=True)
        return {name: info for name, info in found.items() if info.get("type") == "file" and not name.endswith("/")}

    def _object(self, info: Mapping[str, Any], path: str) -> StoredObject:
        size = info.get("size")
        if not isinstance(size, int) or size < 0:
            raise SourceError(f"the size of '{self.url(path)}' is not known", hint="copy it to a disk, and pack that")
        tag = " ".join(str(info[name]).strip('"') for name in _TAGS if info.get(name))
        return StoredObject(self, path, size, tag, 0 if tag else _modified(info))


def find_objects(location: Location) -> StoredObject | ObjectDirectory:
    """The object or the directory of objects at a location that is not on this machine.

    Raises:
        InvalidInputError: What reads such URLs is not installed.
        SourceError, DeniedError: There is nothing, or it cannot be looked at.
    """
    system, path = file_system(location)
    return ObjectStore(system).find(path)


class _ObjectFile(io.RawIOBase):
    """An object as a file without buffer."""

    def __init__(self, found: StoredObject) -> None:
        self._found = found
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._found.size}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        end = min(self._at + len(buffer), self._found.size)
        if end <= self._at:
            return 0
        data = self._found.read(self._at, end)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def _impossible(objects: Mapping[str, StoredObject], listed: Mapping[str, Any], below: str) -> Iterator[str]:
    """The paths of objects that can be no files below a directory."""
    for name in objects:
        parts = name.split("/")
        in_files = any(f"{below}{'/'.join(parts[:depth])}" in listed for depth in range(1, len(parts)))
        if in_files or "\0" in name or not {"", ".", ".."}.isdisjoint(parts):
            yield below + name


def _modified(info: Mapping[str, Any]) -> int:
    for name in _TIMES:
        told = info.get(name)
        if isinstance(told, datetime):
            return int(told.timestamp() * 1_000_000_000)
        if isinstance(told, (int, float)) and not isinstance(told, bool):
            return int(told * 1_000_000_000)
    return _UNTOLD


@contextmanager
def _told(url: str, *, reading: bool = False) -> Iterator[None]:
    """What goes wrong inside the block is said of ``url``; what is gone once it was seen has changed.

    Raises:
        KitOpsError: As :meth:`StoredObject.read` and :meth:`ObjectStore.find` say.
    """
    try:
        yield
    except KitOpsError:
        raise
    except FileNotFoundError:
        if reading:
            raise SourceChangedError.at(url, "was removed") from None
        raise SourceError(f"there is nothing at '{url}'", hint="is it the right bucket and path?") from None
    except PermissionError as error:
        raise DeniedError(f"'{url}' may not be read: {_said(error)}", hint="are these the right credentials?") from None
    except ImportError as error:
        raise InvalidInputError(f"what reads '{url}' is not installed", hint=str(error)) from None
    except Exception as error:  # each store has errors of its own
        if getattr(error, "errno", None) == errno.EINVAL and reading:  # a range behind its end
            raise SourceChangedError.at(url, "was replaced by a shorter one") from None
        hint = "are the store and the bucket there, and the credentials in the environment?"
        raise SourceError(f"'{url}' cannot be read: {_said(error)}", hint=hint) from None


def _said(error: BaseException) -> str:
    said = str(error).strip().splitlines()
    return said[0] if said else type(error).__name__
