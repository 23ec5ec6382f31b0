"""One file of a kit as an ``ObjectStoragePath``: ``modelkit://conn@host/repository@sha256:…/model.pt``. Read only."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from fsspec.spec import AbstractFileSystem

import kitops_core as kitops
from kitops_airflow.hooks.kitops import KitOpsHook
from kitops_core import NotFoundError

SCHEME = "modelkit"
schemes = [SCHEME]


def get_fs(conn_id: str | None, storage_options: Mapping[str, Any] | None = None) -> ModelKitFileSystem:
    """Airflow's factory of this file system.

    Args:
        conn_id: The connection to the registry.
        storage_options: Further arguments of fsspec.
    """
    return ModelKitFileSystem(kitops_conn_id=conn_id or KitOpsHook.default_conn_name, **(storage_options or {}))


class ModelKitFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """The files of kits in a registry, each read without unpacking the rest.

    The kit is named by a tag or a digest. A file is checked against its layer's digest and held in memory, so it has at
    most 1 GiB; unpack what is larger. A directory lists the Kitfile's entries: what lies inside a directory of the kit
    can be opened by its path but is not listed, since only reading the whole layer would tell.

    Args:
        kitops_conn_id: The connection to the registry.
        **kwargs: Further arguments of fsspec.
    """

    protocol = SCHEME
    cachable = False

    def __init__(self, kitops_conn_id: str = KitOpsHook.default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kitops_conn_id = kitops_conn_id

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        """The entries of a kit, or those below a directory of it.

        Raises:
            FileNotFoundError: There is no such kit or entry.
        """
        reference, inside = split_path(self._strip_protocol(path))
        with self._kit(reference) as kit:
            entries = {layer.entry.path: layer for layer in kit.layers}
            below = [entry for entry in entries if not inside or entry == inside or entry.startswith(f"{inside}/")]
            infos = [
                {
                    "name": f"{reference}/{entry}",
                    "size": entries[entry].descriptor.size,
                    "type": "file",
                    "digest": entries[entry].descriptor.digest,
                }
                for entry in below
            ]
        if not infos:
            raise FileNotFoundError(path)
        return infos if detail else [info["name"] for info in infos]

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        """What is at a path: a kit is a directory, what is in it is read to tell.

        Raises:
            FileNotFoundError: There is no such kit or file.
        """
        stripped = self._strip_protocol(path)
        reference, inside = split_path(stripped)
        if not inside:
            with self._kit(reference):
                return {"name": stripped, "size": 0, "type": "directory"}
        return {"name": stripped, "size": len(self.cat_file(path)), "type": "file"}

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any) -> bytes:
        """The bytes of one file.

        Raises:
            FileNotFoundError: There is no such kit or file.
        """
        reference, inside = split_path(self._strip_protocol(path))
        with self._kit(reference) as kit:
            return kit.read(inside)[start:end]

    def _open(self, path: str, mode: str = "rb", *args: Any, **kwargs: Any) -> io.BytesIO:
        if mode != "rb":
            raise PermissionError(f"'{path}' is in a ModelKit, which never changes: pack a new one")
        return io.BytesIO(self.cat_file(path))

    @contextmanager
    def _kit(self, reference: str) -> Iterator[kitops.ModelKit]:
        try:
            hook = KitOpsHook(self.kitops_conn_id)
            with hook.get_conn() as client, client.open(str(hook.reference(reference)), where="registry") as kit:
                yield kit
        except NotFoundError as error:
            raise FileNotFoundError(error.message) from error


def split_path(path: str) -> tuple[str, str]:
    """The kit's reference and the path in it: the repository ends with the segment that names a tag or a digest.

    Raises:
        FileNotFoundError: No segment does.
    """
    host, *segments = path.strip("/").split("/")
    for number, segment in enumerate(segments, 1):
        if "@" in segment or ":" in segment:
            return "/".join((host, *segments[:number])), "/".join(segments[number:])
    raise FileNotFoundError(f"'{path}' names no version of a kit: write modelkit://host/repository@sha256:…/path")
