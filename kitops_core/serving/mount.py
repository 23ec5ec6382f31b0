"""A kit's files in a directory that cannot be replaced, such as a mounted volume: all of them, or none.

They are prepared in ``.kitops`` inside, on the same file system, and then renamed into place one after the other. A
journal tells what is being renamed, so that an error undoes it at once, and after a kill the next process does. A
marker, ``.kitops.json``, comes last: it says which kit is there. Nobody else may use the directory meanwhile; in
Kubernetes an init container's volume has no other user yet.
"""

from __future__ import annotations

import contextlib
import json
import os
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from kitops_core.errors import ConflictError
from kitops_core.layers.publish import Existing
from kitops_core.serving.lease import Lease, make_shared, remove_tree, writing
from kitops_core.serving.releases import SCRATCH, Release, flush, flush_tree, sizes

MARKER = ".kitops.json"
PLACE = ".kitops"
_JOURNAL = "journal.json"
_NEW = "new"
_OLD = "old"
_NAMED = 10


@dataclass
class _Plan:
    """Paths of the kit to move in, and paths in the directory to move out before; what is in the way."""

    add: list[str] = field(default_factory=list)
    old: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    existing: list[str] = field(default_factory=list)
    clashes: list[str] = field(default_factory=list)


class Mount:
    """A directory that a kit's files are put into.

    Attributes:
        directory: The directory, absolute, with symbolic links resolved.
        place: Where its lock and what is not complete lie.

    Args:
        directory: The directory; made when something is put there.

    Raises:
        ConflictError: It is a file.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.directory = Path(os.path.realpath(directory))
        self.place = self.directory / PLACE
        if os.path.lexists(self.directory) and not self.directory.is_dir():
            raise ConflictError(f"{directory} is not a directory", hint="name a directory, or one that does not exist")

    def held(self) -> Release | None:
        """The kit that is there, whole as far as sizes tell; ``None`` also where someone is at work, or died at it."""
        if os.path.lexists(self.place):
            return None
        return self.marked()

    def marked(self) -> Release | None:
        """The kit that the marker tells of, whole as far as sizes tell."""
        release = Release.load(self.directory / MARKER, self.directory)
        return release if release is not None and release.is_whole() else None

    def recover(self, lease: Lease) -> None:
        """Undo what a process that was killed had begun, unless it was just done; remove what it left.

        Raises:
            StoreError: The file system refuses.
        """
        with writing(self.directory):
            for scratch in sorted(self.place.glob(f"{SCRATCH}*")):
                if lease.token not in scratch.name and self.marked() is None:
                    self._undo(scratch)
        lease.sweep(SCRATCH)

    def scratch(self, token: str) -> Path:
        """Make the directory in which the holder of a lease prepares files.

        Raises:
            StoreError: It cannot be made.
        """
        path = self.place / f"{SCRATCH}{token}"
        with writing(self.directory):
            make_shared(path)
        return path

    def put(
        self,
        scratch: Path,
        fetched: Path,
        release: Release,
        lease: Lease,
        existing: Existing = "refuse",
    ) -> Release:
        """Move files into place, and those of the kit that was there away.

        Args:
            scratch: The directory from :meth:`scratch`.
            fetched: The directory with the files, below it.
            release: What they are; its path and files are filled in.
            lease: The lock, held.
            existing: What becomes of files that are there and belong to no kit.

        Raises:
            ConflictError: Files are in the way; none was touched.
            StoreError: The file system refuses; everything is as it was.
        """
        with writing(self.directory):
            new = scratch / _NEW
            os.rename(fetched, new)
            before = Release.load(self.directory / MARKER, self.directory)
            plan = self._plan(new, before, existing)
            self._complain(plan)
            for path in plan.kept:
                (new / path).unlink()
            placed = replace(release, path=self.directory, files=sizes(new))
            (new / MARKER).write_bytes(placed.to_json())
            flush_tree(new)
            plan.add.append(MARKER)
            journal = scratch / _JOURNAL
            journal.write_text(json.dumps({"add": plan.add, "old": plan.old}))
            flush(journal)
            try:
                self._move(scratch, plan, lease)
            except BaseException:
                if not lease.lost.cancelled:
                    self._undo(scratch)
                raise
            journal.unlink()
        return placed

    def _move(self, scratch: Path, plan: _Plan, lease: Lease) -> None:
        for path in plan.old:
            (scratch / _OLD / path).parent.mkdir(parents=True, exist_ok=True)
            os.rename(self.directory / path, scratch / _OLD / path)
            self._remove_empty(posixpath.dirname(path))
        for path in plan.add:
            if lease.lost.cancelled:
                raise OSError("another process took over")
            (self.directory / path).parent.mkdir(parents=True, exist_ok=True)
            os.rename(scratch / _NEW / path, self.directory / path)
        flush(self.directory)

    def _undo(self, scratch: Path) -> None:
        """Put everything back that a journal tells of; may be interrupted and done again."""
        try:
            journal = json.loads((scratch / _JOURNAL).read_bytes())
            added, old = [str(path) for path in journal["add"]], [str(path) for path in journal["old"]]
        except (OSError, ValueError, KeyError, TypeError):
            return  # nothing had been moved
        for path in reversed(added):
            if os.path.lexists(self.directory / path) and not os.path.lexists(scratch / _NEW / path):
                if path in old and not os.path.lexists(scratch / _OLD / path):
                    continue  # put back already
                (scratch / _NEW / path).parent.mkdir(parents=True, exist_ok=True)
                os.rename(self.directory / path, scratch / _NEW / path)
                self._remove_empty(posixpath.dirname(path))
        for path in old:
            if os.path.lexists(scratch / _OLD / path):
                (self.directory / path).parent.mkdir(parents=True, exist_ok=True)
                os.rename(scratch / _OLD / path, self.directory / path)
        (scratch / _JOURNAL).unlink()

    def _plan(self, new: Path, before: Release | None, existing: Existing) -> _Plan:
        plan = _Plan()
        if os.path.lexists(self.directory / MARKER):
            plan.old.append(MARKER)
        ours = {path for path in before.files if os.path.lexists(self.directory / path)} if before else set()
        plan.old += sorted(ours)
        self._compare(new, "", ours, plan, existing)
        return plan

    def _compare(self, new: Path, prefix: str, ours: set[str], plan: _Plan, existing: Existing) -> None:
        """Decide about what is in one directory of the kit; goes into those that are on both sides."""
        for name in sorted(os.listdir(new / prefix)):
            path = f"{prefix}{name}"
            source, there = new / path, self.directory / path
            if path in (PLACE, MARKER):
                plan.clashes.append(path)
            elif source.is_dir():
                if there.is_dir() and not there.is_symlink():
                    self._compare(new, f"{path}/", ours, plan, existing)
                elif os.path.lexists(there) and path not in ours:
                    plan.clashes.append(path)
                else:
                    plan.add.append(path)
            elif not os.path.lexists(there) or path in ours:
                plan.add.append(path)
            elif there.is_dir() and not there.is_symlink():
                files = list(self._files_below(path))
                (plan.add if files and ours.issuperset(files) else plan.clashes).append(path)
            elif existing == "overwrite":
                plan.old.append(path)
                plan.add.append(path)
            else:
                (plan.kept if existing == "ignore" else plan.existing).append(path)

    def _files_below(self, path: str) -> Iterator[str]:
        for directory, _, names in os.walk(self.directory / path):
            for name in names:
                yield (Path(directory) / name).relative_to(self.directory).as_posix()

    def _complain(self, plan: _Plan) -> None:
        if plan.clashes:
            raise ConflictError(
                f"{self.directory}: a directory is where the kit has a file, or something else where it has a "
                f"directory: {_some(plan.clashes)}",
                hint="move these away, or use another directory",
            )
        if plan.existing:
            raise ConflictError(
                f"{self.directory} already has {len(plan.existing)} of the kit's files: {_some(plan.existing)}",
                hint="--overwrite replaces them, --ignore-existing keeps them",
            )

    def _remove_empty(self, directory: str) -> None:
        """Remove directories that the last file has left, upwards."""
        with contextlib.suppress(OSError):
            while directory:
                (self.directory / directory).rmdir()
                directory = posixpath.dirname(directory)


def clear(scratch: Path) -> None:
    """Remove what was prepared: the journal first, for without it nothing is taken for half done."""
    remove_tree(scratch / _JOURNAL)
    remove_tree(scratch)


def _some(paths: list[str]) -> str:
    shown = ", ".join(f"'{path}'" for path in paths[:_NAMED])
    return shown if len(paths) <= _NAMED else f"{shown} and {len(paths) - _NAMED} more"
