"""All kits of a policy into all its channels by one client: what it does, and how little it asks for what stays."""

from __future__ import annotations

import uuid
from collections import Counter
from pathlib import Path

import pytest
from cli_runner import kit as command
from cli_runner import ok
from clients import client
from fault_proxy import FaultProxy, answer
from promotions import QUICK

import kitops_core as kitops
from kitops_core import Channel, Client, PromotionPolicy, Registries
from kitops_core.errors import InvalidInputError, NotFoundError
from kitops_core.promotion.gate_models import GateModel
from kitops_core.promotion.promote_all import PromotedAll
from kitops_core.storage.registry import RegistryOptions

MIT = GateModel.model_validate({"license": {"allow": ["MIT"]}})
CHAIN = {"dev": Channel(), "staging": Channel(from_="dev"), "prod": Channel(from_="staging")}


@pytest.fixture
def promoter() -> Client:
    return client(registries=Registries(others=QUICK))


def policy_of(registry: str, kits: int, channels: dict[str, Channel]) -> PromotionPolicy:
    space = uuid.uuid4().hex[:8]
    return PromotionPolicy(kits=[f"{registry}/{space}/kit-{number}" for number in range(kits)], channels=channels)


def pack(promoter: Client, directory: Path, kit: str, weights: str, license: str = "") -> str:
    (directory / "model.bin").write_text(weights)
    contents = kitops.Contents(model=directory / "model.bin", name="churn", license=license)
    return promoter.pack(contents, f"{kit}:dev", push=True).digest


def outcomes(done: PromotedAll) -> list[tuple[str, str]]:
    return [(one.channel, one.outcome) for one in done.outcomes]


def test_every_kit_goes_all_the_way_by_one_call(registry: str, promoter: Client, tmp_path: Path) -> None:
    policy = policy_of(registry, 3, dict(reversed(CHAIN.items())))
    digests = [pack(promoter, tmp_path, kit, kit) for kit in policy.kits]
    done = promoter.promote_all(policy)
    assert outcomes(done) == [("staging", "promoted"), ("prod", "promoted")] * 3
    assert (done.exit_code, [one.kit for one in done.outcomes[::2]]) == (0, policy.kits)
    assert [promoter.resolve(f"{kit}:prod", where="registry") for kit in policy.kits] == digests
    history = promoter.history("prod", policy=policy.of(policy.kits[0]))
    assert [record.digest for record in history] == digests[:1]
    assert outcomes(promoter.promote_all(policy)) == [("staging", "unchanged"), ("prod", "unchanged")] * 3


def test_what_a_gate_refuses_holds_up_nothing_else(registry: str, promoter: Client, tmp_path: Path) -> None:
    policy = policy_of(registry, 3, {**CHAIN, "staging": Channel(from_="dev", gates=[MIT])})
    first = pack(promoter, tmp_path, policy.kits[0], "1", "MIT")
    promoter.promote_all(policy, to=["staging"])
    pack(promoter, tmp_path, policy.kits[0], "2", "GPL-3.0-only")
    pack(promoter, tmp_path, policy.kits[1], "3", "MIT")
    done = promoter.promote_all(policy)
    assert outcomes(done) == [
        *(("staging", "refused"), ("prod", "promoted")),  # with what staging has
        *(("staging", "promoted"), ("prod", "promoted")),
        *(("staging", "empty"), ("prod", "empty")),
    ]
    (refused,) = done.having("refused")
    assert (refused.digest, done.exit_code) == (first, 9)
    assert "GPL-3.0-only" in refused.reason
    assert refused.promotion is not None
    assert not refused.promotion.gates[-1].passed


def test_a_repository_that_cannot_be_read_fails_alone(faults: FaultProxy, promoter: Client, tmp_path: Path) -> None:
    policy = policy_of(faults.address, 2, {"dev": Channel(), "prod": Channel(from_="dev")})
    for kit in policy.kits:
        pack(promoter, tmp_path, kit, kit)
    faults.fault("HEAD", "kit-0/manifests/", answer(403), times=9)
    done = promoter.promote_all(policy)
    assert outcomes(done) == [("prod", "failed"), ("prod", "promoted")]
    assert done.exit_code == done.outcomes[0].exit_code == 5
    assert "kit-0" in done.outcomes[0].reason


def test_a_registry_that_is_away_is_waited_for_once() -> None:
    events: list[kitops.Event] = []
    away = Registries(others=RegistryOptions(backoff=0.05, keep_trying=0.2, plain_http=True))
    with client(registries=away, on_event=events.append) as promoter:
        done = promoter.promote_all(policy_of("127.0.0.1:9", 40, CHAIN))
    assert Counter(outcomes(done)) == {("staging", "failed"): 40, ("prod", "failed"): 40}
    assert done.exit_code == 7
    assert 0 < len([event for event in events if event.phase == "retry"]) < 40 * len(CHAIN)


def test_a_dry_run_says_what_would_be_and_changes_nothing(registry: str, promoter: Client, tmp_path: Path) -> None:
    policy = policy_of(registry, 1, CHAIN)
    pack(promoter, tmp_path, policy.kits[0], "1")
    assert outcomes(promoter.promote_all(policy, dry_run=True)) == [("staging", "promoted"), ("prod", "empty")]
    with pytest.raises(NotFoundError):
        promoter.resolve(f"{policy.kits[0]}:staging", where="registry")


def test_what_somebody_else_put_into_a_channel_goes_through_its_gates_though_it_is_the_same(
    registry: str, promoter: Client, tmp_path: Path
) -> None:
    policy = policy_of(registry, 1, {"dev": Channel(), "prod": Channel(from_="dev", gates=[MIT])})
    (kit,) = policy.kits
    pack(promoter, tmp_path, kit, "1", "MIT")
    promoter.promote_all(policy)
    pack(promoter, tmp_path, kit, "2", "GPL-3.0-only")
    promoter.tag(f"{kit}:dev", ["prod"], where="registry")
    assert outcomes(promoter.promote_all(policy)) == [("prod", "refused")]
    pack(promoter, tmp_path, kit, "3", "MIT")
    promoter.tag(f"{kit}:dev", ["prod"], where="registry")
    assert outcomes(promoter.promote_all(policy)) == [("prod", "promoted")]
    assert outcomes(promoter.promote_all(policy)) == [("prod", "unchanged")]


def test_a_rollback_is_not_undone_by_the_next_run(registry: str, promoter: Client, tmp_path: Path) -> None:
    policy = policy_of(registry, 1, {"dev": Channel(), "prod": Channel(from_="dev")})
    one = policy.of(policy.kits[0])
    first = pack(promoter, tmp_path, one.kit, "1")
    promoter.promote_all(policy)
    second = pack(promoter, tmp_path, one.kit, "2")
    promoter.promote_all(policy)
    promoter.rollback("prod", policy=one)
    (refused,) = promoter.promote_all(policy).outcomes
    assert (refused.outcome, refused.digest, refused.exit_code) == ("refused", first, 9)
    assert "prod was rolled back from it" in refused.reason
    assert promoter.promote("", "prod", policy=one).digest == second
    promoter.rollback("prod", policy=one)
    pack(promoter, tmp_path, one.kit, "3")
    assert outcomes(promoter.promote_all(policy)) == [("prod", "promoted")]


def test_a_kit_that_stays_costs_a_request_for_each_tag_and_two_for_its_repository(
    faults: FaultProxy, promoter: Client, tmp_path: Path
) -> None:
    chain = {"dev": Channel(), **{f"c{n}": Channel(from_=f"c{n - 1}" if n else "dev") for n in range(4)}}
    policy = policy_of(faults.address, 5, chain)
    for kit in policy.kits:
        pack(promoter, tmp_path, kit, kit)
    promoter.promote_all(policy)
    with client(registries=Registries(others=QUICK)) as another:
        faults.seen.clear()
        assert set(outcomes(another.promote_all(policy))) == {(f"c{n}", "unchanged") for n in range(4)}
    asked = Counter("HEAD" if seen.method == "HEAD" else seen.path.split("/")[4] for seen in faults.seen)
    # The registry has no referrers API. Those that ask at once learn that at once, and nobody else asks.
    assert asked.pop("referrers") <= len(policy.kits)
    assert asked == {"HEAD": 5 * len(chain), "tags": 5, "manifests": 5}


def test_what_gates_read_of_a_kit_is_read_once_for_all_channels_that_refuse_it(
    faults: FaultProxy, promoter: Client, tmp_path: Path
) -> None:
    chain = {"dev": Channel(), **{f"c{n}": Channel(from_=f"c{n - 1}" if n else "dev") for n in range(4)}}
    closed = {f"closed-{n}": Channel(from_="c3", gates=[MIT]) for n in range(3)}
    policy = policy_of(faults.address, 2, {**chain, **closed})
    for kit in policy.kits:
        pack(promoter, tmp_path, kit, kit, "GPL-3.0-only")
    promoter.promote_all(policy)
    with client(registries=Registries(others=QUICK)) as another:
        faults.seen.clear()
        done = another.promote_all(policy)
    assert Counter(outcome for _, outcome in outcomes(done)) == {"unchanged": 8, "refused": 6}
    asked = Counter((seen.method, seen.path) for seen in faults.seen if "/blobs/" in seen.path or "sha256" in seen.path)
    asked.subtract([one for one in asked if "/referrers/" in one[1]])
    assert max(asked.values()) == 1
    own = Counter(seen.path.split("/")[4] for seen in faults.seen if seen.method == "GET")
    assert own["tags"] == 2 * (1 + 3)  # to see what stays, and for each move that is tried
    assert own["blobs"] == 2 * (1 + 4)  # the Kitfile, and how the kit came into each channel
    assert len([seen for seen in faults.seen if seen.method == "HEAD"]) == 2 * (5 + 3 + 3)


def test_what_was_read_before_a_move_does_not_hide_its_record_from_the_next_gate(
    registry: str, promoter: Client, tmp_path: Path
) -> None:
    policy = policy_of(registry, 1, {"dev": Channel(), "closed": Channel(from_="dev", gates=[MIT]), **CHAIN})
    pack(promoter, tmp_path, policy.kits[0], "1", "GPL-3.0-only")
    moved = promoter.promote_all(policy)
    assert outcomes(moved) == [("closed", "refused"), ("staging", "promoted"), ("prod", "promoted")]


class TestPolicies:
    def test_targets_are_named_for_each_kit(self) -> None:
        channels = {"dev": Channel(), "prod": Channel(from_="dev", target="prod.example.com/{kit}:live")}
        policy = PromotionPolicy(kits=["r.example.com/ml/a", "r.example.com/ml/b"], channels=channels)
        assert [str(one.target("prod")) for one in policy.each()] == [
            "prod.example.com/ml/a:live",
            "prod.example.com/ml/b:live",
        ]

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("kit: r.io/a\nkits: [r.io/b]\nchannels: {dev: {}}", "line 2: kits: stands beside kit; write one of them"),
            ("kits: [r.io/b, 'r.io/c:1']\nchannels: {dev: {}}", "line 1: kits[1]: 'r.io/c:1' names one kit"),
            ("kits: [r.io/b, r.io/b]\nchannels: {dev: {}}", "line 1: kits[1]: r.io/b is there already"),
            (
                "kits: [r.io/b, r.io/c]\nchannels:\n  dev: {}\n  prod: {from: dev, target: r.io/prod}",
                "line 4: channels.prod.target: 'r.io/prod' is one place for all kits; write {kit}",
            ),
            ("channels: {dev: {}}", "kit: is missing"),
        ],
    )
    def test_what_cannot_be_is_named_with_its_line(self, text: str, problem: str, tmp_path: Path) -> None:
        (tmp_path / "promotion.yaml").write_text(text)
        with pytest.raises(kitops.PolicyError) as caught:
            kitops.load_policy(tmp_path / "promotion.yaml")
        assert problem in str(caught.value)

    def test_what_is_about_one_kit_is_told_which(self, tmp_path: Path) -> None:
        path = tmp_path / "promotion.yaml"
        path.write_text("kits: [r.example.com/ml/a, r.example.com/ml/b]\nchannels: {dev: {}, prod: {from: dev}}\n")
        assert kitops.load_policy(f"{path}#ml/b").kit == "r.example.com/ml/b"
        with pytest.raises(NotFoundError) as caught:
            kitops.load_policy(f"{path}#ml/c")
        assert "ml/a" in caught.value.hint or "ml/b" in caught.value.hint
        with pytest.raises(InvalidInputError, match="has 2 kits") as wrong:
            kitops.channels(path)
        assert f"{path}#r.example.com/ml/a" in wrong.value.hint


class TestCommand:
    def test_it_says_what_moved_what_did_not_and_why(self, registry: str, promoter: Client, tmp_path: Path) -> None:
        policy = policy_of(registry, 2, CHAIN)
        for kit, license in zip(policy.kits, ("MIT", "GPL-3.0-only"), strict=True):
            pack(promoter, tmp_path, kit, kit, license)
        (tmp_path / "promotion.yaml").write_text(
            f"kits: [{', '.join(policy.kits)}]\nchannels:\n  dev: {{}}\n"
            "  prod: {from: dev, gates: [{license: {allow: [MIT]}}]}\n"
        )
        asked = ("promote", "--all", "-p", tmp_path / "promotion.yaml")
        planned = command(*asked, "--dry-run")
        assert planned.code == 9
        assert "2 channels of 2 kits  1 would promote  1 refused" in planned.out
        ran = command(*asked)
        assert ran.code == 9
        lines = ran.out.splitlines()
        assert lines[0].split()[:3] == ["promoted", policy.kits[0], "prod"]
        assert lines[1].split()[:3] == ["refused", policy.kits[1], "prod"]
        assert lines[2] == "2 channels of 2 kits  1 promoted  1 refused"
        again = command(*asked, "--json")
        assert [one["outcome"] for one in again.json["outcomes"]] == ["unchanged", "refused"]
        assert again.json["outcomes"][1]["promotion"]["refused"]
        pack(promoter, tmp_path, policy.kits[1], "2", "MIT")
        assert ok(*asked).out.splitlines()[-1] == "2 channels of 2 kits  1 promoted  1 unchanged"

    @pytest.mark.parametrize("args", [[], ["--all", "r.io/kit:1"], ["--all", "--expect", "absent"]])
    def test_what_does_not_go_together_is_refused(self, args: list[str]) -> None:
        assert command("promote", *args).code == 2
