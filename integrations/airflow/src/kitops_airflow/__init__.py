"""Apache Airflow provider for KitOps ModelKits.

Importing it imports neither Airflow nor the engine: Airflow reads a provider's description in every process. The names
below are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kitops_airflow.assets import modelkit_asset as modelkit_asset
    from kitops_airflow.events import ModelKitEvent as ModelKitEvent
    from kitops_airflow.hooks.kitops import KitOpsHook as KitOpsHook
    from kitops_airflow.notifications import ModelKitNotifier as ModelKitNotifier
    from kitops_airflow.operators.imports import KitImportOperator as KitImportOperator
    from kitops_airflow.operators.indexes import KitIndexOperator as KitIndexOperator
    from kitops_airflow.operators.inspect import KitInspectOperator as KitInspectOperator
    from kitops_airflow.operators.pack import KitPackOperator as KitPackOperator
    from kitops_airflow.operators.pack import KitPackPushOperator as KitPackPushOperator
    from kitops_airflow.operators.parts import KitAssembleOperator as KitAssembleOperator
    from kitops_airflow.operators.parts import KitPackLayersOperator as KitPackLayersOperator
    from kitops_airflow.operators.promote import KitPromoteOperator as KitPromoteOperator
    from kitops_airflow.operators.promote import KitRollbackOperator as KitRollbackOperator
    from kitops_airflow.operators.promote_all import KitPromoteAllOperator as KitPromoteAllOperator
    from kitops_airflow.operators.pull import KitPullOperator as KitPullOperator
    from kitops_airflow.operators.sign import KitSignOperator as KitSignOperator
    from kitops_airflow.operators.verify import KitVerifyOperator as KitVerifyOperator
    from kitops_airflow.sensors.tag import ModelKitTagSensor as ModelKitTagSensor
    from kitops_airflow.task_groups import promote_all as promote_all
    from kitops_airflow.task_groups import promote_with_approval as promote_with_approval
    from kitops_airflow.triggers.tag import ModelKitTagTrigger as ModelKitTagTrigger

    __version__: str

_HOMES = {
    "assets": "modelkit_asset",
    "events": "ModelKitEvent",
    "hooks.kitops": "KitOpsHook",
    "notifications": "ModelKitNotifier",
    "operators.imports": "KitImportOperator",
    "operators.indexes": "KitIndexOperator",
    "operators.inspect": "KitInspectOperator",
    "operators.pack": "KitPackOperator KitPackPushOperator",
    "operators.parts": "KitAssembleOperator KitPackLayersOperator",
    "operators.promote": "KitPromoteOperator KitRollbackOperator",
    "operators.promote_all": "KitPromoteAllOperator",
    "operators.pull": "KitPullOperator",
    "operators.sign": "KitSignOperator",
    "operators.verify": "KitVerifyOperator",
    "sensors.tag": "ModelKitTagSensor",
    "task_groups": "promote_all promote_with_approval",
    "triggers.tag": "ModelKitTagTrigger",
}
_EXPORTS = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = sorted(_EXPORTS)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("airflow-provider-kitops")
    if name not in _EXPORTS:
        raise AttributeError(f"module 'kitops_airflow' has no attribute '{name}'")
    value = getattr(import_module(f"kitops_airflow.{_EXPORTS[name]}"), name)
    globals()[name] = value
    return value
