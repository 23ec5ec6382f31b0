"""Many triggers that watch few tags, as a triggerer runs them: in one event loop, against a real registry."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import Counter
from pathlib import Path

import pytest
from fault_proxy import FaultProxy, answer

import kitops_core as kitops
from kitops_airflow import ModelKitTagTrigger
from kitops_airflow.hooks.kitops import KitOpsHook
from kitops_airflow.triggers import shared

TRIGGERS = 500
TAGS = 4


def pack(directory: Path, reference: str, weights: str) -> str:
    (directory / "model.onnx").write_text(weights)
    return kitops.pack(directory, reference, push=True).digest


@pytest.fixture
def tags(faults: FaultProxy, model: Path) -> list[str]:
    """Tags of one repository."""
    name = f"{faults.address}/many/{uuid.uuid4().hex[:8]}"
    for number in range(TAGS):
        pack(model, f"{name}:tag-{number}", str(number))
    faults.seen.clear()
    return [f"{name}:tag-{number}" for number in range(TAGS)]


def test_they_look_once_an_interval_for_each_tag_with_one_client(
    faults: FaultProxy, tags: list[str], model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = []
    real = KitOpsHook.aload

    async def counted(hook: KitOpsHook) -> None:
        hooks.append(hook)
        await real(hook)

    monkeypatch.setattr(KitOpsHook, "aload", counted)
    monkeypatch.setattr(shared, "_HOOKS", {})  # without what the tests before looked up in this process
    interval = 1.0

    async def watch() -> list[tuple[dict, dict]]:
        async def one(reference: str) -> tuple[dict, dict]:
            events = ModelKitTagTrigger(reference=reference, poll_interval=interval).run()
            first = await anext(events)
            return first.payload, (await anext(events)).payload

        watching = [asyncio.ensure_future(one(tags[number % TAGS])) for number in range(TRIGGERS)]
        await asyncio.sleep(interval * 0.5)
        await asyncio.to_thread(lambda: [pack(model, tag, f"{tag} moved") for tag in tags])
        return list(await asyncio.gather(*watching))

    begun = time.monotonic()
    told = asyncio.run(watch())
    rounds = (time.monotonic() - begun) / interval + 1
    assert all(second["previous_digest"] == first["digest"] != second["digest"] for first, second in told)
    assert len({second["digest"] for _, second in told}) == TAGS
    looks = Counter(seen.path for seen in faults.seen if seen.method == "HEAD" and "/manifests/tag-" in seen.path)
    packing = 2 * TAGS  # a push looks at the tag as well
    assert TAGS * 2 <= sum(looks.values()) <= TAGS * rounds + packing
    read = [seen for seen in faults.seen if seen.method == "GET" and "/manifests/sha256:" in seen.path]
    assert len(read) <= 2 * TAGS + packing
    assert len(hooks) == 1


def test_a_registry_that_fails_is_not_asked_by_each_of_them(faults: FaultProxy, tags: list[str]) -> None:
    faults.fault("HEAD", ".*/manifests/tag-0", answer(503), times=1000)
    interval = 0.4

    async def watch() -> None:
        triggers = [ModelKitTagTrigger(reference=tags[0], poll_interval=interval).run() for _ in range(50)]
        watching = [asyncio.ensure_future(anext(events)) for events in triggers]
        await asyncio.sleep(interval * 4)
        assert not any(one.done() for one in watching)
        for one in watching:
            one.cancel()
        await asyncio.gather(*watching, return_exceptions=True)

    asyncio.run(watch())
    assert 1 <= len([seen for seen in faults.seen if seen.method == "HEAD"]) <= 3  # at once, after 0.8 s, after 1.6 s
