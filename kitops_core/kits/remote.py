"""What of a kit is elsewhere: datasets that stay in S3 or are another kit's, fetched when somebody asks for them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from kitops_core.errors import IntegrityError
from kitops_core.events import Control, Event
from kitops_core.kitfile.data import KitfileData
from kitops_core.kitfile.entries import KitEntry, clean_path, is_modelkit_reference
from kitops_core.kits.filters import Filter, takes_entry
from kitops_core.session import FoundKit


class RemoteDataset(NamedTuple):
    """A dataset that a Kitfile names and the kit does not hold.

    Attributes:
        entry: Its entry; the path is where it goes when it is fetched.
        url: ``s3://bucket/key``, or the reference of the kit that holds it.
        etag: The ETag that it had when the kit was packed; empty for a kit.
    """

    entry: KitEntry
    url: str
    etag: str

    @property
    def is_kit(self) -> bool:
        """Whether another kit holds it."""
        return is_modelkit_reference(self.url)


def remote_datasets_of(kitfile: KitfileData) -> list[RemoteDataset]:
    """The datasets of a Kitfile that are elsewhere."""
    found = []
    for index, dataset in enumerate(kitfile.values.get("datasets") or ()):
        url = dataset.get("remote_path", "")
        if url:
            path = clean_path(dataset.get("path") or url.partition("?")[0].rpartition("/")[2])
            entry = KitEntry(f"datasets[{index}]", "dataset", path, name=dataset.get("name", ""))
            found.append(RemoteDataset(entry, url, dataset.get("remote_hash", "")))
    return found


def fetch_remote(
    wanted: Sequence[RemoteDataset],
    directory: Path,
    find_kit: Callable[[str], FoundKit],
    unpack_datasets: Callable[[FoundKit, int], int],
    control: Control,
) -> int:
    """Fetch datasets into a directory that nobody else uses, every byte checked.

    Args:
        wanted: The datasets.
        directory: Where to; what is left in it after an error is of no use.
        find_kit: Finds a kit that holds one.
        unpack_datasets: Unpacks the datasets of a kit into an open directory, and gives their bytes.
        control: Progress and cancelling.

    Returns:
        How many bytes were fetched.

    Raises:
        UnsafeLayerError: A path leads out of the directory, or is taken.
        SourceChangedError, IntegrityError: An object is not the one that the kit names.
        NotFoundError, DeniedError, RegistryError: It is not there, or S3 refused or failed.
    """
    from kitops_core.layers.tree import OPEN_DIRECTORY, Tree
    from kitops_core.sources.s3 import S3, S3Url

    done = 0
    handle = os.open(directory, OPEN_DIRECTORY)
    storage: S3 | None = None
    try:
        for dataset in wanted:
            control.check()
            if dataset.is_kit:
                done += unpack_datasets(find_kit(dataset.url), handle)
                continue
            storage = storage or S3()
            url = S3Url.parse(dataset.url)
            control.emit(Event("start", dataset.entry.path, 0, None))
            with Tree(handle, f"the dataset {dataset.url}") as tree:
                # Made by the tree, so that its path cannot lead elsewhere; then written in place.
                tree.write_file(os.fsencode(dataset.entry.path), 0o644, memoryview(b""), 0, lambda: memoryview(b""))
            with (directory / dataset.entry.path).open("w+b") as file:
                size = storage.fetch(url, dataset.etag, file, control)
            control.emit(Event("finish", dataset.entry.path, size, size, "unpacked"))
            done += size
    finally:
        with suppress(OSError):
            os.close(handle)
    return done


def select_remote(kitfile: KitfileData, filters: Sequence[Filter]) -> list[RemoteDataset]:
    """The datasets that are elsewhere and that filters take.

    Raises:
        IntegrityError: One in S3 has no hash to check it with.
    """
    wanted = [dataset for dataset in remote_datasets_of(kitfile) if takes_entry(filters, dataset.entry)]
    for dataset in wanted:
        if not dataset.is_kit and not dataset.etag:
            raise IntegrityError(f"{dataset.entry.address}: the kit has no hash of {dataset.url} to check it with")
    return wanted
