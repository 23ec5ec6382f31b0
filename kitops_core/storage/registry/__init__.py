"""Registries: a repository as a storage for kits, and options.

What is not used is not imported: options come without what speaks HTTP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kitops_core.storage.registry.options import RegistryOptions
    from kitops_core.storage.registry.repository import RegistryRepository

__all__ = ["RegistryOptions", "RegistryRepository"]

_HOMES = {"RegistryOptions": "options", "RegistryRepository": "repository"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
