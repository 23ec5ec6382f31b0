"""The collector: removes the blobs that no kit of the local store needs."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kitops_core.errors import IntegrityError
from kitops_core.events import Control
from kitops_core.oci.manifest import MAX_MANIFEST_BYTES, Descriptor
from kitops_core.reference import is_digest
from kitops_core.storage.local.blobs import BlobDirectory
from kitops_core.storage.local.files import remove_file, store_errors
from kitops_core.storage.local.index import ANNOTATION_REF_NAME, Entry
from kitops_core.storage.local.store import LocalStore

DEFAULT_GRACE_SECONDS = 24 * 3600.0

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


@dataclass(frozen=True)
class GcReport:
    """What the collector removed, or would remove.

    Attributes:
        removed: Digests of the blobs, sorted.
        freed: Their bytes, and those of files that were never finished.
        unfinished: How many files a writer left behind when it was killed.
        spared: How many unused blobs are too young.
        dry_run: Whether nothing was really removed.
        staged: How many staged directories killed processes left among the temporary files.
        unpushed: The kits that were kept because they could not be pushed, and stay.
        given_up: Those of them that were so old that they went.
    """

    removed: tuple[str, ...] = ()
    freed: int = 0
    unfinished: int = 0
    spared: int = 0
    dry_run: bool = False
    staged: int = 0
    unpushed: tuple[str, ...] = ()
    given_up: tuple[str, ...] = ()


def collect_garbage(
    store: LocalStore,
    grace_seconds: float = DEFAULT_GRACE_SECONDS,
    dry_run: bool = False,
    *,
    control: Control | None = None,
    patience: float = 60.0,
) -> GcReport:
    """Remove the blobs no kit needs.

    Args:
        store: The store.
        grace_seconds: Spare what is younger, for the sake of the reference CLI, which takes no locks. Our own
            writers are safe with 0.
        dry_run: Only say what would go.
        control: Cancelling.
        patience: How many seconds to wait for writers of this store to finish.

    Raises:
        StoreError: An index file is broken, the store cannot be written, or writers did not finish.
        IntegrityError: A kit's manifest was altered, so nobody can tell which blobs it needs.
    """
    control = control or Control()
    if not store.root.is_dir():
        return GcReport(dry_run=dry_run)
    store.prepare()
    # Without a grace everything unused goes, even what a clock that is behind calls new.
    newest = time.time() - grace_seconds if grace_seconds > 0 else float("inf")
    with store.writers(shared=False, control=control, patience=patience):
        with store.changing():
            live = _mark(store, newest)
            index = store.files.read_index()
            kept = [entry for entry in index if entry["digest"] in live]
            if len(kept) < len(index) and not dry_run:
                store.files.write_index(kept)
        return _sweep(store, live, newest, dry_run, control)


def _mark(store: LocalStore, newest: float) -> set[str]:
    """The digests of everything a kit needs: what is listed, what that names, and what refers to it."""
    marker = _Marker(store.blobs("a kit"))
    known = {store.files.index_path}
    for files in (store.files, store.index_files):
        for name in files.repositories():
            known |= {files.manifests_path(name), files.tags_path(name)}
            marker.mark(entry["digest"] for entry in files.read_repository(name).entries())
    for path in (*store.root.glob("*.json"), *store.index_files.root.glob("*.json")):
        if path not in known:
            # Newer versions of the reference CLI keep further lists; whatever they name is none of our rubbish.
            with store_errors("read", path):
                marker.mark(_DIGEST.findall(path.read_text(encoding="utf-8", errors="replace")), strict=False)
    index = store.files.read_index()
    marker.mark(entry["digest"] for entry in index if _stands_alone(entry, marker.blobs, newest))
    marker.mark_referrers(index)
    return marker.live


def _stands_alone(entry: Entry, blobs: BlobDirectory, newest: float) -> bool:
    """Whether an entry of ``index.json`` counts though no repository has it: another tool's tag, or a new one."""
    if ANNOTATION_REF_NAME in (entry.get("annotations") or {}):
        return True
    return blobs.size(entry["digest"]) is not None and blobs.path(entry["digest"]).stat().st_mtime > newest


class _Marker:
    """Follows manifests to everything they name."""

    def __init__(self, blobs: BlobDirectory) -> None:
        self.blobs = blobs
        self.live: set[str] = set()
        self._followed: set[str] = set()

    def mark(self, manifests: Iterable[str], *, strict: bool = True) -> None:
        """Mark manifests and what they name; those listed though they are not there are marked as well.

        Raises:
            IntegrityError: With ``strict``, one that is there cannot be read as a manifest.
        """
        waiting = list(manifests)
        while waiting:
            digest = waiting.pop()
            if digest in self._followed:
                continue
            self._followed.add(digest)
            self.live.add(digest)
            data = self._read(digest, strict)
            waiting += _digests(data.get("manifests"))
            self.live.update(_digests([data.get("config")]), _digests(data.get("layers")), _digests(data.get("blobs")))

    def mark_referrers(self, index: list[Entry]) -> None:
        """Mark what refers to something marked, and what refers to that in turn."""
        unmarked = {entry["digest"] for entry in index} - self.live
        subjects = {digest: _digests([self._read(digest, strict=False).get("subject")]) for digest in unmarked}
        while found := [digest for digest, subject in subjects.items() if self.live.intersection(subject)]:
            self.mark(found)
            for digest in found:
                del subjects[digest]

    def _read(self, digest: str, strict: bool) -> dict[str, Any]:
        """A manifest or index as JSON; an empty one where it is not there, or not ``strict`` and something else."""
        size = self.blobs.size(digest)
        if size is None:
            return {}
        try:
            with self.blobs.open(Descriptor("", digest, size)) as reader:
                data = json.loads(reader.read_all(MAX_MANIFEST_BYTES))
            if isinstance(data, dict):
                return data
            problem = f"{digest} is listed in the local store as a manifest, but is none"
        except (ValueError, RecursionError):
            problem = f"{digest} is listed in the local store as a manifest, but is not JSON"
        except IntegrityError as error:
            problem = str(error)
        if not strict:
            return {}
        raise IntegrityError(problem, hint="remove that kit or pull it again, then collect again")


def _digests(descriptors: Any) -> list[str]:
    """The digests in a list of descriptors, whatever else is in it."""
    items = descriptors if isinstance(descriptors, list) else []
    found = [item.get("digest") for item in items if isinstance(item, dict)]
    return [digest for digest in found if isinstance(digest, str) and is_digest(digest)]


def _sweep(store: LocalStore, live: set[str], newest: float, dry_run: bool, control: Control) -> GcReport:
    removed, freed, unfinished, spared = [], 0, 0, 0
    for directory in _directories(store.root / "blobs"):
        for path, found in _files(directory):
            control.check()
            digest = f"{directory.name}:{path.name}"
            if digest in live or not is_digest(digest):
                continue
            if found.st_mtime > newest:
                spared += 1
                continue
            if not dry_run:
                remove_file(path)
            removed.append(digest)
            freed += found.st_size
    # Our own writers are shut out by now, so whatever they have not finished never will be.
    for directory, limit in ((store.scratch, float("inf")), (store.root / "ingest", newest)):
        for path, found in _files(directory):
            if found.st_mtime <= limit:
                if not dry_run:
                    remove_file(path)
                unfinished += 1
                freed += found.st_size
    return GcReport(tuple(sorted(removed)), freed, unfinished, spared, dry_run)


def _directories(path: Path) -> list[Path]:
    with store_errors("list", path):
        return sorted(entry for entry in path.iterdir() if entry.is_dir()) if path.is_dir() else []


def _files(directory: Path) -> Iterator[tuple[Path, os.stat_result]]:
    with store_errors("list", directory):
        try:
            names = sorted(os.listdir(directory))
        except FileNotFoundError:
            return
    for name in names:
        path = directory / name
        with store_errors("read", path):
            try:
                found = path.lstat()
            except FileNotFoundError:
                continue
        yield path, found
