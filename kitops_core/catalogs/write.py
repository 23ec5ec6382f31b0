"""Writing a site: only the pages whose inputs changed, all of them made before the first one is put in place."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kitops_core.catalogs.cache import CACHE_NAME, Cache, key_of
from kitops_core.catalogs.site import Page
from kitops_core.errors import ConflictError, StoreError
from kitops_core.events import Control
from kitops_core.version import __version__

_STAGING = ".kitops-catalog-new"


@contextmanager
def site_folder(folder: Path) -> Iterator[None]:
    """Make the folder of a site, and see that it is one.

    Raises:
        ConflictError: It has files that are not a catalogue's.
        StoreError: It cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        strangers = [path.name for path in folder.iterdir()]
    except OSError as error:
        raise StoreError(f"'{folder}' cannot be written: {error.strerror}") from None
    if strangers and CACHE_NAME not in strangers:
        raise ConflictError(
            f"'{folder}' has files that no catalogue wrote: {', '.join(sorted(strangers)[:3])}",
            hint="name a new or empty folder: a catalogue removes pages that it does not need any more",
        )
    try:
        yield
    except OSError as error:
        named = f"'{error.filename}'" if error.filename else f"'{folder}'"
        raise StoreError(f"{named} cannot be written: {error.strerror}") from None
    except sqlite3.Error as error:
        raise StoreError(f"'{folder / CACHE_NAME}' cannot be written: {error}") from None


def write_site(folder: Path, pages: Iterable[Page], style: str, cache: Cache, control: Control) -> int:
    """Write the pages that are new or made from something else than before, and remove those that are no more.

    Returns:
        How many were written, the style sheet not counted.
    """
    staging = folder / _STAGING
    shutil.rmtree(staging, ignore_errors=True)
    before, keys = cache.pages(), dict[str, str]()
    made: list[str] = []
    try:
        for page in (Page("style.css", style, lambda: style), *pages):
            control.check()
            key = keys[page.path] = key_of(__version__, style, page.inputs)
            if before.get(page.path) == key and (folder / page.path).is_file():
                continue
            target = staging / page.path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(page.render(), encoding="utf-8")
            made.append(page.path)
        cache.keep_pages({path: key for path, key in keys.items() if path not in made})
        for path in sorted(made, key=lambda one: (one.count("/") == 0, one)):  # what leads to a page comes after it
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            os.replace(staging / path, folder / path)
        for path in before.keys() - keys.keys():
            _remove(folder, path)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    cache.keep_pages(keys)
    return len(made) - ("style.css" in made)


def _remove(folder: Path, path: str) -> None:
    target = folder / path
    target.unlink(missing_ok=True)
    if target.parent != folder and not any(target.parent.iterdir()):
        target.parent.rmdir()
