"""The local store, in the reference CLI's layout, and plain OCI layout directories.

**One set of files, shared with the reference CLI.** ``<home>/storage`` is an OCI image layout whose ``index.json``
lists every manifest, plus two files a repository: ``<b64>-index.json`` (its manifests) and ``<b64>-tags.json`` (its
tags), ``<b64>`` being the URL-safe base64 of ``registry/repository``. These files are the only truth: no second list
of tags is kept beside them. So a tag that the reference CLI writes, moves or removes is simply what the file says,
and nothing has to guess whether a missing tag was removed or lost.

**Many writers.** Whoever changes an index holds ``.kitops-core/lock`` exclusively, reads the file, and replaces it
atomically. Whoever writes blobs holds ``.kitops-core/writers`` shared until it closes the repository; the collector
holds it exclusively, so it never takes a blob from under a kit that is being written.

**A kill at any point.** Blobs are written aside, flushed and renamed; then come ``index.json``, the repository's
manifests, and last its tags, so that a tag never points at something that is not there. A manifest that is being
added or deleted is noted in ``.kitops-core/pending.json`` first; whoever takes the lock next drops it again if no tag
points at it. What is left besides is blobs that nothing names, and ``gc`` removes those.

**What the reference CLI cannot promise.** It takes no locks and writes back what it read when it started, so a
change made to the same repository *while it runs* can be lost, ours as well as its own. Such a kit's tag is gone
(pack it again); its blobs stay until ``gc``. What it drops from ``index.json`` is put back with our next change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kitops_core.storage.local.gc import GcReport, collect_garbage
    from kitops_core.storage.local.home import store_home
    from kitops_core.storage.local.layer_cache import CachedLayer, LayerCache
    from kitops_core.storage.local.layout import LayoutRepository
    from kitops_core.storage.local.repository import LocalRepository
    from kitops_core.storage.local.store import LocalStore

__all__ = [
    "CachedLayer",
    "GcReport",
    "LayerCache",
    "LayoutRepository",
    "LocalRepository",
    "LocalStore",
    "collect_garbage",
    "store_home",
]

_HOMES = {
    "CachedLayer": "layer_cache",
    "GcReport": "gc",
    "LayerCache": "layer_cache",
    "LayoutRepository": "layout",
    "LocalRepository": "repository",
    "LocalStore": "store",
    "collect_garbage": "gc",
    "store_home": "home",
}


def __getattr__(name: str) -> Any:
    # What most commands need is two of these; the collector and layouts are imported by those who use them.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
