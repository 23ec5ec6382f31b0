"""The trigger that waits for a tag, against a real registry, in an event loop of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from fault_proxy import FaultProxy, answer

import kitops_core as kitops
from kitops_airflow import ModelKitEvent, ModelKitTagTrigger

SECONDS = 30


class Store:
    """An asset's state store: the two calls that a trigger makes of it."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    async def aget(self, key: str, default: Any = None) -> Any:
        return self.values.get(key, default)

    async def aset(self, key: str, value: Any) -> None:
        self.values[key] = value


def pack(directory: Path, reference: str, weights: str) -> str:
    (directory / "model.onnx").write_text(weights)
    return kitops.pack(directory, reference, push=True).digest


async def next_event(events: AsyncIterator[Any]) -> dict[str, Any]:
    event = await asyncio.wait_for(anext(events), SECONDS)
    return dict(event.payload)


def trigger(reference: str, **kwargs: Any) -> ModelKitTagTrigger:
    return ModelKitTagTrigger(reference=reference, poll_interval=0.05, **kwargs)


def test_it_fires_for_the_kit_that_is_there_and_again_when_the_tag_moves(registry: str, model: Path) -> None:
    reference = f"{registry}/trigger/moves:prod"
    first = pack(model, reference, "one")

    async def watch() -> list[dict[str, Any]]:
        events = trigger(reference).run()
        seen = [await next_event(events)]
        pack(model, reference, "two")
        return [*seen, await next_event(events)]

    one, two = asyncio.run(watch())
    assert (one["digest"], one["previous_digest"], one["tag"]) == (first, "", "prod")
    assert (two["previous_digest"], two["changed"]) == (first, True)
    event = ModelKitEvent.from_extra({"from_trigger": True, "payload": two})
    assert event.record is not None
    assert [layer.path for layer in event.record.layers] == ["model.onnx", "README.md"]


def test_a_tag_that_is_not_there_yet_is_waited_for(registry: str, model: Path) -> None:
    reference = f"{registry}/trigger/absent:prod"

    async def watch() -> dict[str, Any]:
        events = trigger(reference).run()
        waiting = asyncio.ensure_future(next_event(events))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        await asyncio.to_thread(pack, model, reference, "one")
        return await waiting

    assert asyncio.run(watch())["tag"] == "prod"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_registry_that_fails_is_asked_again(
    faults: FaultProxy, model: Path, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = f"{faults.address}/trigger/fails{status}:prod"
    pack(model, reference, "one")
    faults.fault("HEAD", ".*/manifests/prod", answer(status), times=2)
    assert asyncio.run(next_event(trigger(reference).run()))["tag"] == "prod"


def test_each_failure_doubles_the_wait_up_to_ten_minutes() -> None:
    watched = ModelKitTagTrigger(reference="registry.example.com/ml/churn:prod", poll_interval=60)
    assert [watched._wait(failures) for failures in (0, 1, 2, 3, 4, 30)] == [60, 120, 240, 480, 600, 600]
    assert ModelKitTagTrigger(reference="registry.example.com/ml/churn:prod")._wait(0) == 60


def test_with_a_state_store_a_restart_tells_nothing_twice_and_misses_nothing(registry: str, model: Path) -> None:
    reference = f"{registry}/trigger/restart:prod"
    pack(model, reference, "one")
    store = Store()

    async def watch(until: Callable[[], str] | None) -> dict[str, Any]:
        watcher = trigger(reference)
        watcher.asset_state_store = store  # type: ignore[assignment]
        events = watcher.run()
        waiting = asyncio.ensure_future(next_event(events))
        if until is not None:
            await asyncio.sleep(0.3)
            assert not waiting.done()  # nothing new
            await asyncio.to_thread(until)
        event = await waiting
        next_one = asyncio.ensure_future(anext(events))  # goes on, and so remembers
        await asyncio.sleep(0.3)
        next_one.cancel()
        return event

    first = asyncio.run(watch(None))
    second = asyncio.run(watch(lambda: pack(model, reference, "two")))
    assert second["previous_digest"] == first["digest"]
    pack(model, reference, "three")  # while nobody looks
    assert asyncio.run(watch(None))["previous_digest"] == second["digest"]


def test_a_state_store_that_fails_is_asked_again(registry: str, model: Path) -> None:
    reference = f"{registry}/trigger/store:prod"
    pack(model, reference, "one")

    class Failing(Store):
        async def aget(self, key: str, default: Any = None) -> Any:
            if not self.values:
                self.values["asked"] = True
                raise RuntimeError("the database is busy")
            return await super().aget(key, default)

    watcher = trigger(reference)
    watcher.asset_state_store = Failing()  # type: ignore[assignment]
    assert asyncio.run(next_event(watcher.run()))["tag"] == "prod"


@pytest.mark.parametrize(("emit_initial", "told"), [(True, "makes an event again"), (False, "may have been missed")])
def test_a_watcher_without_a_state_store_says_what_a_restart_means(
    registry: str, model: Path, emit_initial: bool, told: str, said: Callable[[], str]
) -> None:
    reference = f"{registry}/trigger/no-store:prod"

    async def watch() -> None:
        events = trigger(reference, emit_initial=emit_initial, watched_asset="churn").run()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(anext(events), 0.5)

    asyncio.run(watch())
    assert told in said()


def test_without_the_first_event_only_moves_are_told(registry: str, model: Path) -> None:
    reference = f"{registry}/trigger/later:prod"
    first = pack(model, reference, "one")

    async def watch() -> dict[str, Any]:
        events = trigger(reference, emit_initial=False).run()
        waiting = asyncio.ensure_future(next_event(events))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        await asyncio.to_thread(pack, model, reference, "two")
        return await waiting

    assert asyncio.run(watch())["previous_digest"] == first


def test_its_row_in_the_database_makes_the_same_trigger_and_has_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_PROD", '{"conn_type": "kitops", "host": "r.example.com", "password": "hunter2"}')
    made = ModelKitTagTrigger("r.example.com/ml/churn:prod", "prod", 5, "sha256:" + "a" * 64, False, "churn")
    path, arguments = made.serialize()
    assert path == "kitops_airflow.triggers.tag.ModelKitTagTrigger"
    assert "hunter2" not in repr(arguments)
    assert ModelKitTagTrigger(**arguments).serialize() == (path, arguments)
