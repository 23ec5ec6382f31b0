"""Pack, push, pull, unpack and compare KitOps ModelKits, with any OCI registry.

Names are imported when they are first used, so that ``import kitops_core`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kitops_core.errors import CancelledError as CancelledError
    from kitops_core.errors import ConflictError as ConflictError
    from kitops_core.errors import DeniedError as DeniedError
    from kitops_core.errors import IntegrityError as IntegrityError
    from kitops_core.errors import InvalidInputError as InvalidInputError
    from kitops_core.errors import InvalidReferenceError as InvalidReferenceError
    from kitops_core.errors import KitfileError as KitfileError
    from kitops_core.errors import KitOpsError as KitOpsError
    from kitops_core.errors import NotFoundError as NotFoundError
    from kitops_core.errors import RegistryError as RegistryError
    from kitops_core.errors import SourceChangedError as SourceChangedError
    from kitops_core.errors import SourceError as SourceError
    from kitops_core.errors import StoreError as StoreError
    from kitops_core.errors import UnsafeLayerError as UnsafeLayerError
    from kitops_core.events import Cancel as Cancel
    from kitops_core.events import Event as Event
    from kitops_core.kitfile import Kitfile as Kitfile
    from kitops_core.record import LayerRecord as LayerRecord
    from kitops_core.record import ModelKitRecord as ModelKitRecord
    from kitops_core.record import Source as Source
    from kitops_core.reference import Reference as Reference
    from kitops_core.reference import parse_reference as parse_reference
    from kitops_core.storage.registry import RegistryOptions as RegistryOptions
    from kitops_core.verbs.contents import Contents as Contents
    from kitops_core.verbs.copy import copy as copy
    from kitops_core.verbs.copy import pull as pull
    from kitops_core.verbs.copy import push as push
    from kitops_core.verbs.describe import StoredLayer as StoredLayer
    from kitops_core.verbs.diff import KitDiff as KitDiff
    from kitops_core.verbs.diff import diff as diff
    from kitops_core.verbs.generate import generate_kitfile as generate_kitfile
    from kitops_core.verbs.kit import ModelKit as ModelKit
    from kitops_core.verbs.kit import open_kit as _open_kit
    from kitops_core.verbs.manage import list_kits as list_kits
    from kitops_core.verbs.manage import remove as remove
    from kitops_core.verbs.manage import remove_all as remove_all
    from kitops_core.verbs.manage import tag as tag
    from kitops_core.verbs.pack import pack as pack
    from kitops_core.verbs.unpack import Unpacked as Unpacked
    from kitops_core.verbs.unpack import unpack as unpack

    # Type checkers take a name as exported only where it is imported as itself, or assigned.
    open = _open_kit

__version__ = "0.1.0"

_HOMES = {
    "kitops_core.verbs.contents": "Contents",
    "kitops_core.verbs.copy": "copy pull push",
    "kitops_core.verbs.describe": "StoredLayer",
    "kitops_core.verbs.diff": "KitDiff diff",
    "kitops_core.errors": (
        "CancelledError ConflictError DeniedError IntegrityError InvalidInputError InvalidReferenceError "
        "KitfileError KitOpsError NotFoundError RegistryError SourceChangedError SourceError StoreError "
        "UnsafeLayerError"
    ),
    "kitops_core.events": "Cancel Event",
    "kitops_core.verbs.kit": "ModelKit open=open_kit",
    "kitops_core.kitfile": "Kitfile",
    "kitops_core.verbs.generate": "generate_kitfile",
    "kitops_core.verbs.manage": "list_kits remove remove_all tag",
    "kitops_core.verbs.pack": "pack",
    "kitops_core.record": "LayerRecord ModelKitRecord Source",
    "kitops_core.reference": "Reference parse_reference",
    "kitops_core.storage.registry": "RegistryOptions",
    "kitops_core.verbs.unpack": "Unpacked unpack",
}
_EXPORTS = {
    name.partition("=")[0]: (module, name.rpartition("=")[2])
    for module, names in _HOMES.items()
    for name in names.split()
}

__all__ = sorted(_EXPORTS)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    try:
        module, attribute = _EXPORTS[name]
    except KeyError:
        raise AttributeError(f"module 'kitops_core' has no attribute '{name}'") from None
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *_EXPORTS]
