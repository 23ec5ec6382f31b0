"""Promotion of an index: every kit passes every gate, all go along, one tag moves, one record is left."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from promotions import QUICK, Project, new_project
from signing_tools import new_key
from variants import LABELS, copy_kit_as_others_do

import kitops_core as kitops
from kitops_core import Contents, GateRefusedError, Variant
from kitops_core.oci.kit_index import KitIndex
from kitops_core.oci.own_tags import kept_tag
from kitops_core.storage.registry import RegistryRepository
from kitops_core.storage.registry.manifests import RawManifest

EARLIER = datetime.now(timezone.utc) - timedelta(minutes=5)


@pytest.fixture
def project(tmp_path: Path, either_registry: str) -> Project:
    """A project in a registry that keeps referrers under a tag, and in one that has the referrers API."""
    return new_project(tmp_path / "project", either_registry)


def pack(project: Project, tag: str, weights: str, **package: Any) -> str:
    directory = project.root / "variants"
    directory.mkdir(exist_ok=True)
    (directory / f"{tag}.gguf").write_text(weights)
    contents = Contents(model=directory / f"{tag}.gguf", name="llm", **package)
    return project.client().pack(contents, f"{project.kit}:{tag}", push=True).digest


def index(project: Project, tag: str = "dev", weights: str = "", **package: Any) -> str:
    """Three variants and their index; only what ``weights`` says of q4_0 differs from one call to the next."""
    for one in LABELS:
        pack(project, one, f"{one} {weights if one == 'q4_0' else ''}", **package)
    variants = [Variant(f"{project.kit}:{one}", labels) for one, labels in LABELS.items()]
    return project.client().index_kits(f"{project.kit}:{tag}", variants, push=True).digest


def test_it_moves_like_a_kit_and_goes_back(project: Project) -> None:
    project.channels(dev={}, staging={"from": "dev"}, prod={"from": "staging"})
    first = index(project)
    promoted = project.promote("dev", "staging")
    assert (promoted.digest, promoted.changed, len(promoted.kit.variants or ())) == (first, True, 3)
    project.promote("", "prod")
    second = index(project, weights="retrained")
    project.promote("dev", "staging")
    plan = project.promote("", "prod", dry_run=True)
    assert plan.diff is not None
    assert [(one.change, one.variant) for one in plan.diff.variants] == [("changed", "quantization=q4_0, vram=6GB")]
    project.promote("", "prod")
    with project.client().open(f"{project.kit}:prod?quantization=q4_0") as kit:
        assert kit.read("q4_0.gguf") == b"q4_0 retrained"
    assert project.rollback("prod").digest == first
    assert [one.digest for one in project.client().history("prod", policy=project.policy)] == [first, second, first]
    states = {one.name: one for one in project.client().channels(project.policy)}
    assert len(states["prod"].variants or ()) == 3
    assert states["prod"].waiting == second
    assert states["prod"].to_dict()["variants"][0]["labels"] == LABELS["f16"]
    with project.client().open(f"{project.kit}:prod?vram<=6GB") as kit:
        assert kit.read("q4_0.gguf") == b"q4_0 "


def test_a_channel_may_have_a_kit_and_then_an_index(project: Project) -> None:
    project.channels(dev={}, prod={"from": "dev"})
    kit = project.pack("1.0", "dev")
    project.promote("dev", "prod")
    digest = index(project)
    assert project.promote("dev", "prod", dry_run=True).diff is None
    assert project.promote("dev", "prod").previous_digest == kit
    assert project.client().resolve(f"{project.kit}:prod") == digest
    assert project.rollback("prod").digest == kit


def test_every_kit_must_pass_and_the_refusal_names_those_that_do_not(project: Project) -> None:
    gates = [{"metric": {"name": "accuracy", "min": 0.9}}]
    project.channels(dev={}, prod={"from": "dev", "gates": gates})
    index(project)
    for tag, accuracy in (("q4_0", 0.8), ("q8_0", 0.92), ("f16", 0.95)):
        project.client().attest_metrics(f"{project.kit}:{tag}", {"accuracy": accuracy}, time=EARLIER)
    with pytest.raises(GateRefusedError, match=r"1 of 3 kits \(q4_0\): 0.80"):
        project.promote("dev", "prod")
    assert project.digest(f"{project.kit}:prod") == ""
    project.client().attest_metrics(f"{project.kit}:q4_0", {"accuracy": 0.91})
    promoted = project.promote("dev", "prod")
    (metric,) = [gate for gate in promoted.gates if gate.kind == "metric"]
    assert "q4_0: accuracy 0.91" in metric.detail
    assert "f16: accuracy 0.95" in metric.detail
    assert len(metric.evidence) == 3


def test_a_variant_is_measured_against_the_same_variant_that_the_channel_has(project: Project) -> None:
    gates = [{"metric": {"name": "accuracy", "not_worse_than": "prod"}}]
    project.channels(dev={}, prod={"from": "dev", "gates": gates})
    index(project)
    for tag, accuracy in (("q4_0", 0.8), ("q8_0", 0.9), ("f16", 0.95)):
        project.client().attest_metrics(f"{project.kit}:{tag}", {"accuracy": accuracy}, time=EARLIER)
    project.promote("dev", "prod")
    index(project, weights="worse")
    project.client().attest_metrics(f"{project.kit}:q4_0", {"accuracy": 0.7}, time=EARLIER)
    with pytest.raises(GateRefusedError, match=r"1 of 3 kits \(q4_0\): 0.70, prod has 0.80"):
        project.promote("dev", "prod")
    project.client().attest_metrics(f"{project.kit}:q4_0", {"accuracy": 0.81})
    assert project.promote("dev", "prod").changed


def test_signed_is_each_kit_or_the_index_that_names_them(project: Project) -> None:
    key = new_key("release")
    (project.root / "release.pub").write_bytes(key.public.pem)
    project.channels(dev={}, prod={"from": "dev", "gates": [{"signed": {"key": "release.pub"}}]})
    index(project)
    project.client(signer=key).sign(f"{project.kit}:q4_0")
    with pytest.raises(GateRefusedError, match=r"2 of 3 kits \(f16, q8_0\)"):
        project.promote("dev", "prod")
    project.client(signer=key).sign(f"{project.kit}:dev")
    assert project.promote("dev", "prod").changed


def test_into_another_repository_all_kits_go_along_with_what_is_attached(project: Project) -> None:
    target = f"{project.kit}-live"
    project.channels(dev={}, prod={"from": "dev", "target": target, "version_tags": ["{version}"]})
    digest = index(project, version="1.2")
    for one in LABELS:
        project.client().attest_metrics(f"{project.kit}:{one}", {"accuracy": 0.9})
    project.client().attest_metrics(f"{project.kit}:dev", {"size": 3})
    promoted = project.promote("dev", "prod")
    assert promoted.tags == ("1.2",)
    assert project.client().resolve(f"{target}:1.2") == digest
    for one in LABELS:
        chosen = f"{target}:prod?quantization={one}"
        assert project.client().metrics(chosen) == {"accuracy": 0.9}
    kinds = [one.predicate_type for one in project.client().referrers(f"{target}:prod").referrers]
    assert len(kinds) == 2
    records = project.client().history("prod", policy=project.policy)
    assert [record.digest for record in records] == [digest]


def test_kits_that_do_not_agree_give_no_version_tag(project: Project) -> None:
    project.channels(dev={}, prod={"from": "dev", "version_tags": ["{version}"]})
    index(project, version="1.0")
    pack(project, "q4_0", "other", version="1.1")
    variants = [Variant(f"{project.kit}:{one}", labels) for one, labels in LABELS.items()]
    project.client().index_kits(f"{project.kit}:dev", variants, push=True)
    with pytest.raises(GateRefusedError, match=r"do not give one version tag: 1.0, 1.1"):
        project.promote("dev", "prod")


def test_approvals_are_for_the_index(project: Project) -> None:
    key = new_key("risk")
    (project.root / "risk.pub").write_bytes(key.public.pem)
    project.channels(dev={}, prod={"from": "dev", "approvals": {"keys": ["risk.pub"]}})
    index(project)
    with pytest.raises(GateRefusedError):
        project.promote("dev", "prod")
    project.client(signer=key).approve("dev", "prod", policy=project.policy)
    assert project.promote("dev", "prod").changed


def test_one_kit_of_an_index_can_be_promoted_alone(project: Project) -> None:
    project.channels(dev={}, prod={"from": "dev"})
    index(project)
    promoted = project.promote(f"{project.kit}:dev?quantization=q4_0", "prod")
    assert promoted.digest == project.client().resolve(f"{project.kit}:q4_0")
    assert promoted.kit.variants is None


def test_a_kit_that_is_missing_stops_it_before_anything_moves(project: Project, tmp_path: Path) -> None:
    target = f"{project.kit}-{uuid.uuid4().hex[:4]}"
    project.channels(dev={"target": f"{target}:dev"}, prod={"from": "dev"})
    index(project)
    raw = project.client().index_bytes(f"{project.kit}:dev")
    layout = f"oci:{tmp_path / 'layout'}"
    project.client().copy(f"{project.kit}:dev", f"{layout}:dev")
    lost = project.client().resolve(f"{project.kit}:q8_0")
    project.client().remove(f"{layout}@{lost}", where="store")
    project.write({"channels": {"dev": {"target": f"{layout}:dev"}, "prod": {"from": "dev"}}})
    with pytest.raises(kitops.NotFoundError, match=f"names kits that are not in {layout}: q8_0 "):
        project.promote("dev", "prod")
    assert project.digest(f"{project.kit}:prod") == ""
    assert raw


def test_kits_that_another_client_left_without_a_tag_are_kept(project: Project) -> None:
    project.channels(dev={}, prod={"from": "dev"})
    index(project)
    registry, _, name = project.kit.partition("/")
    ours, other = (RegistryRepository(registry, one, QUICK) for one in (name, f"{name}-other"))
    found = ours.read("dev")
    assert isinstance(found, KitIndex)
    for entry in found.entries:
        copy_kit_as_others_do(ours, other, entry.digest)
    other._manifests.put(RawManifest(found.raw, found.digest, found.media_type), "dev")
    project.write({"kit": other.name, "channels": {"dev": {}, "prod": {"from": "dev"}}})
    project.promote("dev", "prod")
    assert {kept_tag(one.digest) for one in (found, *found.entries)} <= {*other.own_tags()}
    ours.close()
    other.close()


def test_prune_leaves_the_kits_of_an_index_that_stays(project: Project) -> None:
    project.channels(dev={"retention": {"keep": 1}}, prod={"from": "dev", "retention": {"keep": 1}})
    first = index(project)
    kept = [kitops.resolve(f"{project.kit}:{one}") for one in LABELS]
    for one in LABELS:
        project.client().attest_metrics(f"{project.kit}:{one}", {"accuracy": 0.9})
    project.promote("dev", "prod")
    second = index(project, weights="retrained")
    project.promote("dev", "prod")
    found = project.client().prune(policy=project.policy, dry_run=False)
    assert first in {one.digest for one in found}
    assert second not in {one.digest for one in found}
    for digest in kept[1:]:  # q8_0 and f16 are in both
        assert project.client().resolve(f"{project.kit}@{digest}") == digest
    assert project.client().open(f"{project.kit}:prod?quantization=f16").digest == kept[2]
