"""The progress of a transfer: an artifact for long ones, kept up to date a few times, and none for short ones."""

from __future__ import annotations

import threading
from pathlib import Path

import httpx
import pytest
from faults import busy
from prefect import flow, task
from runs import artifacts, repository

import kitops_core as kitops
from prefect_kitops.progress import Progress

pytestmark = pytest.mark.usefixtures("prefect_server")


def test_a_long_push_shows_how_far_it_is(registry: str, bundle: Path) -> None:
    name = repository(registry)

    @task
    def push() -> None:
        with Progress(f"packing {name}", every=0) as progress:
            kitops.Client(on_event=progress.update).pack(bundle, f"{name}:dev", push=True)

    @flow
    def train() -> None:
        push()

    train()
    found = [artifact for artifact in artifacts("progress") if artifact["description"] == f"packing {name}"]
    assert [float(artifact["data"]) for artifact in found] == [100.0]
    assert found[0]["task_run_id"]


def test_a_prefect_server_that_does_not_answer_holds_up_no_transfer(monkeypatch: pytest.MonkeyPatch) -> None:
    answers, answered = threading.Event(), threading.Event()

    def waits(request: httpx.Request) -> bool:
        if request.url.path.endswith("/artifacts/"):
            answers.wait(60)
            answered.set()
        return False

    busy(monkeypatch, waits)

    @task
    def push() -> None:
        with Progress("slow to be shown", every=0) as progress:
            for done in range(100):
                progress.update(kitops.Event("advance", "model", done, 100))
            assert not answered.is_set(), "the transfer is through before the server answered"
            answers.set()

    @flow
    def train() -> None:
        push()

    train()
    found = [artifact for artifact in artifacts("progress") if artifact["description"] == "slow to be shown"]
    assert [float(artifact["data"]) for artifact in found] == [100.0]


def test_a_short_one_shows_nothing() -> None:
    with Progress("short", every=60) as progress:
        progress.update(kitops.Event("start", "model", 0, 10))
        progress.update(kitops.Event("advance", "model", 5, 10))
        assert progress.percent == 50.0
    assert not [artifact for artifact in artifacts("progress") if artifact["description"] == "short"]
