"""Prefect collection for KitOps ModelKits: blocks, tasks, assets, events, triggers and promotion.

Prefect imports every collection when its server, its workers and ``Block.load`` start, and finds blocks only in
modules that were imported. So the blocks are imported here, and everything else when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from prefect_kitops.registry import OCIRegistry as OCIRegistry
from prefect_kitops.repository import ModelKitRepository as ModelKitRepository

if TYPE_CHECKING:
    from prefect_kitops.approval import PromotionApproval as PromotionApproval
    from prefect_kitops.approval import PromotionCheck as PromotionCheck
    from prefect_kitops.artifacts import create_modelkit_card as create_modelkit_card
    from prefect_kitops.assets import modelkit_asset as modelkit_asset
    from prefect_kitops.cache import ModelKitContent as ModelKitContent
    from prefect_kitops.flows import modelkit_promotion as modelkit_promotion
    from prefect_kitops.importing import aimport_modelkit as aimport_modelkit
    from prefect_kitops.importing import import_modelkit as import_modelkit
    from prefect_kitops.indexing import aindex_modelkits as aindex_modelkits
    from prefect_kitops.indexing import index_modelkits as index_modelkits
    from prefect_kitops.lineage import ModelKitLineage as ModelKitLineage
    from prefect_kitops.lineage import modelkit_lineage as modelkit_lineage
    from prefect_kitops.materialize import materialize_modelkit as materialize_modelkit
    from prefect_kitops.promoting_all import NotPromotedError as NotPromotedError
    from prefect_kitops.promoting_all import apromote_all_modelkits as apromote_all_modelkits
    from prefect_kitops.promoting_all import modelkit_promotion_all as modelkit_promotion_all
    from prefect_kitops.promoting_all import promote_all_modelkits as promote_all_modelkits
    from prefect_kitops.promotion import apromote_modelkit as apromote_modelkit
    from prefect_kitops.promotion import arollback_modelkit as arollback_modelkit
    from prefect_kitops.promotion import promote_modelkit as promote_modelkit
    from prefect_kitops.promotion import rollback_modelkit as rollback_modelkit
    from prefect_kitops.reference import ModelKitRef as ModelKitRef
    from prefect_kitops.shards import aassemble_modelkit as aassemble_modelkit
    from prefect_kitops.shards import apack_modelkit_layers as apack_modelkit_layers
    from prefect_kitops.shards import assemble_modelkit as assemble_modelkit
    from prefect_kitops.shards import pack_modelkit_layers as pack_modelkit_layers
    from prefect_kitops.storage import storage_path as storage_path
    from prefect_kitops.tasks import apack_modelkit as apack_modelkit
    from prefect_kitops.tasks import apull_modelkit as apull_modelkit
    from prefect_kitops.tasks import apush_modelkit as apush_modelkit
    from prefect_kitops.tasks import aresolve_modelkit as aresolve_modelkit
    from prefect_kitops.tasks import asign_modelkit as asign_modelkit
    from prefect_kitops.tasks import averify_modelkit as averify_modelkit
    from prefect_kitops.tasks import pack_modelkit as pack_modelkit
    from prefect_kitops.tasks import pull_modelkit as pull_modelkit
    from prefect_kitops.tasks import push_modelkit as push_modelkit
    from prefect_kitops.tasks import resolve_modelkit as resolve_modelkit
    from prefect_kitops.tasks import sign_modelkit as sign_modelkit
    from prefect_kitops.tasks import verify_modelkit as verify_modelkit
    from prefect_kitops.triggers import modelkit_promoted_trigger as modelkit_promoted_trigger
    from prefect_kitops.triggers import modelkit_pushed_trigger as modelkit_pushed_trigger

    __version__: str

_HOMES = {
    "approval": "PromotionApproval PromotionCheck",
    "artifacts": "create_modelkit_card",
    "assets": "modelkit_asset",
    "cache": "ModelKitContent",
    "flows": "modelkit_promotion",
    "importing": "aimport_modelkit import_modelkit",
    "indexing": "aindex_modelkits index_modelkits",
    "lineage": "ModelKitLineage modelkit_lineage",
    "materialize": "materialize_modelkit",
    "promoting_all": "NotPromotedError apromote_all_modelkits modelkit_promotion_all promote_all_modelkits",
    "promotion": "apromote_modelkit arollback_modelkit promote_modelkit rollback_modelkit",
    "reference": "ModelKitRef",
    "shards": "aassemble_modelkit apack_modelkit_layers assemble_modelkit pack_modelkit_layers",
    "storage": "storage_path",
    "tasks": (
        "apack_modelkit apull_modelkit apush_modelkit aresolve_modelkit asign_modelkit averify_modelkit "
        "pack_modelkit pull_modelkit push_modelkit resolve_modelkit sign_modelkit verify_modelkit"
    ),
    "triggers": "modelkit_promoted_trigger modelkit_pushed_trigger",
}
_EXPORTS = {name: f"{__name__}.{module}" for module, names in _HOMES.items() for name in names.split()}

__all__ = sorted(["ModelKitRepository", "OCIRegistry", *_EXPORTS])  # pyright: ignore


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("prefect-kitops")
    if name not in _EXPORTS:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    value = getattr(import_module(_EXPORTS[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *_EXPORTS]
