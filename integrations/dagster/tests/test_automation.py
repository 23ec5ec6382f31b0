"""What is downstream is asked for when a kit has other contents, and only then."""

from __future__ import annotations

import dagster as dg
from runs import run

from dagster_kitops import KitOpsResource, ModelKitContents, ModelKitIOManager


def test_only_other_contents_ask_for_what_is_downstream(instance: dg.DagsterInstance) -> None:
    text = [b"# First\n"]

    @dg.asset(io_manager_key="modelkit")
    def churn():
        return ModelKitContents(docs={"README.md": text[0]})

    @dg.asset(
        deps=[churn],
        automation_condition=dg.AutomationCondition.any_deps_match(dg.AutomationCondition.data_version_changed()),
    )
    def release() -> None: ...

    manager = ModelKitIOManager(kitops=KitOpsResource())
    defs = dg.Definitions(assets=[churn, release], resources={"modelkit": manager})
    run([churn], instance)
    tick = dg.evaluate_automation_conditions(defs=defs, instance=instance)

    run([churn], instance)
    tick = dg.evaluate_automation_conditions(defs=defs, instance=instance, cursor=tick.cursor)
    assert tick.total_requested == 0

    text[0] = b"# Second\n"
    run([churn], instance)
    tick = dg.evaluate_automation_conditions(defs=defs, instance=instance, cursor=tick.cursor)
    assert tick.total_requested == 1
