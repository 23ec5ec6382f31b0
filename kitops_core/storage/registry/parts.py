"""What a repository in a registry needs beyond its first question: imported and made when it is first used."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from kitops_core.events import Control
from kitops_core.storage.registry.endpoint import Endpoint
from kitops_core.storage.registry.manifests import ManifestApi

if TYPE_CHECKING:
    from collections.abc import Callable

    from kitops_core.oci.blob import BlobReader
    from kitops_core.oci.manifest import Descriptor
    from kitops_core.storage.registry.referrers_list import Referrers
    from kitops_core.storage.registry.uploads import Uploader


class Parts:
    """The parts of one repository; safe to use from several threads."""

    def __init__(self, endpoint: Endpoint, manifests: ManifestApi, control: Control) -> None:
        self._endpoint = endpoint
        self._manifests = manifests
        self._control = control
        self._lock = threading.Lock()
        self._referrers: Referrers | None = None
        self._uploader: Uploader | None = None

    @property
    def referrers(self) -> Referrers:
        """The referrers of its manifests."""
        from kitops_core.storage.registry.referrers_list import Referrers

        with self._lock:
            if self._referrers is None:
                self._referrers = Referrers(self._endpoint, self._manifests, self._control)
            return self._referrers

    @property
    def uploader(self) -> Uploader:
        """What writes its blobs."""
        from kitops_core.storage.registry.uploads import Uploader

        with self._lock:
            if self._uploader is None:
                self._uploader = Uploader(self._endpoint)
            return self._uploader

    def tags(self) -> list[str]:
        """Every tag, sorted; see :func:`~.tags_list.list_tags`."""
        from kitops_core.storage.registry.tags_list import list_tags

        return list_tags(self._endpoint, self._control)

    def read(self, descriptor: Descriptor, control: Control) -> BlobReader:
        """One of its blobs; see :func:`~.downloads.download_blob`."""
        from kitops_core.oci.blob import BlobReader
        from kitops_core.storage.registry.downloads import download_blob

        return BlobReader(download_blob(self._endpoint, descriptor, control), descriptor, self._endpoint.name)

    def parts_of(self, descriptor: Descriptor, control: Control) -> Callable[[int, int], bytes | None]:
        """Parts of one of its blobs; see :func:`~.blob_parts.blob_parts`."""
        from kitops_core.storage.registry.blob_parts import blob_parts

        return blob_parts(self._endpoint, descriptor, control)
