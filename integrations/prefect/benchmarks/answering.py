"""Serves a promotion on each push, and a plain flow on an event of its own that writes when it ran."""

from __future__ import annotations

import os
import time
from pathlib import Path

from prefect import flow, serve
from prefect.events import DeploymentEventTrigger

from prefect_kitops import modelkit_promotion, modelkit_pushed_trigger


@flow(name="plain")
def plain() -> None:
    """Write the time."""
    Path(os.environ["BENCH_ANSWER"]).write_text(str(time.time()))


if __name__ == "__main__":
    serve(
        plain.to_deployment("on-event", triggers=[DeploymentEventTrigger(expect={"bench.asked"})]),
        modelkit_promotion.to_deployment(
            "on-push",
            parameters={"to": "staging", "policy": os.environ["BENCH_POLICY"]},
            triggers=[modelkit_pushed_trigger(os.environ["BENCH_KIT"], "dev")],
        ),
        pause_on_shutdown=False,
    )
