"""Parts of a blob from a registry, for who needs few of its bytes: they cannot be checked against its digest."""

from __future__ import annotations

from collections.abc import Callable

from kitops_core.errors import RegistryError
from kitops_core.events import Control
from kitops_core.oci.manifest import Descriptor
from kitops_core.storage.registry.downloads import serve_blob
from kitops_core.storage.registry.endpoint import Endpoint
from kitops_core.storage.registry.failures import LostError
from kitops_core.storage.registry.ranged_stream import NoPartsError, RangedStream


def blob_parts(endpoint: Endpoint, descriptor: Descriptor, control: Control) -> Callable[[int, int], bytes | None]:
    """What fetches a part of a blob; see :meth:`kitops_core.storage.Storage.open_parts`."""
    served = serve_blob(endpoint, descriptor)

    def fetch(start: int, end: int) -> bytes | None:
        try:
            return _read(RangedStream(served, control, start, end, patient=False), end - start)
        except NoPartsError:
            return None
        except (LostError, RegistryError):  # it does send parts, or has not said yet: this one is waited for
            return _read(RangedStream(served, control, start, end), end - start)

    return fetch


def _read(stream: RangedStream, size: int) -> bytes:
    view = memoryview(bytearray(size))
    done = 0
    try:
        while done < size and (count := stream.readinto(view[done:])):
            done += count
    finally:
        stream.close()
    return bytes(view[:done])
