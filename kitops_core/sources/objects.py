"""A directory of an object store as what is packed: its files, and the Kitfile that is among them or that fits them."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from kitops_core.errors import SourceError
from kitops_core.objects.location import Location
from kitops_core.objects.store import ObjectDirectory, StoredObject, find_objects

if TYPE_CHECKING:
    from kitops_core.kitfile import Kitfile, KitfileData
    from kitops_core.layers.ignore import IgnoreRules


def find_directory(location: Location) -> ObjectDirectory:
    """The directory at a location in an object store.

    Raises:
        SourceError: It is one object, or nothing is there.
        InvalidInputError, DeniedError: It cannot be looked at.
    """
    found = find_objects(location)
    if isinstance(found, StoredObject):
        raise SourceError(
            f"'{found.url}' is a file, not a directory",
            hint="pack the directory it is in, or name it: Contents(model=...)",
        )
    return found


def kitfile_in(directory: ObjectDirectory) -> KitfileData | None:
    """The Kitfile among the objects, or ``None``.

    Raises:
        KitfileError: It has problems; all are named.
        SourceError, DeniedError: It cannot be read.
    """
    from kitops_core.kitfile.data import KITFILE_NAMES, KitfileData

    found = next((directory.objects[name] for name in KITFILE_NAMES if name in directory.objects), None)
    return None if found is None else KitfileData.parse(found.read(0, found.size), found.url)


def describe_objects(directory: ObjectDirectory, rules: IgnoreRules, fallback_name: str = "") -> Kitfile:
    """The Kitfile that ``kitops init`` would write if the objects were files in a directory.

    Args:
        directory: The objects.
        rules: What packing leaves out.
        fallback_name: What the kit is called where nothing says; by default as the directory.

    Raises:
        SourceError, DeniedError: The few objects that tell what the others are cannot be read.
    """
    from kitops_core.files.secrets import READ_BYTES, is_secret_file
    from kitops_core.kitfile import Package
    from kitops_core.kitfile.generator import describe
    from kitops_core.kitfile.listing import ListedFile, list_files
    from kitops_core.sources.generate import ignored_by

    ignored = ignored_by(rules)

    def read(path: str, most: int) -> bytes:
        found = directory.objects.get(path)
        return b"" if found is None else found.read(0, min(most, found.size))

    def is_ignored(path: str) -> bool:
        parts = path.split("/")
        above = ("/".join(parts[:depth]) for depth in range(1, len(parts)))
        return any(ignored(directory, True) for directory in above) or ignored(path, False)

    taken = [
        ListedFile(path, found.size)
        for path, found in directory.objects.items()
        if not is_ignored(path) and not is_secret_file(os.fsencode(path), partial(read, path, READ_BYTES))
    ]
    return describe(list_files(taken), read, Package(), depth=0, fallback_name=fallback_name or directory.name)
