"""The graph of the demo: wine data, a model of it as a kit, its card, and the channels it goes through."""

from pathlib import Path

import dagster as dg
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from dagster_kitops import (
    KitOpsResource,
    ModelKit,
    ModelKitContents,
    ModelKitIOManager,
    digest_check,
    promotion_assets,
    promotion_schedule,
    rollback_job,
)

POLICY = Path(__file__).with_name("promotion.yaml")


class Training(dg.Config):
    """How to train: a larger ``regularization`` fits the data more closely."""

    regularization: float = 100.0


@dg.asset(group_name="training", kinds={"sklearn"})
def wine_data() -> list[list[float]]:
    """Chemical analyses of wines, and where each is from."""
    features, labels = load_wine(return_X_y=True)
    return [[*row, float(label)] for row, label in zip(features.tolist(), labels, strict=True)]


@dg.asset(group_name="training", kinds={"kitops", "sklearn"}, io_manager_key="modelkit")
def wine(wine_data: list[list[float]], config: Training) -> ModelKitContents:
    """Tells where a wine is from."""
    train, test = train_test_split(wine_data, test_size=0.3, random_state=0)
    model = SVC(C=config.regularization).fit([row[:-1] for row in train], [row[-1] for row in train])
    accuracy = model.score([row[:-1] for row in test], [row[-1] for row in test])
    return ModelKitContents(
        model=model,
        datasets={"test": list(test)},
        parameters=model.get_params(),
        metrics={"accuracy": round(float(accuracy), 4)},
        description="Tells where a wine is from",
        license="Apache-2.0",
    )


@dg.asset(group_name="training", kinds={"markdown"})
def card(wine: ModelKit) -> str:
    """The model card of the very digest that was recorded as the input."""
    return wine.read_text("README.md")


checks = [digest_check(wine)]
staging, prod = promotion_assets(wine, POLICY, checks=checks, group_name="channels")
promote = dg.define_asset_job("promote", selection=[staging, prod])
resource = KitOpsResource()

defs = dg.Definitions(
    assets=[wine_data, wine, card, staging, prod],
    asset_checks=checks,
    jobs=[promote, rollback_job(prod, "prod", policy=POLICY)],
    schedules=[promotion_schedule(wine, POLICY, checks=checks, cron_schedule="0 6 * * 1-5")],
    resources={"kitops": resource, "modelkit": ModelKitIOManager(kitops=resource)},
    executor=dg.in_process_executor,
)
