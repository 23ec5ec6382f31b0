"""What a Kitfile's entries are called, where they are, and which of them have a layer."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from kitops_core.errors import InvalidReferenceError
from kitops_core.oci.media_types import Section
from kitops_core.reference import parse_name


@dataclass(frozen=True)
class KitEntry:
    """An entry that has a layer.

    Attributes:
        address: Its stable name in the Kitfile: ``model``, ``model.parts[0]``, ``datasets[1]`` ...
        section: What its layer holds.
        path: Its path in the kit, cleaned; ``.`` for the context itself.
        name: Its name, or an empty string.
        license: Its licence, or an empty string.
        digest: Digest of the layer as stored, from a packed kit.
        diff_id: Digest of the layer's uncompressed bytes, from a packed kit.
    """

    address: str
    section: Section
    path: str
    name: str = ""
    license: str = ""
    digest: str = ""
    diff_id: str = ""


def clean_path(path: str) -> str:
    """``path`` without ``.``, doubled slashes, trailing slashes and what ``..`` undoes; ``.`` when it is empty."""
    return posixpath.normpath(path) if path else "."


def is_modelkit_reference(path: str) -> bool:
    """Whether a path is a reference to a ModelKit.

    It is when it has a ``:`` or an ``@`` and follows the grammar of references, as the reference CLI has it. So
    ``model.bin`` and ``weights/model`` never are, and a file whose name has a colon must be renamed. An ``oci:PATH``
    names a directory of one machine, which a kit cannot refer to: it is not taken for a reference here.
    """
    if ":" not in path and "@" not in path:
        return False
    try:
        return not parse_name(path).layout
    except InvalidReferenceError:
        return False
