"""Who says beforehand that it moves a tag, and finds nobody else who does, is done once the tag is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
from clients import close_clients
from interleaved import REGISTRY, Model, Writer, interleaved
from promotions import Project

import kitops_core as kitops
from kitops_core.oci.own_tags import claimed, is_listed, logged
from kitops_core.promotion.result import Promotion
from kitops_core.storage.registry import RegistryOptions, tags_list

SETTLE = 1.0


@dataclass
class World:
    """A registry in memory with two kits, of which one goes into ``prod``."""

    model: Model
    project: Project
    kits: list[str]

    def promote(self, kit: int) -> Writer:
        reference = f"{self.project.kit}@{self.kits[kit]}"
        return self.model.start(f"{kit}", lambda: self.project.promote(reference, "prod", note=f"{kit}"))

    def tags(self, what: Callable[[str, str], Any] = claimed) -> list[str]:
        return [tag for tag in self.model.registry.repositories["ml/churn"].tags if what(tag, "prod")]

    def until(self, writer: Writer, reached: Callable[[], bool]) -> None:
        """Let a writer go on, one request at a time, until something is so."""
        while not reached() and not writer.done:
            writer.step()
        assert not writer.done, writer.result

    def rest(self) -> None:
        """Let all that are left finish, those that wait last."""
        self.model.run()


@pytest.fixture(params=["fallback tag", "referrers API"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    project = Project(tmp_path, f"{REGISTRY}/ml/churn", RegistryOptions(settle=SETTLE))
    with interleaved(api=request.param == "referrers API", drops_untagged=True) as model:
        kits = [project.pack(kit, "dev") for kit in ("a", "b")]
        project.channels(dev={}, prod={"from": "dev"})
        close_clients()
        moved = [tag for tag, _, _ in model.registry.moves]
        assert "prod" not in moved
        yield World(model, project, kits)


def outcomes(*writers: Writer) -> list[str]:
    kinds = {Promotion: "done", kitops.LostRaceError: "lost"}
    return [kinds.get(type(writer.result), repr(writer.result)) for writer in writers]


def dev_allows(world: World, kit: int) -> None:
    """``prod`` takes what ``dev`` has; each of the kits was there."""
    world.model.registry.repositories["ml/churn"].tags["dev"] = world.kits[kit]


def test_who_is_alone_waits_for_nothing_and_its_claim_is_no_version(world: World) -> None:
    promotion = world.promote(1)
    world.rest()
    assert outcomes(promotion) == ["done"]
    assert world.model.now == 0
    assert (len(world.tags()), len(world.tags(logged))) == (1, 1)
    assert not [tag for tag in world.tags() if is_listed(tag)]


def test_the_claim_of_a_move_that_is_done_holds_up_nobody(world: World) -> None:
    for kit in (1, 0, 1):
        dev_allows(world, kit)
        promotion = world.promote(kit)
        world.rest()
        assert outcomes(promotion) == ["done"]
    assert world.model.now == 0
    assert len(world.tags()) == 3


def test_the_claim_of_one_that_was_killed_costs_the_next_the_wait_and_those_after_nothing(world: World) -> None:
    killed = world.promote(1)
    world.until(killed, lambda: bool(world.tags()))
    killed.step(kill="before")
    following = world.promote(1)
    world.rest()
    assert outcomes(following) == ["done"]
    assert world.model.now == 2 * SETTLE
    dev_allows(world, 0)
    last = world.promote(0)
    world.rest()
    assert outcomes(last) == ["done"]
    assert world.model.now == 2 * SETTLE


def test_who_finds_a_claim_leaves_the_tag_to_the_other(world: World) -> None:
    first = world.promote(1)
    world.until(first, lambda: bool(world.tags()))
    first.step()
    first.step()  # has looked, and found no other
    dev_allows(world, 0)
    second = world.promote(0)
    world.until(second, lambda: second.wakes is not None)
    first.step()  # writes, though the other came since
    world.rest()
    assert outcomes(first, second) == ["done", "lost"]
    assert world.model.registry.repositories["ml/churn"].tags["prod"] == world.kits[1]
    assert [record.note for record in world.project.client().history("prod", policy=world.project.policy)] == ["1"]


def test_of_two_that_find_each_other_one_is_told_that_it_was_overwritten(world: World) -> None:
    first = world.promote(1)
    world.until(first, lambda: len(world.tags()) == 1)
    dev_allows(world, 0)
    second = world.promote(0)
    world.until(second, lambda: len(world.tags()) == 2)
    world.rest()
    assert sorted(outcomes(first, second)) == ["done", "lost"]
    won = next(writer for writer in (first, second) if isinstance(writer.result, Promotion))
    assert world.model.registry.repositories["ml/churn"].tags["prod"] == won.result.digest


@pytest.mark.parametrize("seed", range(40))
def test_whatever_the_order_who_is_told_that_it_is_done_has_not_been_overwritten(world: World, seed: int) -> None:
    order = Random(seed)
    first = world.promote(1)
    world.until(first, lambda: len(world.tags()) == 1 or order.random() < 0.05)
    dev_allows(world, 0)
    second = world.promote(0)
    while ready := world.model.ready():
        order.choice(ready).step()
    assert set(outcomes(first, second)) <= {"done", "lost"}
    history = world.project.client().history("prod", policy=world.project.policy)
    ended_well = {writer.name for writer in (first, second) if isinstance(writer.result, Promotion)}
    assert ended_well
    assert {record.note for record in history if not record.overwritten} == ended_well


def test_a_list_of_tags_that_lacks_our_own_claim_proves_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    old: list[str] = []
    real = tags_list.list_tags

    def list_tags(*given: Any) -> Iterator[str]:
        return iter([tag for tag in real(*given) if not claimed(tag, "prod") or old.append(tag)])  # type: ignore[func-returns-value]

    monkeypatch.setattr("kitops_core.storage.registry.tags_list.list_tags", list_tags)
    promotion = world.promote(1)
    world.rest()
    assert outcomes(promotion) == ["done"]
    assert old
    assert world.model.now == 2 * SETTLE
