"""Tasks in real flow runs: their results, assets, events, artifacts and what they keep to themselves."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from conftest import write_bundle
from hub_imports import provenance
from prefect import flow, task
from prefect.assets import materialize
from runs import artifacts, events_of, repository

import kitops_core as kitops
from prefect_kitops import (
    ModelKitRef,
    ModelKitRepository,
    apack_modelkit,
    apull_modelkit,
    apush_modelkit,
    aresolve_modelkit,
    materialize_modelkit,
    pack_modelkit,
    pull_modelkit,
    push_modelkit,
    resolve_modelkit,
)
from prefect_kitops.running import run_name

pytestmark = pytest.mark.usefixtures("prefect_server")
SUCCEEDED = "prefect.asset.materialization.succeeded"
FAILED = "prefect.asset.materialization.failed"


def asset_event(key: str, name: str = SUCCEEDED) -> dict[str, Any]:
    return next(event for event in events_of(key, wait_for=name) if event["event"] == name)


def labels(event: dict[str, Any], role: str) -> list[str]:
    return [item["prefect.resource.id"] for item in event["related"] if item["prefect.resource.role"] == role]


def test_a_packed_kit_is_an_asset_an_event_and_a_card(registry: str, bundle: Path) -> None:
    name = repository(registry)

    @flow
    def train() -> ModelKitRef:
        return pack_modelkit(bundle, f"{name}:dev", tags=["1.0"], upstream=["s3://raw/churn.csv"])

    kit = train()
    assert kits_digest(f"{name}:dev") == kit.digest

    event = asset_event(kit.asset_key)
    assert event["payload"]["digest"] == kit.digest
    assert event["payload"]["schema"] == "kitops/modelkit-record/v1"
    assert event["payload"]["source"] == {
        "orchestrator": "prefect",
        "pipeline": "train",
        "task": "pack-modelkit",
        **{key: event["payload"]["source"][key] for key in ("run", "url") if key in event["payload"]["source"]},
    }
    assert "s3://raw/churn.csv" in labels(event, "asset")
    assert labels(event, "asset-materialized-by") == ["kitops"]
    assert labels(event, "flow-run")

    pushed = asset_event(kit.asset_key, "kitops.modelkit.pushed")
    assert pushed["resource"] == {
        "prefect.resource.id": f"oci://{name}",
        "prefect.resource.name": name,
        "kitops.repository": name,
        "kitops.tag": "dev",
        "kitops.digest": kit.digest,
        "kitops.changed": "true",
    }
    assert pushed["payload"]["reference"] == kit.reference
    assert labels(pushed, "modelkit-tag") == [f"oci://{name}:dev", f"oci://{name}:1.0"]

    card = next(card["data"] for card in artifacts("markdown") if kit.digest in (card["data"] or ""))
    assert "# churn" in card
    assert "`model.bin`" in card
    assert "max_depth: 6" in card


def kits_digest(reference: str) -> str:
    with kitops.open(reference, where="registry") as kit:
        return kit.digest


def test_the_card_says_what_changed(registry: str, tmp_path: Path) -> None:
    name = repository(registry)

    @flow
    def train() -> ModelKitRef:
        pack_modelkit(write_bundle(tmp_path / "a", b"first"), f"{name}:dev")
        return pack_modelkit(write_bundle(tmp_path / "b", b"second!", depth=8), f"{name}:dev")

    kit = train()
    card = next(card["data"] for card in artifacts("markdown") if f"`{kit.digest}`" in (card["data"] or ""))
    assert "| changed | model `model.bin` |" in card
    assert "| field | `model.parameters.max_depth` | `6` | `8` |" in card


def test_the_page_of_a_repository_is_linked(registry: str, bundle: Path) -> None:
    name = repository(registry)
    page = f"https://kits.example.com/{name.rpartition('/')[2]}"
    churn = ModelKitRepository(registry=registry, repository=name.partition("/")[2], web_url=page)

    @flow
    def train() -> ModelKitRef:
        return pack_modelkit(bundle, "dev", registry=churn)

    kit = train()
    shown = [artifact["data"] for artifact in artifacts("markdown")]
    assert f"[{name}](<{page}>)" in next(card for card in shown if kit.digest in card)
    assert f"[{name}]({page})" in shown, "the link is an artifact of its own"
    assert asset_event(kit.asset_key)["resource"]["prefect.asset.url"] == page


def test_packing_the_same_again_changes_nothing_and_is_still_seen(registry: str, bundle: Path) -> None:
    name = repository(registry)

    @flow
    def train() -> list[ModelKitRef]:
        return [pack_modelkit(bundle, f"{name}:dev", card=False) for _ in range(2)]

    first, second = train()
    assert (first.digest, first.changed, second.changed) == (second.digest, True, False)
    pushed = "kitops.modelkit.pushed"
    events = [event for event in events_of(first.asset_key, wait_for=pushed, count=2) if event["event"] == pushed]
    seen = [event["resource"]["kitops.changed"] for event in events]
    assert seen == ["true", "false"]


def test_a_failed_pack_is_a_failed_materialization(registry: str, tmp_path: Path) -> None:
    name = repository(registry)

    @flow
    def train() -> None:
        pack_modelkit(tmp_path / "nowhere", f"{name}:dev")

    with pytest.raises(kitops.SourceError):
        train()
    assert asset_event(f"oci://{name}", FAILED)


def test_the_provenance_of_a_kit_has_what_its_flow_was_given_but_nothing_secret(registry: str, bundle: Path) -> None:
    name = repository(registry)

    @flow
    def train(depth: int, password: str, rows: object) -> None:
        pack_modelkit(bundle, f"{name}:dev", card=False)

    train(8, "hunter2", rows=[1, 2, 3])
    given = provenance(f"{name}:dev")["buildDefinition"]["externalParameters"]["parameters"]
    assert given["depth"] == 8
    assert "hunter2" not in str(given)
    assert "rows" not in given


def test_a_decorated_function_materializes_what_it_returns(registry: str, tmp_path: Path) -> None:
    name = repository(registry)

    @materialize("s3://lake/features")
    def features() -> dict[str, int]:
        return {"depth": 8}

    @materialize_modelkit(name, tags=["dev", "1.0"])
    def churn(features: dict[str, int]) -> kitops.Contents:
        model = tmp_path / "model.bin"
        model.write_bytes(b"w" * features["depth"])
        return kitops.Contents(model=model, name="churn", parameters=features)

    @task
    def use(kit: ModelKitRef) -> str:
        return kit.digest

    @flow
    def release() -> str:
        return use(churn(features()))

    digest = release()
    assert digest == kits_digest(f"{name}:dev") == kits_digest(f"{name}:1.0")
    event = asset_event(f"oci://{name}")
    assert labels(event, "asset") == ["s3://lake/features"]
    assert event["payload"]["tags"] == ["dev", "1.0"]


def test_one_mapped_function_makes_as_many_kits_as_its_arguments_name(registry: str, tmp_path: Path) -> None:
    name = repository(registry)

    @materialize_modelkit(f"{name}/{{region}}:v{{version}}", tags=["{version}-{kind}"], card=False)
    def churn(region: str, version: int = 1, kind: str = "tree+boost") -> Path:
        directory = tmp_path / f"of {region}" / "bundle"
        directory.mkdir(parents=True)
        (directory / "model.bin").write_text(region)
        return directory

    @flow
    def train() -> list[ModelKitRef]:
        return churn.map([f"region-{index}" for index in range(20)] + ["EU north"]).result()

    *kits, odd = train()
    assert [kit.repository for kit in kits] == [f"{name}/region-{index}" for index in range(20)]
    assert {kit.tag for kit in kits} == {"v1"}
    assert kits[0].tags == ("v1", kits[0].tags[1])
    assert kits[0].tags[1].startswith("1-tree_boost-")
    assert odd.repository.startswith(f"{name}/eu-north-")
    with kitops.open(kits[3].reference, where="registry") as kit:
        assert kit.kitfile.package.name == "region-3", "the repository's name, not that of a folder called bundle"
    assert asset_event(kits[7].asset_key)["payload"]["tag"] == "v1"


def test_a_name_that_is_no_argument_is_refused_where_the_function_is_defined() -> None:
    with pytest.raises(kitops.InvalidInputError, match="names the argument 'model', which the function does not have"):

        @materialize_modelkit("registry.example.com/ml/{model}:dev")
        def churn(region: str) -> str:
            return region


def test_runs_of_one_mapped_task_that_write_one_tag_are_warned(
    registry: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name = repository(registry)
    sources = [write_bundle(tmp_path / f"m{index}", bytes([index])) for index in range(2)]

    @flow
    def train() -> None:
        pack_modelkit.map(sources, [f"{name}:a", f"{name}:b"], card=False).result()
        pack_modelkit(sources[0], f"{name}-other:a", card=False)
        assert "in this flow run writes" not in caplog.text
        pack_modelkit.map(sources, f"{name}:c", card=False).result()

    train()
    assert f"another run of pack-modelkit in this flow run writes {name}:c, too" in caplog.text


@pytest.mark.parametrize("twin", [pack_modelkit, apack_modelkit])
def test_results_persist_where_that_is_asked_for_and_nowhere_else(registry: str, bundle: Path, twin: Any) -> None:
    name = repository(registry)

    def persisted(task: Any) -> bool:
        @flow
        def train() -> Any:
            return task(bundle, f"{name}:dev", card=False, return_state=True)

        @flow
        async def atrain() -> Any:
            return await task(bundle, f"{name}:dev", card=False, return_state=True)

        metadata = (asyncio.run(atrain()) if twin is apack_modelkit else train()).data.metadata
        return metadata.storage_key is not None and Path(metadata.storage_key).exists()

    kept = twin.with_options(persist_result=True)
    assert [persisted(twin), persisted(kept), persisted(kept)] == [False, True, True]
    events = events_of(f"oci://{name}", wait_for=SUCCEEDED, count=3)
    assert len([event for event in events if event["event"] == SUCCEEDED]) == 3, "no run took the result of another"


def test_kits_among_the_arguments_are_parents_and_upstream_assets(registry: str, bundle: Path, tmp_path: Path) -> None:
    base, tuned = repository(registry), repository(registry)

    @materialize_modelkit(f"{tuned}:dev", card=False)
    def tune(kits: list[ModelKitRef]) -> Path:
        return write_bundle(tmp_path / "tuned", b"tuned")

    @flow
    def release() -> ModelKitRef:
        return pack_modelkit(bundle, f"{base}:dev", card=False), tune([resolve_modelkit(f"{base}:dev")])

    parent, kit = release()
    event = asset_event(kit.asset_key)
    assert labels(event, "asset") == [f"oci://{base}"]
    assert event["payload"]["parents"] == [f"{base}@{parent.digest}"]


def test_a_decorated_function_that_fails_is_a_failed_materialization(registry: str) -> None:
    name = repository(registry)

    @materialize_modelkit(f"{name}:dev")
    def churn() -> str:
        raise ValueError("no data")

    with pytest.raises(ValueError, match="no data"):
        churn()
    assert asset_event(f"oci://{name}", FAILED)


@pytest.mark.parametrize("made", [None, {"accuracy": 0.9}, ("a", "b", "c"), ("bundle", 0.9)])
def test_a_decorated_function_that_returns_nothing_to_pack_is_told_so(made: object) -> None:
    @materialize_modelkit("registry.example.com/ml/churn:dev")
    def churn() -> object:
        return made

    with pytest.raises(kitops.InvalidInputError, match=r"churn returned .* nothing to pack"):
        churn()


@pytest.mark.parametrize(
    ("kit", "shown"),
    [
        ("ghcr.io/acme/churn:dev", "pull ghcr.io/acme/churn:dev"),
        (f"ghcr.io/acme/churn:dev@sha256:{'a' * 64}", "pull ghcr.io/acme/churn:dev"),
        (f"127.0.0.1:5000/churn@sha256:{'a' * 64}", "pull 127.0.0.1:5000/churn@aaaaaaaaaaaa"),
        (["a.bin", "b.bin"], "pull a.bin, b.bin"),
        ("x" * 500, f"pull {'x' * 74}…"),
    ],
)
def test_a_run_is_named_after_its_kit_in_a_few_words(kit: object, shown: str) -> None:
    assert run_name("pull", "kit")({"kit": kit}) == shown


def test_a_kit_with_very_many_tags_and_parents_is_told_of_all_the_same(registry: str, bundle: Path) -> None:
    name = repository(registry)
    parents = [f"registry.example.com/ml/base-{index}@sha256:{'a' * 64}" for index in range(120)]
    tags = [f"t{index}" for index in range(120)]
    kit = pack_modelkit(bundle, f"{name}:dev", tags=tags, upstream=parents, card=False)
    event = asset_event(kit.asset_key, "kitops.modelkit.pushed")
    assert len(event["payload"]["tags"]) == 121
    assert len(event["payload"]["parents"]) == 120
    assert labels(event, "modelkit-tag")[0] == f"oci://{name}:dev"


@pytest.mark.parametrize("count", [60, 98, 120])
def test_a_kit_made_from_very_many_assets_keeps_its_event_its_run_and_all_of_its_inputs(
    registry: str, bundle: Path, count: int
) -> None:
    name = repository(registry)
    keys = [f"s3://lake/part-{index:03}" for index in range(count)]

    @flow
    def train() -> ModelKitRef:
        return pack_modelkit(bundle, f"{name}:dev", upstream=keys, card=False)

    kit = train()
    event = asset_event(kit.asset_key)
    assert set(labels(event, "asset")) == set(keys[:60])
    assert labels(event, "flow-run")
    assert labels(event, "flow")
    assert event["payload"].get("upstream", keys) == keys
    assert event["payload"].get("upstream_total", count) == count
    assert ("upstream" in event["payload"]) is (count > 60)
    made_from = kitops.lineage(kit.reference)
    parents = made_from.parents(made_from.root)
    assert {made_from.node(edge.parent).reference for edge in parents} >= set(keys)


@pytest.mark.parametrize("key", ["s3://a\nb", "s3://a\tb", f"s3://{'a' * 600}", "s3://a b", "S3://a"])
def test_a_key_that_prefect_would_lose_or_refuse_is_refused_before_packing(
    registry: str, bundle: Path, key: str
) -> None:
    name = repository(registry)
    with pytest.raises(kitops.InvalidInputError, match="cannot be the key of an upstream asset"):
        pack_modelkit.fn(bundle, f"{name}:dev", upstream=[key])
    with pytest.raises(kitops.NotFoundError):
        kitops.resolve(f"{name}:dev", where="registry")


def test_no_task_asks_the_server_for_a_slot() -> None:
    """Every tag of a task run is asked for; a server that is away for a moment would fail the task."""
    import prefect_kitops

    tasks = [value for name in prefect_kitops.__all__ if hasattr(value := getattr(prefect_kitops, name), "tags")]
    assert len(tasks) > 20
    assert not [value.name for value in tasks if value.tags]


def test_async_twins_do_the_same(registry: str, bundle: Path, tmp_path: Path) -> None:
    name = repository(registry)

    @materialize_modelkit(f"{name}:async", card=False)
    async def churn() -> Path:
        return bundle

    @flow
    async def release() -> list[ModelKitRef]:
        packed = await apack_modelkit(bundle, "churn:dev")
        pushed = await apush_modelkit("churn:dev", f"{name}:dev")
        pulled = await apull_modelkit(pushed, tmp_path / "out")
        return [packed, pushed, pulled, await aresolve_modelkit(f"{name}:dev"), await churn()]

    kits = asyncio.run(release())
    assert len({kit.digest for kit in kits}) == 1
    assert (tmp_path / "out/model.bin").read_bytes() == b"weights"
    names = {event["event"] for event in events_of(f"oci://{name}", wait_for="kitops.modelkit.pulled")}
    assert {"kitops.modelkit.pushed", "kitops.modelkit.pulled", SUCCEEDED} <= names


def test_push_and_pull_go_by_digest(registry: str, bundle: Path, tmp_path: Path) -> None:
    name = repository(registry)

    @flow
    def release() -> ModelKitRef:
        pack_modelkit(bundle, f"{name}-local:dev".partition("/")[2])
        kit = push_modelkit(f"{name}-local:dev".partition("/")[2], f"{name}:dev")
        kitops.pack(write_bundle(tmp_path / "later", b"moved on"), f"{name}:dev", push=True)
        return pull_modelkit(kit, tmp_path / "out")

    kit = release()
    assert kit.digest != kits_digest(f"{name}:dev")
    assert (tmp_path / "out/model.bin").read_bytes() == b"weights"


def test_a_mapped_task_packs_one_kit_of_each(registry: str, tmp_path: Path) -> None:
    name = repository(registry)
    sources = [write_bundle(tmp_path / f"m{index}", bytes([index])) for index in range(3)]

    @flow
    def train() -> list[ModelKitRef]:
        return pack_modelkit.map(sources, [f"{name}:v{index}" for index in range(3)], card=False).result()

    kits = train()
    assert len({kit.digest for kit in kits}) == 3
    events = [event for event in events_of(f"oci://{name}", wait_for=SUCCEEDED, count=3) if event["event"] == SUCCEEDED]
    assert {event["payload"]["tag"] for event in events} == {"v0", "v1", "v2"}


def test_a_result_is_small_json(registry: str, bundle: Path) -> None:
    name = repository(registry)

    @flow(persist_result=True, result_serializer="json")
    def train() -> dict[str, Any]:
        return pack_modelkit(bundle, f"{name}:dev", card=False).model_dump(mode="json")

    assert len(json.dumps(train())) < 1000


def test_retries_are_for_what_may_get_better(registry: str, bundle: Path) -> None:
    name = repository(registry)
    tries: list[str] = []

    @materialize_modelkit(f"{name}:dev", retries=1, card=False)
    def churn(error: type[Exception]) -> Path:
        tries.append(error.__name__)
        if tries.count(error.__name__) == 1:
            raise error("at first")
        return bundle

    @flow
    def train() -> None:
        churn(kitops.RegistryError)
        churn(ValueError)
        churn(kitops.DeniedError)

    with pytest.raises(kitops.DeniedError):
        train()
    assert tries == ["RegistryError", "RegistryError", "ValueError", "ValueError", "DeniedError"]
