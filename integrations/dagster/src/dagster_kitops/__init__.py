"""Dagster IO manager and resource for KitOps ModelKits."""

from dagster_shared.libraries import DagsterLibraryRegistry

from dagster_kitops.contents import ModelKitContents
from dagster_kitops.io_manager import ModelKitIOManager
from dagster_kitops.modelkit import ModelKit
from dagster_kitops.resources import KitOpsResource

__version__ = "0.1.0"

__all__ = ["KitOpsResource", "ModelKit", "ModelKitContents", "ModelKitIOManager"]

DagsterLibraryRegistry.register("dagster-kitops", __version__, is_dagster_package=False)
