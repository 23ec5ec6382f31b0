"""Many sensors of one code location that watch few tags: one looks for all of them."""

from __future__ import annotations

import uuid
from collections import Counter

import dagster as dg
from fault_proxy import answer, fault_proxy

import kitops_core as kitops
from dagster_kitops import KitOpsResource, external_modelkit, modelkit_sensor

SENSORS = 50


class Watched:
    """One sensor and what it remembers between its ticks."""

    def __init__(self, instance: dg.DagsterInstance, reference: str, resource: KitOpsResource) -> None:
        spec = external_modelkit(["base", uuid.uuid4().hex], reference)
        self.sensor = modelkit_sensor([spec])
        self.instance, self.resource, self.cursor = instance, resource, None

    def tick(self) -> dg.SensorExecutionData:
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, resources={"kitops": self.resource}
        )
        result = self.sensor.evaluate_tick(context)
        self.cursor = result.cursor
        return result


def push(reference: str, weights: bytes, tmp_path) -> str:
    (tmp_path / "model.bin").write_bytes(weights)
    return kitops.pack(kitops.Contents(model=tmp_path / "model.bin"), reference, push=True).digest


def test_a_round_of_ticks_asks_once_for_each_tag_and_sees_every_move(
    instance: dg.DagsterInstance, registry: str, tmp_path
) -> None:
    with fault_proxy(registry) as proxy:
        name = f"{proxy.address}/many/{uuid.uuid4().hex[:8]}"
        resource = KitOpsResource(registry=f"{proxy.address}/many")
        tags = [f"{name}:a", f"{name}:b"]
        watched = [Watched(instance, tags[number % 2], resource) for number in range(SENSORS)]
        for weights in (b"1", b"2"):
            digests = [push(tag, weights + tag.encode(), tmp_path) for tag in tags]
            proxy.seen.clear()
            results = [one.tick() for one in watched]
            moved = Counter(event.metadata["kitops/digest"].value for one in results for event in one.asset_events)
            assert moved == dict.fromkeys(digests, SENSORS / 2)
            assert Counter(seen.path.rpartition("/")[2] for seen in proxy.seen) == {"a": 1, "b": 1}
        assert {one.tick().skip_message for one in watched} == {"no tag was moved"}


def test_a_registry_that_is_away_holds_up_no_tick_and_is_asked_once(
    instance: dg.DagsterInstance, registry: str
) -> None:
    with fault_proxy(registry) as proxy:
        proxy.fault("HEAD", "/manifests/", answer(503), times=1000)
        resource = KitOpsResource(registry=f"{proxy.address}/many")
        watched = [Watched(instance, f"{proxy.address}/many/away:a", resource) for _ in range(5)]
        assert all("503" in one.tick().skip_message for one in watched)
        assert len(proxy.seen) <= 2


def test_resources_that_log_in_otherwise_share_nothing(instance: dg.DagsterInstance, registry: str, tmp_path) -> None:
    with fault_proxy(registry) as proxy:
        name = f"{proxy.address}/many/{uuid.uuid4().hex[:8]}:a"
        push(name, b"1", tmp_path)
        proxy.seen.clear()
        for password in ("one", "other"):
            resource = KitOpsResource(registry=f"{proxy.address}/many", username="ci", password=password)
            assert Watched(instance, name, resource).tick().asset_events
        assert len(proxy.seen) >= 2
