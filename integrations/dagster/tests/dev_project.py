"""What ``dagster dev`` serves in the tests. What a run does is said by files in $STATE."""

import os
from pathlib import Path

import dagster as dg

from dagster_kitops import (
    KitOpsResource,
    ModelKit,
    ModelKitContents,
    ModelKitIOManager,
    promote_when_verified,
    promotion_asset,
)

STATE = Path(os.environ["STATE"])
REGISTRY = os.environ["REGISTRY"]
REGIONS = dg.StaticPartitionsDefinition(["eu", "us", "日本"])


@dg.asset(io_manager_key="modelkit")
def churn():
    return ModelKitContents(model=(STATE / "weights").read_bytes())


@dg.asset_check(asset=churn, blocking=True)
def verified() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=(STATE / "verified").exists())


@dg.asset
def report(churn: ModelKit) -> int:
    return len(churn.read("model.bin"))


@dg.asset(io_manager_key="modelkit", partitions_def=REGIONS)
def regional(context):
    return ModelKitContents(docs={"README.md": f"# {context.partition_key}\n".encode()})


staging = promotion_asset(
    churn,
    "staging",
    policy=STATE / "promotion.yaml",
    checks=[verified],
    automation_condition=promote_when_verified(),
)

resource = KitOpsResource(registry=REGISTRY)
defs = dg.Definitions(
    assets=[churn, report, regional, staging],
    asset_checks=[verified],
    resources={"kitops": resource, "modelkit": ModelKitIOManager(kitops=resource)},
    sensors=[
        dg.AutomationConditionSensorDefinition(
            "promotions", target="*", default_status=dg.DefaultSensorStatus.RUNNING, minimum_interval_seconds=2
        )
    ],
    executor=dg.in_process_executor,
)
