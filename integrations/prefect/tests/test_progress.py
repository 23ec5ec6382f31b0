"""The progress of a transfer: an artifact for long ones, kept up to date a few times, and none for short ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from prefect import flow, task
from runs import artifacts, repository

from kitops_core.events import Event
from prefect_kitops import kits
from prefect_kitops.progress import Progress

pytestmark = pytest.mark.usefixtures("prefect_server")


def test_a_long_push_shows_how_far_it_is(registry: str, bundle: Path) -> None:
    name = repository(registry)

    @task
    def push() -> None:
        with Progress(f"packing {name}", every=0) as progress:
            kits.pack(bundle, f"{name}:dev", on_event=progress.update)

    @flow
    def train() -> None:
        push()

    train()
    found = [artifact for artifact in artifacts("progress") if artifact["description"] == f"packing {name}"]
    assert [float(artifact["data"]) for artifact in found] == [100.0]
    assert found[0]["task_run_id"]


def test_a_short_one_shows_nothing() -> None:
    with Progress("short", every=60) as progress:
        progress.update(Event("start", "model", 0, 10))
        progress.update(Event("advance", "model", 5, 10))
        assert progress.percent == 50.0
    assert not [artifact for artifact in artifacts("progress") if artifact["description"] == "short"]
