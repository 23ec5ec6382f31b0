"""A Kitfile for a repository of the Hub, by the rules of ``kitops init`` and what its card says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kitops_core.events import Control
from kitops_core.importing.hub_name import HubName
from kitops_core.importing.remote_files import RemoteFiles
from kitops_core.kitfile.licenses import READ_BYTES, front_matter

if TYPE_CHECKING:
    from kitops_core.kitfile import Kitfile

MOST_ENTRIES = 2000
"""A repository with more files gets an entry, and so a layer, for each directory below the root instead."""

_CARD = "README.md"


class RemoteStarts:
    """Reads the starts of files, each once; a :data:`~kitops_core.kitfile.listing.ReadStart`."""

    def __init__(self, remote: RemoteFiles, control: Control) -> None:
        self._remote = remote
        self._control = control
        self._files = {file.path: file for file in remote.files}
        self._read: dict[str, tuple[int, bytes]] = {}

    def __call__(self, path: str, most: int) -> bytes:
        """As many bytes of the start as asked for; empty where there is no such file."""
        file = self._files.get(path)
        if file is None:
            return b""
        asked, data = self._read.get(path, (0, b""))
        if asked < most and len(data) < file.size:
            data = self._remote.start(file, most, self._control)
            self._read[path] = most, data
        return data[:most]


def describe_hub(name: HubName, remote: RemoteFiles, control: Control) -> tuple[Kitfile, list[str]]:
    """The Kitfile of a repository, and the ids of the models that it says it was made from.

    Raises:
        DeniedError, NotFoundError, RegistryError, IntegrityError: The few files that describe it could not be read.
    """
    from kitops_core.kitfile import Package
    from kitops_core.kitfile.generator import describe
    from kitops_core.kitfile.listing import ListedFile, list_files

    read = RemoteStarts(remote, control)
    card = front_matter(read(_CARD, READ_BYTES))
    package = Package(
        name=name.name,
        description=_text(card, "description") or _text(card, "pretty_name") or f"Imported from {name.uri()}",
        authors=[name.owner] if name.owner else [],
    )
    listing = list_files(ListedFile(file.path, file.size) for file in remote.files)
    many = len(remote.files) > MOST_ENTRIES
    kitfile = describe(listing, read, package, depth=0 if many else -1)
    if kitfile.model is not None and not kitfile.model.framework:
        kitfile.model.framework = _text(card, "library_name")
    return kitfile, base_models(card)


def base_models(card: Mapping[str, Any]) -> list[str]:
    """The models a card says that this one was made from."""
    said = card.get("base_model")
    return [said] if isinstance(said, str) else [item for item in said or () if isinstance(item, str)]


def _text(card: Mapping[str, Any], key: str) -> str:
    value = card.get(key)
    return value if isinstance(value, str) else ""
