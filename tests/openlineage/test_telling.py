"""What each verb tells lineage: that it began, what came of it, and that it failed, in words without secrets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from clients import client
from hub_imports import FILES, QUICK
from hub_server import Hub
from promotion_world import World
from signing_tools import new_key

import kitops_core as kitops
from kitops_core import Contents, Provenance
from kitops_core.errors import CancelledError, GateRefusedError, KitfileError, NotFoundError, SourceError
from kitops_core.openlineage.telling import configured

RUN = kitops.Source(
    orchestrator="prefect", pipeline="train", run="4c1d", task="fit", url="https://u:hunter2@p.example/1"
)


@pytest.fixture
def told() -> list[kitops.Operation]:
    return []


@pytest.fixture
def listener(told: list[kitops.Operation]) -> kitops.Client:
    return client(on_lineage=told.append, run=RUN, registries=kitops.Registries(others=QUICK))


@pytest.fixture
def model(tmp_path: Path) -> Contents:
    (tmp_path / "model.bin").write_text("weights")
    return Contents(model=tmp_path / "model.bin", name="churn")


def states(told: list[kitops.Operation]) -> list[tuple[str, str]]:
    return [(one.verb, one.state) for one in told]


def test_a_pack_tells_what_it_made_and_of_what(
    registry: str, listener: kitops.Client, told: list[kitops.Operation], model: Contents
) -> None:
    base = listener.pack(model, f"{registry}/tell/base:1", push=True)
    said = Provenance(inputs=["s3://raw/train.csv", f"{registry}/tell/base:1"], metrics={"accuracy": 0.94})
    made = listener.pack(model, f"{registry}/tell/churn:1", push=True, provenance=said)
    assert states(told) == [("pack", "START"), ("pack", "COMPLETE")] * 2
    start, end = told[2:]
    assert (start.id, start.record, start.inputs) == (end.id, None, ())
    assert end.id != told[0].id
    assert end.time >= end.started == start.started
    assert end.record == made
    assert [(item.uri, item.digest) for item in end.inputs[:2]] == [
        ("s3://raw/train.csv", {}),
        (f"oci://{registry}/tell/base@{base.digest}", {"sha256": base.digest.removeprefix("sha256:")}),
    ]
    assert end.metrics == {"accuracy": 0.94}
    assert [kind.rpartition("/")[0].rpartition("/")[2] for kind in end.statements] == ["provenance", "test-result"]
    assert not end.signed
    assert end.run.pipeline == "train"


def test_parents_without_provenance_are_told_too(
    registry: str, listener: kitops.Client, told: list[kitops.Operation], model: Contents
) -> None:
    base = listener.pack(model, f"{registry}/tell/base:1", push=True)
    parent = f"{registry}/tell/base@{base.digest}"
    listener.pack(model, "churn:1", parents=[parent])
    assert [item.uri for item in told[-1].inputs] == [f"oci://{parent}"]


def test_a_parent_that_is_no_reference_is_passed_over(
    listener: kitops.Client, told: list[kitops.Operation], model: Contents
) -> None:
    assert listener.pack(model, "churn:1", parents=["Not A Reference"]).digest
    assert told[-1].inputs == ()


def test_a_kit_in_a_layout_is_told_by_its_directory(
    listener: kitops.Client, told: list[kitops.Operation], model: Contents, tmp_path: Path
) -> None:
    made = listener.pack(model, f"oci:{tmp_path}/layout:dev")
    policy = kitops.PromotionPolicy(
        kit="churn",
        channels={
            "dev": kitops.Channel(target=f"oci:{tmp_path}/layout:dev"),
            "prod": kitops.Channel(from_="dev", target=f"oci:{tmp_path}/other:prod"),
        },
    )
    listener.promote("", "prod", policy=policy)
    (item,) = told[-1].inputs
    assert (item.uri, item.digest) == (f"file://{tmp_path}/layout", {"sha256": made.digest.removeprefix("sha256:")})


def test_a_signed_kit_is_told_as_signed(
    registry: str, told: list[kitops.Operation], model: Contents, tmp_path: Path
) -> None:
    signing = client(on_lineage=told.append, signer=new_key("release"))
    signing.pack(model, f"{registry}/tell/signed:1", push=True)
    assert told[-1].signed


def test_data_that_stays_where_it_is_is_an_input(
    listener: kitops.Client, told: list[kitops.Operation], tmp_path: Path
) -> None:
    (tmp_path / "model.bin").write_text("w")
    (tmp_path / "Kitfile").write_text(
        "manifestVersion: 1.0.0\nmodel: {path: model.bin}\n"
        "datasets: [{name: train, path: train.csv, remotePath: 's3://raw/train.csv', remoteHash: abc}]\n"
    )
    listener.pack(tmp_path, "churn:1")
    assert [(item.uri, item.digest) for item in told[-1].inputs] == [("s3://raw/train.csv", {"etag": "abc"})]


def test_a_directory_in_an_object_store_is_an_input(listener: kitops.Client, told: list[kitops.Operation]) -> None:
    import fsspec

    fsspec.filesystem("memory").pipe("/bucket/model/model.bin", b"w")
    listener.pack("memory://bucket/model", "churn:1")
    assert [item.uri for item in told[-1].inputs] == ["memory://bucket/model"]


def test_a_kit_of_parts_is_told_where_it_is_put_together(
    listener: kitops.Client, told: list[kitops.Operation], tmp_path: Path
) -> None:
    (tmp_path / "model.bin").write_text("w")
    (tmp_path / "Kitfile").write_text("manifestVersion: 1.0.0\nmodel: {path: model.bin}\n")
    layers = listener.pack_layers(tmp_path, "churn:1", ["model.bin"])
    assert told == []
    made = listener.assemble("churn:1", layers, kitfile=tmp_path / "Kitfile")
    assert states(told) == [("assemble", "START"), ("assemble", "COMPLETE")]
    assert told[-1].record == made


def test_an_import_tells_the_commit_it_came_from(
    registry: str, hub: Hub, listener: kitops.Client, told: list[kitops.Operation]
) -> None:
    commit = hub.repo("acme/tiny").commit(FILES)
    listener.import_kit("acme/tiny", f"{registry}/tell/tiny:1", push=True)
    assert states(told) == [("import", "START"), ("import", "COMPLETE")]
    assert (told[-1].inputs[0].uri, told[-1].inputs[0].digest) == (f"hf://acme/tiny@{commit}", {"gitCommit": commit})


def test_an_index_is_told(listener: kitops.Client, told: list[kitops.Operation], model: Contents) -> None:
    listener.pack(model, "churn:q4")
    made = listener.index_kits("churn:all", [kitops.Variant("churn:q4", {"quantization": "q4_0"})])
    assert states(told)[2:] == [("index", "START"), ("index", "COMPLETE")]
    assert told[-1].record == made


class TestPromotions:
    @pytest.fixture
    def world(self, tmp_path: Path) -> World:
        return World(tmp_path)

    def test_each_move_is_told_with_its_gates(
        self, world: World, listener: kitops.Client, told: list[kitops.Operation]
    ) -> None:
        policy = world.policy("dev: {}\nprod: {from: dev, gates: [{license: {allow: [MIT, Apache-2.0]}}]}")
        first = listener.promote("", "prod", policy=policy).digest
        world.pack("other weights")
        listener.promote("", "prod", policy=policy)
        listener.rollback("prod", policy=policy)
        assert states(told) == [
            *(("promote", "START"), ("promote", "COMPLETE")) * 2,
            *(("rollback", "START"), ("rollback", "COMPLETE")),
        ]
        moved, back = told[3], told[5]
        assert moved.channel == back.channel == "prod"
        gates = [(gate["kind"], gate["passed"]) for gate in moved.promotion["gates"]]
        assert gates == [("upstream", True), ("license", True)]
        assert moved.promotion["previous_digest"] == first
        assert moved.record is not None
        assert [item.uri for item in moved.inputs] == [f"oci://localhost/churn@{moved.record.digest}"]
        assert back.record is not None
        assert (back.record.digest, back.promotion["gates"][0]["kind"]) == (first, "history")
        assert [item.uri for item in back.inputs] == [f"oci://localhost/churn@{first}"]

    def test_what_a_gate_refuses_has_failed(
        self, world: World, listener: kitops.Client, told: list[kitops.Operation]
    ) -> None:
        policy = world.policy("dev: {}\nprod: {from: dev, gates: [{license: {allow: [BSD-3-Clause]}}]}")
        with pytest.raises(GateRefusedError):
            listener.promote("", "prod", policy=policy)
        assert states(told) == [("promote", "START"), ("promote", "FAIL")]
        assert [gate["passed"] for gate in told[-1].promotion["gates"]] == [True, False]
        assert "prod refuses" in told[-1].error

    def test_a_dry_run_does_nothing_and_is_not_told(
        self, world: World, listener: kitops.Client, told: list[kitops.Operation]
    ) -> None:
        policy = world.policy("dev: {}\nprod: {from: dev}")
        listener.promote("", "prod", policy=policy, dry_run=True)
        assert told == []


def test_what_fails_is_told_with_its_reason(
    listener: kitops.Client, told: list[kitops.Operation], tmp_path: Path
) -> None:
    with pytest.raises(SourceError):
        listener.pack(tmp_path / "nothing", "churn:1")
    assert states(told) == [("pack", "START"), ("pack", "FAIL")]
    assert "does not exist" in told[-1].error


def test_what_is_cancelled_is_told_as_aborted(told: list[kitops.Operation], model: Contents) -> None:
    switch = kitops.Cancel()
    switch.cancel()
    with pytest.raises(CancelledError):
        client(on_lineage=told.append, cancel=switch).pack(model, "churn:1")
    assert states(told) == [("pack", "START"), ("pack", "ABORT")]


def test_an_error_is_told_without_the_secrets_in_it(listener: kitops.Client, told: list[kitops.Operation]) -> None:
    with pytest.raises((SourceError, KitfileError, NotFoundError, kitops.InvalidInputError)):
        listener.pack("s3://user:hunter2@bucket/x?X-Amz-Signature=abcdef&token=hunter2", "churn:1")
    assert "hunter2" not in told[-1].error
    assert "abcdef" not in told[-1].error


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"OPENLINEAGE_URL": "http://localhost:5000"}, True),
        ({"OPENLINEAGE__TRANSPORT__TYPE": "console"}, True),
        ({"OPENLINEAGE__TRANSPORT": '{"type": "file"}'}, True),
        ({"OPENLINEAGE_URL": "http://localhost:5000", "OPENLINEAGE_DISABLED": "True"}, False),
        ({"OPENLINEAGE_NAMESPACE": "ml"}, False),
        ({"OPENLINEAGE_CONFIG": "/nowhere/openlineage.yml"}, False),
    ],
)
def test_it_is_configured_where_its_client_would_find_a_transport(environment: dict[str, str], expected: bool) -> None:
    assert configured(environment) is expected


@pytest.mark.parametrize("place", ["home", "here", "named"])
def test_its_file_is_found_where_its_client_looks(
    place: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    named = tmp_path / "conf" / "any.yml"
    file = {"home": home / ".openlineage/openlineage.yml", "here": tmp_path / "openlineage.yml", "named": named}[place]
    environment = {"OPENLINEAGE_CONFIG": str(named)} if place == "named" else {}
    assert not configured(environment)
    file.parent.mkdir(exist_ok=True)
    file.write_text("transport: {type: console}\n")
    assert configured(environment)


def test_an_operation_says_what_it_is_told_and_no_more(told: list[kitops.Operation], model: Contents) -> None:
    """Parameters of a run may be anything, so that they are no part of it."""
    said = Provenance(parameters={"password": "hunter2", "depth": 8})
    client(on_lineage=told.append).pack(model, "churn:1", provenance=said)
    assert "hunter2" not in repr(told)
    assert "depth" not in repr(replace(told[-1], record=None))


def test_who_listens_hears_of_kits_made_at_once(
    listener: kitops.Client, told: list[kitops.Operation], model: Contents
) -> None:
    from kitops_core.parallel import run_all
    from kitops_core.session import Session

    def pack(number: int) -> Callable[[Any], None]:
        return lambda _: (listener.pack(model, f"churn:{number}"), None)[1]

    run_all([pack(number) for number in range(4)], Session().control)
    assert len({one.id for one in told}) == 4
    assert sorted(one.state for one in told) == ["COMPLETE"] * 4 + ["START"] * 4
