"""Trains a small model of who leaves, in a flow; what it returns is packed, pushed and an asset."""

from __future__ import annotations

import json
import math
import os
import random
import sys
from pathlib import Path

from prefect import flow, task

import kitops_core as kitops
from prefect_kitops import ModelKitRef, materialize_modelkit


@task
def customers(count: int) -> list[tuple[list[float], int]]:
    """Customers: months with us, calls to support, and whether they left."""
    chance = random.Random(7)  # noqa: S311  the same customers every time
    people = [[chance.uniform(0, 48), float(chance.randrange(9))] for _ in range(count)]
    return [(p, int(chance.random() < 1 / (1 + math.exp(p[0] / 12 - p[1] / 2)))) for p in people]


@materialize_modelkit(os.environ["DEMO_KIT"], tags=["dev"], upstream=["s3://lake/customers"])
def churn(data: list[tuple[list[float], int]], rounds: int) -> tuple[kitops.Contents, dict[str, float]]:
    """Fit a logistic regression and hand over its files and its accuracy."""
    train, rest = data[: len(data) * 3 // 4], data[len(data) * 3 // 4 :]
    weights = [0.0, 0.0, 0.0]
    for _ in range(rounds):
        for (months, calls), left in train:
            features = [1.0, months / 48, calls / 9]
            error = left - predict(weights, months, calls)
            weights = [w + 0.1 * error * f for w, f in zip(weights, features, strict=True)]
    accuracy = sum((predict(weights, *person) > 0.5) == bool(left) for person, left in rest) / len(rest)

    bundle = Path("bundle")
    bundle.mkdir(exist_ok=True)
    (bundle / "model.json").write_text(json.dumps({"weights": weights}))
    (bundle / "README.md").write_text("# Who is going to leave?\n\nMonths with us and calls to support.\n")
    contents = kitops.Contents(
        model=bundle / "model.json",
        docs=[bundle / "README.md"],
        parameters={"rounds": rounds},
        name="churn",
        version=f"1.{rounds}.0",
        license="Apache-2.0",
        description="Says which customers are going to leave.",
        framework="none",
    )
    return contents, {"accuracy": round(accuracy, 3)}


def predict(weights: list[float], months: float, calls: float) -> float:
    """How likely it is that a customer leaves."""
    bias, by_months, by_calls = weights
    return 1 / (1 + math.exp(-(bias + by_months * months / 48 + by_calls * calls / 9)))


@flow(name="train-churn")
def train_churn(rounds: int) -> ModelKitRef:
    """Train, pack and push."""
    return churn(customers(400), rounds)


if __name__ == "__main__":
    for rounds in sys.argv[1:]:
        print(train_churn(int(rounds)))
