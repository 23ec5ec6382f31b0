"""The protocol of promotion, checked: real promotions, run request by request in every order that Hypothesis thinks of.

Some writers promote or roll back, one reads, something else may move the tag, another tool may overwrite lists of
referrers, clocks are wrong, the registry drops what has no tag, and any writer may be killed before or after any of its
requests. Whatever happens, afterwards:

- a promotion that ended well is in the history, and not as overwritten; one that moved the tag and was told that it
  lost is there too;
- what the history shows did happen: its tag was written;
- it has no gap, and a rollback to all that it shows works;
- what was handed out is there by its digest;
- drift is only shown where something else moved the tag.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import count, cycle
from random import Random
from typing import Any

import pytest
from clients import close_clients
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from interleaved import REGISTRY, Model, Writer, interleaved
from promotions import Project
from referrers_server import Repository

import kitops_core as kitops
from kitops_core.evidence import statements
from kitops_core.oci.own_tags import kept_tag
from kitops_core.oci.referrers_tag import fallback_tag
from kitops_core.promotion import move
from kitops_core.promotion.channels import ChannelState
from kitops_core.promotion.records import PromotionRecord
from kitops_core.promotion.result import Promotion
from kitops_core.storage.registry import RegistryOptions, RegistryRepository

KITS = ("a", "b", "c")
SETTLE = 1.0


class _Clocks(datetime):
    """A clock that is wrong, another way each time."""

    skews: Iterator[int]

    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
        return datetime(2026, 3, 1, 12, tzinfo=timezone.utc) + timedelta(seconds=next(cls.skews))


@dataclass
class World:
    """A project whose registry is a model, with three kits in it."""

    model: Model
    project: Project
    digests: dict[str, str]

    def promote(self, name: str, kit: str) -> Writer:
        reference = f"{self.project.kit}@{self.digests[kit]}"
        return self.model.start(name, lambda: self.project.promote(reference, "prod", note=name))

    def roll_back(self, name: str) -> Writer:
        return self.model.start(name, lambda: self.project.rollback("prod", note=name))

    def read(self, name: str) -> Writer:
        return self.model.start(name, self.state)

    def move_otherwise(self, name: str, kit: str, tag: str = "prod") -> Writer:
        """Something else moves a tag, as ``docker push`` does."""
        repository = self.repository()

        def work() -> None:
            repository._manifests.put(repository._manifests.fetch(self.digests[kit]), tag)

        return self.model.start(name, work)

    def attach_otherwise(self, name: str, kit: str) -> Writer:
        """Another tool attaches something: it reads the list of referrers, and writes it without what came between."""
        repository = self.repository()
        tag = fallback_tag(self.digests[kit])

        def work() -> None:
            found = repository._manifests.fetch(tag)
            repository._manifests.put(found, tag)

        return self.model.start(name, work)

    def repository(self) -> RegistryRepository:
        registry, _, path = self.project.kit.partition("/")
        return RegistryRepository(registry, path, self.project.options)

    def history(self) -> list[PromotionRecord]:
        return self.project.client().history("prod", policy=self.project.policy)

    def state(self) -> ChannelState:
        return self.project.client().channels(self.project.policy)[1]


@dataclass
class Packed:
    """A registry with three kits that were packed into ``dev``, one after the other; of which worlds are made.

    Attributes:
        api: Whether it has the referrers API.
    """

    api: bool
    project: Project
    digests: dict[str, str]
    repositories: dict[str, Repository]

    def world(self, model: Model) -> World:
        model.registry.repositories.update(deepcopy(self.repositories))
        return World(model, self.project, self.digests)


@pytest.fixture(scope="module", params=["fallback tag", "referrers API"])
def packed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Packed:
    """Without the referrers API, and with it. The last kit is there as if another tool had pushed it by its digest."""
    api = request.param == "referrers API"
    project = Project(tmp_path_factory.mktemp("project"), f"{REGISTRY}/ml/churn", RegistryOptions(settle=SETTLE))
    with interleaved(api=api, drops_untagged=True) as model:
        digests = {kit: project.pack(kit, "dev") for kit in KITS}
        project.channels(dev={}, prod={"from": "dev"})
        tags = model.registry.repositories["ml/churn"].tags
        tags["dev"] = digests["b"]
        del tags[kept_tag(digests["c"])]
        close_clients()
        return Packed(api, project, digests, deepcopy(model.registry.repositories))


KILLS = st.dictionaries(st.integers(0, 60), st.sampled_from(["before", "after"]), max_size=2)
SKEWS = st.lists(st.integers(-100, 100), min_size=1, max_size=8)
ACTORS = st.lists(
    st.sampled_from(
        [("promote", kit) for kit in KITS] * 3
        + [("roll back", ""), ("read", "")]
        + [(what, kit) for kit in KITS for what in ("move otherwise", "attach otherwise", "push otherwise")]
    ),
    min_size=2,
    max_size=5,
)


def act(world: World, number: int, what: str, kit: str) -> Writer:
    name = f"{number}: {what} {kit}".strip()
    if what == "promote":
        return world.promote(name, kit)
    if what == "move otherwise":
        return world.move_otherwise(name, kit)
    if what == "push otherwise":
        return world.move_otherwise(name, kit, "dev")
    if what == "attach otherwise":
        return world.attach_otherwise(name, kit)
    return world.roll_back(name) if what == "roll back" else world.read(name)


def run(world: World, order: Random, kills: dict[int, str]) -> None:
    for step in count():
        ready = world.model.ready()
        if not ready:
            return
        order.choice(ready).step(kill=kills.get(step, ""))


def check(world: World) -> None:
    """See that the history is whole and true; the module says what that is."""
    writers = world.model.writers
    moves = [(digest, who) for tag, digest, who in world.model.registry.moves if tag == "prod"]
    for writer in writers:
        note(f"{writer.name}: {'killed' if writer.killed else outcome(writer.result)}")
        assert writer.killed or isinstance(writer.result, (Promotion, ChannelState, kitops.KitOpsError, type(None)))
    note(f"moves: {[who for _, who in moves]}")
    strangers = [who for _, who in moves if "otherwise" in who]
    records = world.history()
    for record in records:
        note(f"history: {record.number} {record.note}{' overwritten' if record.overwritten else ''} {record.gap}")
    by_record = {record.record: record for record in records}
    for writer in writers:
        if isinstance(writer.result, Promotion) and writer.result.record:
            assert writer.result.record in by_record
            assert not by_record[writer.result.record].overwritten
    put_otherwise = {digest for digest, who in moves if who in strangers}
    wrote = {(who, digest) for digest, who in moves}
    killed = {writer.name for writer in writers if writer.killed}
    # A kit that something else put there may have the record of a promotion that was interrupted, or that found it; and
    # of two that were interrupted while they promoted the same kit, nothing tells which one moved the tag.
    put_by_whom = put_otherwise | {digest for digest, who in moves if who in killed}
    assert {who for _, who in moves} - {*strangers} - killed <= {record.note for record in records}
    assert all((record.note, record.digest) in wrote for record in records if record.digest not in put_by_whom)
    # A promotion withdraws its record when it finds the tag moved. Where something else had put its very kit there, one
    # that came in between may have built on it: a gap, and named as one.
    assert [record.gap for record in records if record.gap and record.previous_digest not in put_otherwise] == []
    line = [record for record in records if not record.overwritten]
    same = {(record.number, record.digest, record.previous_record) for record in line}
    assert len({number for number, _, _ in same}) == len(same)  # two records of one number are one move
    # The last kit was pushed by another tool, so nothing is promised of it before it came into a channel.
    # The same goes for one that something else put into the channel and took away before a promotion followed it.
    followed = {record.previous_digest for record in records if (record.note, record.digest) in wrote} - {""}
    had = {digest for digest, _ in moves} - put_otherwise | followed
    for digest in had.union([world.digests["a"], world.digests["b"]]):
        assert world.project.digest(f"{world.project.kit}@{digest}") == digest
    for record in records:
        assert world.project.rollback("prod", to=record.digest, dry_run=True).digest == record.digest
    states = [writer.result for writer in writers if isinstance(writer.result, ChannelState)]
    for state in [*states, world.state()]:
        if not strangers:
            assert (state.drift, state.unrecorded) == ("", False)


def outcome(result: Any) -> str:
    if isinstance(result, Promotion):
        return f"{'changed' if result.changed else 'unchanged'} {result.record[:19]}"
    return f"{type(result).__name__}: {result}" if isinstance(result, BaseException) else type(result).__name__


def explore(
    packed: Packed,
    actors: list[tuple[str, str]],
    order: Random,
    kills: dict[int, str],
    skews: list[int],
) -> None:
    with interleaved(api=packed.api, drops_untagged=True) as model, pytest.MonkeyPatch.context() as patch:
        patch.setattr(_Clocks, "skews", cycle(skews), raising=False)
        patch.setattr(move, "datetime", _Clocks)
        patch.setattr(statements, "datetime", _Clocks)
        world = packed.world(model)
        for number, (what, kit) in enumerate(actors):
            act(world, number, what, kit)
        run(world, order, kills)
        check(world)


EXPLORED = given(actors=ACTORS, order=st.randoms(use_true_random=False), kills=KILLS, skews=SKEWS)
_CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@EXPLORED
@settings(max_examples=30, suppress_health_check=_CHECKS, deadline=None)
def test_nothing_is_lost_and_nothing_is_claimed_that_did_not_happen(packed: Packed, **how: Any) -> None:
    explore(packed, **how)


@pytest.mark.slow
@EXPLORED
@settings(max_examples=1000, suppress_health_check=_CHECKS, deadline=None)
def test_the_same_in_many_more_orders(packed: Packed, **how: Any) -> None:
    explore(packed, **how)
