"""What is downstream is asked for when a kit has other contents, and only then."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pytest
from runs import QUIET

from dagster_kitops import KitOpsResource, ModelKitContents, ModelKitIOManager, kits_changed, promote_when_verified


class Graph:
    """An asset ``churn``, a blocking check on it, and ``release`` with a condition; ticks of its automation."""

    def __init__(self, condition: Any, instance: dg.DagsterInstance) -> None:
        self.text, self.good = "first", True
        self.instance, self.cursor = instance, None

        @dg.asset(io_manager_key="modelkit")
        def churn():
            return ModelKitContents(docs={"README.md": self.text.encode()})

        @dg.asset_check(asset=churn, blocking=True)
        def verified() -> dg.AssetCheckResult:
            return dg.AssetCheckResult(passed=self.good)

        @dg.asset(deps=[churn], automation_condition=condition)
        def release() -> None: ...

        manager = ModelKitIOManager(kitops=KitOpsResource())
        self.release = release
        self.defs = dg.Definitions([churn, release], asset_checks=[verified], resources={"modelkit": manager})

    def run(self, *names: str, good: bool = True) -> None:
        """Run assets with their checks."""
        self.good = good
        job = self.defs.resolve_implicit_global_asset_job_def()
        job.execute_in_process(
            instance=self.instance,
            asset_selection=[dg.AssetKey(name) for name in names],
            raise_on_error=False,
            run_config=QUIET,
        )

    def tick(self) -> int:
        """How many assets are asked for now."""
        result = dg.evaluate_automation_conditions(defs=self.defs, instance=self.instance, cursor=self.cursor)
        self.cursor = result.cursor
        return result.total_requested


@pytest.mark.parametrize("condition", [kits_changed, promote_when_verified])
def test_only_other_contents_ask_for_what_is_downstream(condition: Any, instance: dg.DagsterInstance) -> None:
    graph = Graph(condition(), instance)
    graph.run("churn")
    graph.run("release")
    graph.tick()
    graph.run("churn")
    assert graph.tick() == 0
    graph.text = "second"
    graph.run("churn")
    assert graph.tick() == 1
    graph.run("release")
    assert graph.tick() == 0


def test_a_candidate_whose_check_failed_waits_until_it_passes(instance: dg.DagsterInstance) -> None:
    graph = Graph(promote_when_verified(), instance)
    graph.run("churn", good=False)
    assert graph.tick() == 0
    graph.run("churn", good=True)
    assert graph.tick() == 1
    graph.run("release")
    assert graph.tick() == 0
    graph.text = "second"
    graph.run("churn", good=False)
    assert graph.tick() == 0
    graph.run("churn", good=True)
    assert graph.tick() == 1


def test_a_candidate_that_comes_as_a_promotion_ends_is_not_lost(instance: dg.DagsterInstance) -> None:
    graph = Graph(promote_when_verified(), instance)
    graph.run("churn")
    assert graph.tick() == 1
    graph.run("release")
    graph.text = "second"
    graph.run("churn")
    assert graph.tick() == 1
