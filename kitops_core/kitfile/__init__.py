"""The Kitfile: its model, YAML in and out, the config blob, and what layers belong to which entry."""

from __future__ import annotations

from kitops_core.kitfile.entries import KitEntry, clean_path, is_modelkit_reference
from kitops_core.kitfile.match import KitView
from kitops_core.kitfile.model import (
    KITFILE_NAMES,
    Code,
    Dataset,
    Docs,
    Kitfile,
    McpServer,
    Model,
    ModelPart,
    Package,
    Prompt,
    find_kitfile,
)
from kitops_core.kitfile.view import view

__all__ = [
    "KITFILE_NAMES",
    "Code",
    "Dataset",
    "Docs",
    "KitEntry",
    "KitView",
    "Kitfile",
    "McpServer",
    "Model",
    "ModelPart",
    "Package",
    "Prompt",
    "clean_path",
    "find_kitfile",
    "is_modelkit_reference",
    "view",
]
