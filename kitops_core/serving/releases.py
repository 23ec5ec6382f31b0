"""The releases of a directory to serve: complete, verified copies beside it, of which a symbolic link shows one.

For ``/models/churn`` they lie in ``/models/.churn.kitops``: each a directory with the files in ``model`` and a
``release.json`` that says what they are. A release appears by one rename, when it is complete and on the disk, and the
link is replaced by one rename. So whatever is killed whenever, the link shows a complete release, or is not there.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kitops_core.errors import ConflictError, InvalidInputError, StoreError
from kitops_core.serving.arrange import list_files
from kitops_core.serving.lease import make_shared, remove_tree, writing
from kitops_core.serving.resolved import Identity, Selection

SCHEMA = "kitops/release/v1"
SCRATCH = "tmp-"
MARKER = "release.json"
FILES = "model"


@dataclass(frozen=True)
class Release:
    """One complete copy.

    Attributes:
        path: The directory with its files.
        reference: The kit, pinned to its digest.
        storage: Which storage it was fetched from.
        identity: What decides its bytes.
        pinned: Whether the digest alone does.
        parameters: The Kitfile's ``model.parameters``.
        files: Size in bytes of every file, by its path.
    """

    path: Path
    reference: str
    storage: str
    identity: Identity
    pinned: bool
    parameters: dict[str, Any]
    files: dict[str, int]

    def to_json(self) -> bytes:
        """What ``release.json`` holds."""
        data = {
            "schema": SCHEMA,
            "reference": self.reference,
            "digest": self.identity.digest,
            "bases": list(self.identity.bases),
            "only": list(self.identity.selection.only),
            "keep_paths": self.identity.selection.keep_paths,
            "pinned": self.pinned,
            "storage": self.storage,
            "parameters": self.parameters,
            "files": self.files,
        }
        return json.dumps(data, indent=2).encode() + b"\n"

    @staticmethod
    def load(marker: Path, files_in: Path) -> Release | None:
        """The release that a marker tells of, ``None`` where it is not there or cannot be read.

        Args:
            marker: The file.
            files_in: The directory with the release's files.
        """
        try:
            data = json.loads(marker.read_bytes())
            if data["schema"] != SCHEMA:
                return None
            return Release(
                path=files_in,
                reference=str(data["reference"]),
                storage=str(data["storage"]),
                identity=Identity(
                    str(data["digest"]),
                    tuple(map(str, data["bases"])),
                    Selection(tuple(map(str, data["only"])), bool(data["keep_paths"])),
                ),
                pinned=bool(data["pinned"]),
                parameters=dict(data["parameters"]),
                files={str(path): int(size) for path, size in data["files"].items()},
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def is_whole(self) -> bool:
        """Whether every file is there with its size; their bytes are not read again."""
        return sizes_match(self.path, self.files)


def sizes(directory: Path) -> dict[str, int]:
    """Size in bytes of every file below a directory, by its path from there."""
    return {path: os.lstat(directory / path).st_size for path in list_files(directory)}


def sizes_match(directory: Path, files: dict[str, int]) -> bool:
    """Whether every file is in the directory, as a regular file of its size."""
    try:
        return all(os.lstat(directory / path).st_size == size for path, size in files.items())
    except OSError:
        return False


class Releases:
    """All releases of one directory.

    Attributes:
        link: The directory to serve: absolute, a symbolic link to the release shown.
        place: The directory with the releases, beside it.

    Args:
        directory: The directory to serve.

    Raises:
        ConflictError: Something is there that was not made here: nothing is touched.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.link = Path(os.path.abspath(directory))
        self.place = self.link.parent / f".{self.link.name}.kitops"
        self._check()

    def _check(self) -> None:
        if not self.link.name:
            raise InvalidInputError("the root directory cannot be served from", hint="name a directory below it")
        if self.link.is_symlink():
            if not self._name_shown():
                raise ConflictError(
                    f"{self.link} is a symbolic link that was not made by materialize",
                    hint="remove the link, or choose another directory",
                )
        elif os.path.lexists(self.link):
            what = "a directory" if self.link.is_dir() else "a file"
            raise ConflictError(
                f"{self.link} is {what} that was not made by materialize, which makes a symbolic link there",
                hint=f"remove it, or choose another directory, such as {self.link / 'model'}",
            )

    def _name_shown(self) -> str:
        """The name of the release that the link shows; empty where it shows something else, or nothing."""
        try:
            parts = Path(os.readlink(self.link)).parts
        except OSError:
            return ""
        return parts[1] if len(parts) == 3 and (parts[0], parts[2]) == (self.place.name, FILES) else ""

    def shown(self) -> Release | None:
        """The release that the link shows, if it is usable."""
        name = self._name_shown()
        return self._load(self.place / name) if name else None

    def _load(self, directory: Path) -> Release | None:
        return Release.load(directory / MARKER, directory / FILES)

    def all(self) -> list[Release]:
        """Every usable release; the one shown last comes first."""
        found: list[tuple[int, Release]] = []
        with contextlib.suppress(OSError), os.scandir(self.place) as entries:
            for entry in entries:
                if entry.name.startswith("sha") and (release := self._load(Path(entry.path))):
                    with contextlib.suppress(OSError):
                        found.append((os.stat(release.path.parent / MARKER).st_mtime_ns, release))
        found.sort(key=lambda item: item[0], reverse=True)
        return [release for _, release in found]

    def find(self, wanted: Callable[[Release], bool]) -> Release | None:
        """The newest whole release that is wanted; the one shown comes before others."""
        shown = self.shown()
        candidates = [*([shown] if shown else []), *self.all()]
        return next((release for release in candidates if wanted(release) and release.is_whole()), None)

    def scratch(self, token: str) -> Path:
        """Make the directory in which the holder of a lease prepares a release.

        Raises:
            StoreError: It cannot be made.
        """
        path = self.place / f"{SCRATCH}{token}"
        with writing(self.place):
            make_shared(path)
        return path

    def add(self, scratch: Path, fetched: Path, release: Release) -> Release:
        """Make a release of what was fetched.

        Args:
            scratch: The directory from :meth:`scratch`.
            fetched: The directory with the files, below it.
            release: What they are; its path and files are filled in.

        Raises:
            StoreError: The file system refuses.
        """
        digest = release.identity.digest.replace(":", "-")[:23]
        final = self.place / f"{digest}-{secrets.token_hex(4)}"
        with writing(self.place):
            new = scratch / "release"
            new.mkdir()
            os.rename(fetched, new / FILES)
            made = replace(release, path=final / FILES, files=sizes(new / FILES))
            (new / MARKER).write_bytes(made.to_json())
            flush_tree(new)
            os.rename(new, final)
            flush(self.place)
        return made

    def show(self, release: Release) -> bool:
        """Point the link at a release; true when it pointed elsewhere before.

        Raises:
            ConflictError: Something else has taken the link's place.
            StoreError: The file system refuses.
        """
        self._check()
        marker = release.path.parent / MARKER
        if self._name_shown() == release.path.parent.name:
            return False
        new = self.place / f"{SCRATCH}link-{secrets.token_hex(4)}"
        with writing(self.link.parent):
            os.utime(marker)
            self._make_link(f"{self.place.name}/{release.path.parent.name}/{FILES}", new)
            try:
                os.replace(new, self.link)
            except OSError as error:
                remove_tree(new)
                if error.errno in (errno.EISDIR, errno.ENOTEMPTY, errno.EEXIST):
                    self._check()
                raise
            flush(self.link.parent)
        return True

    def _make_link(self, target: str, new: Path) -> None:
        try:
            os.symlink(target, new)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
                raise
            raise StoreError(
                f"{self.place} is on a file system that cannot hold symbolic links: {error.strerror}",
                hint="use another one, or mount it so that it can (mfsymlinks, for SMB)",
            ) from None

    def prune(self, keep: int) -> None:
        """Remove releases but the one shown and the ``keep`` that were shown last before it."""
        shown = self._name_shown()
        spared = 0
        names = [release.path.parent.name for release in self.all()]
        for name in names:
            if name != shown:
                spared += 1
                if spared > keep:
                    self._remove(name)
        with contextlib.suppress(OSError):
            for name in os.listdir(self.place):
                if name.startswith("sha") and name not in names and name != shown:
                    self._remove(name)

    def _remove(self, name: str) -> None:
        # Out of sight first: a release that is half removed must not be taken for one.
        gone = self.place / f"{SCRATCH}gone-{name}"
        with contextlib.suppress(OSError):
            os.rename(self.place / name, gone)
            remove_tree(gone)


def flush_tree(directory: Path) -> None:
    """Bring files, and the names of files, to the disk."""
    for path, _, names in os.walk(directory, topdown=False):
        for name in names:
            flush(Path(path) / name)
        flush(Path(path))


def flush(path: Path) -> None:
    """Bring a file or a directory to the disk."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError:  # a kit may hold files that even their owner cannot read
        return
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EROFS):  # a file system that cannot flush directories
            raise
    finally:
        os.close(fd)
