"""The lock of a tag: one run at a time, made when it is first needed, and not lost on a server that is busy."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from faults import busy, busy_at_first
from prefect.client.orchestration import get_client
from runs import repository

from prefect_kitops.locks import lock_name, modelkit_lock

pytestmark = pytest.mark.usefixtures("prefect_server")


def limit(reference: str) -> dict[str, Any]:
    with get_client(sync_client=True) as client:
        return dict(client.request("GET", f"/v2/concurrency_limits/{lock_name(reference)}").json())


def test_a_held_lock_is_waited_for_and_says_how_it_is_freed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="prefect.prefect_kitops")
    target = repository("registry.example.com")
    with modelkit_lock(target):
        assert (limit(target)["limit"], limit(target)["active_slots"]) == (1, 1)
        with (
            pytest.raises(TimeoutError, match=f"global-concurrency-limit delete {lock_name(target)}"),
            modelkit_lock(target, timeout_seconds=0.5),
        ):
            pass
    assert f"waiting for the run that has locked {target}; if there is none, `prefect" in caplog.text
    assert limit(target)["active_slots"] == 0


def test_runs_that_need_a_new_lock_at_the_same_moment_all_get_it_one_by_one() -> None:
    target, count = repository("registry.example.com"), 4
    together = threading.Barrier(count)
    inside: list[int] = []
    seen: list[int] = []

    def move(number: int) -> None:
        together.wait()
        with modelkit_lock(target, timeout_seconds=120):
            inside.append(number)
            seen.append(len(inside))
            inside.remove(number)

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(move, range(count)))
    assert seen == [1] * count


def test_a_server_that_is_busy_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = busy_at_first(monkeypatch)
    target = repository("registry.example.com")
    with modelkit_lock(target):
        pass
    assert {path.rpartition("/")[2] for method, path in refused if method == "POST"} >= {
        "increment-with-lease",
        "decrement-with-lease",
    }
    assert limit(target)["active_slots"] == 0


def test_what_was_done_is_not_undone_for_a_lock_that_cannot_be_given_back(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    target = repository("registry.example.com")
    with monkeypatch.context() as patched, modelkit_lock(target):
        busy(patched, lambda request: request.url.path.endswith("decrement-with-lease"))
        patched.setattr("prefect.client.base.PREFECT_CLIENT_MAX_RETRIES.value", lambda: 0)
    assert "was not given back" in caplog.text
