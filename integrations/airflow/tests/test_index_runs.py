"""An index of the variants that mapped tasks packed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dag_runs import dag, events, result, run, states
from variants import LABELS

import kitops_core as kitops
from kitops_airflow import KitIndexOperator, KitPackPushOperator, modelkit_asset

pytestmark = pytest.mark.usefixtures("airflow_database")


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, Path]:
    """A directory for each variant, to be packed."""
    for one in LABELS:
        (tmp_path / one).mkdir()
        (tmp_path / one / "model.gguf").write_text(one)
    return {one: tmp_path / one for one in LABELS}


def quantize(sources: dict[str, Path], name: str, **options: Any) -> Any:
    """A run in which mapped tasks pack the variants, and one task makes their index."""
    with dag(f"quantize_{name.rpartition('/')[2]}") as made:
        packed = KitPackPushOperator.partial(task_id="pack").expand_kwargs(
            [{"source": str(source), "reference": f"{name}:{one}"} for one, source in sources.items()]
        )
        KitIndexOperator(task_id="index", kits=packed.output, **{"labels": list(LABELS.values()), **options})
    return run(made)


def test_mapped_tasks_pack_variants_and_one_announces_their_index(registry: str, sources: dict[str, Path]) -> None:
    name = f"{registry}/variants/llm"
    llm = modelkit_asset(name, tag="all")
    dag_run = quantize(sources, name, asset=llm, tags=["{{ ds }}"])
    assert set(states(dag_run).values()) == {"success"}
    packed = {one: result(dag_run, "pack", map_index=number)["digest"] for number, one in enumerate(sources)}

    record = result(dag_run, "index")
    (extra,) = events(llm.uri)
    assert extra["digest"] == record["digest"] == kitops.resolve(f"{name}:all")
    assert {one["tag"]: one["digest"] for one in extra["variants"]} == packed
    assert {one["tag"]: one["labels"] for one in extra["variants"]} == LABELS
    assert kitops.resolve(f"{name}:{record['tags'][1]}") == record["digest"]
    with kitops.open(f"{name}:all?vram<=8GB") as kit:
        assert kit.digest == packed["q4_0"]


def test_of_what_did_not_change_nothing_is_sent_or_announced(registry: str, sources: dict[str, Path]) -> None:
    name = f"{registry}/variants/again"
    llm = modelkit_asset(name, tag="all")
    first = result(quantize(sources, name, asset=llm, skip_unchanged=True), "index")
    dag_run = quantize(sources, name, asset=llm, skip_unchanged=True)
    again = [result(dag_run, "pack", map_index=number) for number in range(3)]
    assert [(one["changed"], one["sent"]) for one in again] == [(False, 0)] * 3
    assert states(dag_run)["index"] == "skipped"
    assert [extra["digest"] for extra in events(llm.uri)] == [first["digest"]]

    (sources["q4_0"] / "model.gguf").write_text("retrained")
    dag_run = quantize(sources, name, asset=llm, skip_unchanged=True)
    after = [result(dag_run, "pack", map_index=number) for number in range(3)]
    assert [one["digest"] == had["digest"] for one, had in zip(after, again, strict=True)] == [False, True, True]
    assert [extra["previous_digest"] for extra in events(llm.uri)] == ["", first["digest"]]


def test_kits_and_labels_that_do_not_pair_fail_the_task(
    registry: str, sources: dict[str, Path], said: Callable[[], str]
) -> None:
    name = f"{registry}/variants/uneven"
    dag_run = quantize(sources, name, reference=f"{name}:all", labels=[{}])
    assert states(dag_run)["index"] == "failed"
    assert "there are 3 kits, and labels for 1" in said()
    with pytest.raises(kitops.NotFoundError):
        kitops.resolve(f"{name}:all")
