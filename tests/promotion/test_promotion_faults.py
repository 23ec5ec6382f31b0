"""Whatever breaks in the middle of a promotion: afterwards the channel's tag is untouched, or all of it is done."""

from __future__ import annotations

import subprocess
import threading
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cli_runner import start
from clients import client
from fault_proxy import Fault, FaultProxy, Handler, Reply, Seen, answer, drop, fault_proxy, lose_answer
from promotions import Project, new_project
from registry_fixture import PASSWORD, USERNAME, TokenRegistry
from token_server import SERVICE

import kitops_core as kitops
from kitops_core import Registries

QUICK = kitops.RegistryOptions(settle=0.02, backoff=0.001, keep_trying=0.1)
GONE = kitops.RegistryOptions(settle=0.02, backoff=0.001, keep_trying=0)

BREAKS: dict[str, Fault] = {
    "the connection is dropped": drop(),
    "the answer is lost": lose_answer(),
    "429": answer(429, b"slow down", Retry_After="0"),
    "500": answer(500, b"oops"),
}
GOES_AWAY = ["the connection is dropped", "the answer is lost"]


@dataclass
class Bench:
    """A signed kit in ``dev``, and a channel of its own for every try."""

    direct: Project
    through: Project
    faults: FaultProxy
    key: kitops.SigningKey
    digest: str

    def promote(self, channel: str, options: kitops.RegistryOptions = QUICK) -> kitops.Promotion:
        return self.through.promote("dev", channel, how={"registries": Registries(others=options), "signer": self.key})

    def tag(self, channel: str) -> str:
        return self.direct.digest(f"{self.direct.kit}:{channel}")

    def check(self, channel: str, done: bool) -> None:
        """The tag is untouched, or at the digest with the record of how it came there."""
        tag = self.tag(channel)
        records = kitops.history(channel, policy=self.direct.policy)
        if done:
            assert tag == self.digest
        assert tag in ("", self.digest)
        assert [record.digest for record in records] == ([self.digest] if tag else [])


@pytest.fixture(scope="module")
def channels() -> list[str]:
    return [f"c{number}" for number in range(400)]


@pytest.fixture
def bench(tmp_path: Path, either_faults: FaultProxy, channels: list[str], monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("COSIGN_PASSWORD", "of the tests only")
    faults = either_faults
    direct = new_project(tmp_path / "direct", faults.upstream)
    digest = direct.pack("1.0", "dev")
    through = Project(tmp_path / "through", direct.kit.replace(faults.upstream, faults.address))
    through.root.mkdir()
    for project in (direct, through):
        project.channels(dev={}, **{name: {"from": "dev"} for name in channels})
    key = kitops.SigningKey.load(direct.key("release"))  # once: opening it takes a while, by design
    kitops.sign(f"{direct.kit}:dev", key, where="registry")
    return Bench(direct, through, faults, key, digest)


class _At:
    """Lets requests pass, and applies a fault from the ``first`` one on, ``times`` times."""

    def __init__(self, fault: Fault, first: int, times: int) -> None:
        self.fault = fault
        self.range = range(first, first + times)
        self.count = 0

    def __call__(self, handler: Handler, seen: Seen) -> Reply | None:
        number, self.count = self.count, self.count + 1
        return self.fault(handler, seen) if number in self.range else None


def _requests(bench: Bench, channel: str) -> int:
    before = len(bench.faults.seen)
    assert bench.promote(channel).changed
    return len(bench.faults.seen) - before


@pytest.mark.slow
@pytest.mark.parametrize("name", BREAKS)
def test_one_fault_at_any_request_is_got_over(name: str, bench: Bench, channels: list[str]) -> None:
    unused = iter(channels)
    for number in range(_requests(bench, next(unused))):
        channel = next(unused)
        bench.faults.every = _At(BREAKS[name], number, 1)
        bench.promote(channel)
        bench.faults.every = None
        bench.check(channel, done=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", GOES_AWAY)
def test_a_registry_that_goes_away_at_any_request_leaves_it_untouched_or_complete(
    name: str, bench: Bench, channels: list[str]
) -> None:
    unused = iter(channels)
    for number in range(_requests(bench, next(unused))):
        channel = next(unused)
        bench.faults.every = _At(BREAKS[name], number, 10_000)
        try:
            done = bench.promote(channel, GONE).changed
        except kitops.KitOpsError:
            done = False
        bench.faults.every = None
        bench.check(channel, done)
        bench.promote(channel)
        bench.check(channel, done=True)


@pytest.mark.slow
def test_a_token_that_expires_at_any_request_is_renewed(
    tmp_path: Path, token_registry: TokenRegistry, channels: list[str]
) -> None:
    with fault_proxy(token_registry.address) as faults:
        project = new_project(tmp_path / "project", faults.address)
        project.login = replace(QUICK, username=USERNAME, password=PASSWORD)
        digest = project.pack("1.0", "dev")
        project.channels(dev={}, **{name: {"from": "dev"} for name in channels})
        faults.seen.clear()
        project.promote("dev", channels[0])
        for number, channel in enumerate(channels[1 : len(faults.seen) + 1]):
            scope = f"repository:{project.kit.partition('/')[2]}:pull,push"
            bearer = f'Bearer realm="{token_registry.service.realm}",service="{SERVICE}",scope="{scope}"'
            faults.every = _At(answer(401, WWW_Authenticate=f'{bearer},error="invalid_token"'), number, 1)
            project.promote("dev", channel)
            faults.every = None
            assert project.digest(f"{project.kit}:{channel}") == digest
            assert (
                len(client(registries=Registries(others=project.options)).history(channel, policy=project.policy)) == 1
            )


@pytest.mark.slow
def test_a_tag_that_is_moved_at_any_request_is_never_lost_unseen(bench: Bench, channels: list[str]) -> None:
    unused = iter(channels)
    stranger = bench.direct.pack("9.9", "stranger")
    for number in range(_requests(bench, next(unused))):
        channel = next(unused)

        def move(handler: Handler, seen: Seen, channel: str = channel) -> None:
            kitops.tag(f"{bench.direct.kit}:stranger", [channel], where="registry")

        bench.faults.every = _At(move, number, 1)
        promoted, lost = None, None
        try:
            promoted = bench.promote(channel)
        except kitops.LostRaceError as error:
            lost = error
        bench.faults.every = None
        if lost is not None:
            assert lost.found == bench.tag(channel) == stranger
        if promoted is not None:
            # Between the last look and the write another writer cannot be seen by anyone: it was overwritten.
            assert promoted.previous_digest in ("", stranger)
            assert bench.tag(channel) == bench.digest


@pytest.mark.slow
def test_a_promotion_that_is_killed_at_any_request_leaves_it_untouched_or_complete(
    bench: Bench, channels: list[str]
) -> None:
    unused = iter(channels)
    for number in range(0, _requests(bench, next(unused)), 2):
        channel = next(unused)
        command = (
            "promote",
            "dev",
            "--to",
            channel,
            "--policy",
            bench.through.policy,
            "--sign-key",
            bench.direct.root / "release.key",
        )
        process, arrived = start(*command), threading.Event()

        def kill(
            handler: Handler, seen: Seen, process: subprocess.Popen[str] = process, arrived: threading.Event = arrived
        ) -> Reply:
            process.kill()
            process.wait()
            try:
                return handler.forward(seen)  # what was sent before the end still arrives
            finally:
                arrived.set()

        bench.faults.every = _At(kill, number, 1)
        process.communicate(timeout=60)
        bench.faults.every = None
        assert arrived.wait(60) or process.returncode == 0
        bench.check(channel, done=process.returncode == 0)
        assert bench.promote(channel).digest == bench.digest
        bench.check(channel, done=True)
