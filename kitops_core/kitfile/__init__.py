"""The Kitfile: its model, YAML in and out, the config blob, and what layers belong to which entry.

The models are imported when they are first used: whoever needs only what a Kitfile says
(:class:`~kitops_core.kitfile.data.KitfileData`) does not wait for pydantic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kitops_core.kitfile.data import KITFILE_NAMES, KitfileData, find_kitfile, load_given
from kitops_core.kitfile.entries import KitEntry, clean_path, is_modelkit_reference
from kitops_core.kitfile.match import KitView
from kitops_core.kitfile.view import view

if TYPE_CHECKING:
    from kitops_core.kitfile.model import (
        Code,
        Dataset,
        Docs,
        Kitfile,
        McpServer,
        Model,
        ModelPart,
        Package,
        Prompt,
    )

__all__ = [
    "KITFILE_NAMES",
    "Code",
    "Dataset",
    "Docs",
    "KitEntry",
    "KitView",
    "Kitfile",
    "KitfileData",
    "McpServer",
    "Model",
    "ModelPart",
    "Package",
    "Prompt",
    "clean_path",
    "find_kitfile",
    "is_modelkit_reference",
    "load_given",
    "view",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'kitops_core.kitfile' has no attribute '{name}'")
    from kitops_core.kitfile import model

    return getattr(model, name)
