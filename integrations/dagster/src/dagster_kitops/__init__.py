"""Dagster assets as KitOps ModelKits.

Names are imported when they are first used, so that a process that only reports to Dagster needs no Dagster.
"""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

from kitops_core import __version__ as __version__

if TYPE_CHECKING:
    from dagster_kitops.approval import ApprovalConfig as ApprovalConfig
    from dagster_kitops.approval import approval_job as approval_job
    from dagster_kitops.automation import kits_changed as kits_changed
    from dagster_kitops.automation import promote_when_verified as promote_when_verified
    from dagster_kitops.checks import digest_check as digest_check
    from dagster_kitops.checks import policy_check as policy_check
    from dagster_kitops.checks import signature_check as signature_check
    from dagster_kitops.components import KitOpsComponent as KitOpsComponent
    from dagster_kitops.components import ModelKitComponent as ModelKitComponent
    from dagster_kitops.components import ModelKitPromotionComponent as ModelKitPromotionComponent
    from dagster_kitops.contents import ModelKitContents as ModelKitContents
    from dagster_kitops.external import external_modelkit as external_modelkit
    from dagster_kitops.external import modelkit_sensor as modelkit_sensor
    from dagster_kitops.external import observable_modelkits as observable_modelkits
    from dagster_kitops.importing import imported_modelkit as imported_modelkit
    from dagster_kitops.indexing import modelkit_index_asset as modelkit_index_asset
    from dagster_kitops.io_manager import ModelKitIOManager as ModelKitIOManager
    from dagster_kitops.kit_ref import ModelKitLayers as ModelKitLayers
    from dagster_kitops.kit_ref import ModelKitRef as ModelKitRef
    from dagster_kitops.kit_ref import ModelKitVariants as ModelKitVariants
    from dagster_kitops.modelkit import ModelKit as ModelKit
    from dagster_kitops.options import check_definitions as check_definitions
    from dagster_kitops.pipes import report_modelkit as report_modelkit
    from dagster_kitops.promoting_all import promote_all_job as promote_all_job
    from dagster_kitops.promotion import PromotionConfig as PromotionConfig
    from dagster_kitops.promotion import RollbackConfig as RollbackConfig
    from dagster_kitops.promotion import promotion_asset as promotion_asset
    from dagster_kitops.promotion import promotion_assets as promotion_assets
    from dagster_kitops.promotion import rollback_job as rollback_job
    from dagster_kitops.resources import KitOpsResource as KitOpsResource
    from dagster_kitops.resources import RegistryLogin as RegistryLogin
    from dagster_kitops.scheduling import promotion_schedule as promotion_schedule
    from dagster_kitops.serializers import Serializer as Serializer
    from dagster_kitops.serializers import register_serializer as register_serializer
    from dagster_kitops.signing import signing_job as signing_job
    from dagster_kitops.unpushed import kept_kit as kept_kit

_HOMES = {
    "approval": "ApprovalConfig approval_job",
    "automation": "kits_changed promote_when_verified",
    "checks": "digest_check policy_check signature_check",
    "components": "KitOpsComponent ModelKitComponent ModelKitPromotionComponent",
    "contents": "ModelKitContents",
    "external": "external_modelkit modelkit_sensor observable_modelkits",
    "importing": "imported_modelkit",
    "indexing": "modelkit_index_asset",
    "io_manager": "ModelKitIOManager",
    "kit_ref": "ModelKitLayers ModelKitRef ModelKitVariants",
    "modelkit": "ModelKit",
    "options": "check_definitions",
    "pipes": "report_modelkit",
    "promoting_all": "promote_all_job",
    "promotion": "PromotionConfig RollbackConfig promotion_asset promotion_assets rollback_job",
    "resources": "KitOpsResource RegistryLogin",
    "scheduling": "promotion_schedule",
    "serializers": "Serializer register_serializer",
    "signing": "signing_job",
    "unpushed": "kept_kit",
}
_EXPORTS = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = sorted(_EXPORTS)  # pyright: ignore[reportUnsupportedDunderAll]

with suppress(ImportError):  # where there is no Dagster, nobody asks for its libraries
    from dagster_shared.libraries import DagsterLibraryRegistry

    DagsterLibraryRegistry.register("dagster-kitops", __version__, is_dagster_package=False)


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'dagster_kitops' has no attribute '{name}'")
    value = getattr(import_module(f"dagster_kitops.{_EXPORTS[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *_EXPORTS]
