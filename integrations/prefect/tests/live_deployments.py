"""Serves the deployments of the tests against a real server: promotion on an event, with a person, with a check."""

from __future__ import annotations

import os

from prefect import flow, serve

import kitops_core as kitops
from prefect_kitops import modelkit_promotion, modelkit_pushed_trigger

KIT = os.environ["TEST_KIT"]
POLICY = os.environ["TEST_POLICY"]


@flow(name="check")
def check(reference: str) -> None:
    """Refuses what is called bad."""
    with kitops.open(reference, where="registry") as kit:
        if kit.kitfile.package.version.startswith("bad"):
            raise ValueError("it answers nonsense")


if __name__ == "__main__":
    serve(
        modelkit_promotion.to_deployment(
            "on-push",
            parameters={"to": "staging", "policy": POLICY},
            triggers=[modelkit_pushed_trigger(KIT, "dev")],
        ),
        modelkit_promotion.to_deployment("to-prod", parameters={"to": "prod"}),
        modelkit_promotion.to_deployment("one-at-a-time", parameters={"to": "prod"}, concurrency_limit=1),
        check.to_deployment("smoke"),
        pause_on_shutdown=False,
    )
