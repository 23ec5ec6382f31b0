"""All gates are asked, the evidence is read once, and what cannot be evaluated refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from clients import find_kit
from fault_proxy import FaultProxy, answer, corrupt
from promotion_world import RELEASE, World
from signing_tools import sign

import kitops_core as kitops
from kitops_core import Registries
from kitops_core.errors import CancelledError, RegistryError
from kitops_core.events import Cancel, Control
from kitops_core.promotion.gate_result import GateResult
from kitops_core.promotion.gates.candidate import Candidate
from kitops_core.promotion.gates.configured import gates_of
from kitops_core.promotion.gates.evaluate import evaluate
from kitops_core.promotion.policy import PromotionPolicy
from kitops_core.promotion.policy_file import parse_policy
from kitops_core.session import FoundKit
from kitops_core.storage.registry import RegistryOptions

ALL_GATES = """\
dev: {}
prod:
  from: dev
  soak: 24h
  approvals: {keys: [risk.pub]}
  gates:
    - signed: {key: release.pub}
    - provenance: {}
    - metric: {name: accuracy, min: 0.9, not_worse_than: prod}
    - license: {allow: [MIT, Apache-2.0]}
    - required: [model]
    - max_size: 10GiB
    - age: {max: 7d}
    - command: {run: ["true"]}
"""
KINDS = ["upstream", "signed", "provenance", "metric", "license", "required"]
KINDS += ["max_size", "age", "command", "soak", "approvals"]


def test_every_gate_is_asked_also_after_one_refused(world: World) -> None:
    results = world.ask_all(world.policy(ALL_GATES), "prod")
    assert [result.kind for result in results] == KINDS
    refused = [result.kind for result in results if not result.passed]
    assert refused == ["signed", "provenance", "metric", "age", "soak", "approvals"]
    assert all(result.detail for result in results if not result.passed)


def test_a_result_is_plain_json(world: World) -> None:
    record = world.sign(RELEASE)
    assert world.ask("signed: {key: release.pub}").to_dict() == {
        "name": "signed by release.pub",
        "kind": "signed",
        "passed": True,
        "detail": "",
        "evidence": [record],
    }


class Broken:
    kind = "broken"
    name = "a gate with a mistake"

    def check(self, candidate: Candidate) -> GateResult:
        raise ZeroDivisionError("division by zero")


class Stopped(Broken):
    def check(self, candidate: Candidate) -> GateResult:
        raise CancelledError("cancelled")


def test_a_gate_that_breaks_refuses_and_cancelling_passes_through(world: World) -> None:
    candidate = world.candidate(world.policy("prod: {}"), "prod")
    (result,) = evaluate([Broken()], candidate)
    assert (result.passed, result.detail) == (False, "cannot be evaluated: ZeroDivisionError: division by zero")
    with pytest.raises(CancelledError):
        evaluate([Stopped()], candidate)
    cancel = Cancel()
    cancel.cancel()
    candidate.control = Control(cancel=cancel)
    with pytest.raises(CancelledError):
        evaluate([Broken()], candidate)


def test_an_upstream_channel_that_cannot_be_read_refuses_what_needs_it(world: World) -> None:
    def open_channel(name: str) -> FoundKit | None:
        raise RegistryError("registry.example.com does not answer")

    policy = world.policy(ALL_GATES)
    candidate = Candidate(world.find("dev"), "prod", policy, open_channel=open_channel)
    results = {result.kind: result for result in evaluate(gates_of(policy, "prod"), candidate)}
    for kind in ("upstream", "soak", "command"):
        assert results[kind].detail == "cannot be evaluated: registry.example.com does not answer"
    assert results["license"].passed


@pytest.fixture
def remote(world: World, registry: str) -> str:
    """The kit in the registry, signed."""
    reference = f"{registry}/gates/{world.directory.name.replace('_', '-')}:dev"
    kitops.pack(world.directory / "kit", reference, push=True)
    found = find_kit(reference, "registry")
    sign(found.storage, found.manifest.descriptor, RELEASE)
    found.storage.close()
    return reference


def through(proxy: FaultProxy, remote: str, directory: Path) -> tuple[Candidate, PromotionPolicy]:
    """The kit as a candidate, seen through a proxy."""
    reference = f"{proxy.address}/{remote.partition('/')[2]}"
    gates = ("signed: {key: release.pub}", "provenance: {}", "metric: {name: accuracy, min: 0.9}", "max_size: 10GiB")
    text = f"kit: {reference.rpartition(':')[0]}\nchannels:\n  prod:\n    gates:\n"
    policy = parse_policy(text + "".join(f"      - {gate}\n" for gate in gates), "p", base=directory)
    found = find_kit(reference, "registry", registries=Registries(others=RegistryOptions(keep_trying=0)))
    return Candidate(found, "prod", policy, open_channel=lambda name: None), policy


def test_evidence_in_a_registry_is_read_once_for_all_gates(remote: str, world: World, faults: FaultProxy) -> None:
    candidate, policy = through(faults, remote, world.directory)
    before = len(faults.seen)
    results = evaluate(gates_of(policy, "prod"), candidate)
    candidate.storage.close()
    assert [result.passed for result in results] == [True, False, False, True]
    asked = [request.path for request in faults.seen[before:] if request.method == "GET"]
    assert len(asked) == len(set(asked))


def test_a_registry_that_fails_refuses_and_is_asked_once(remote: str, world: World, faults: FaultProxy) -> None:
    candidate, policy = through(faults, remote, world.directory)
    faults.fault("GET", "/(referrers|manifests)/", answer(500), times=99)
    before = len(faults.seen)
    results = evaluate(gates_of(policy, "prod"), candidate)
    candidate.storage.close()
    assert [result.passed for result in results] == [False, False, False, True]
    assert all("cannot be evaluated" in result.detail for result in results[:3])
    assert len(faults.seen) - before == 1


def test_a_referrer_that_cannot_be_fetched_refuses_and_says_so(remote: str, world: World, faults: FaultProxy) -> None:
    candidate, policy = through(faults, remote, world.directory)
    faults.fault("GET", "/blobs/", corrupt(), times=99)
    signed, *_ = evaluate(gates_of(policy, "prod"), candidate)
    candidate.storage.close()
    assert not signed.passed
    assert "cannot be read" in signed.detail
