"""What the statements of a pack say: inputs, SLSA provenance, test results."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitops_core.errors import InvalidInputError
from kitops_core.evidence.inputs import Input, kit_input, parse_input
from kitops_core.evidence.metrics import metrics_predicate, read_metrics, says_metrics
from kitops_core.evidence.slsa import LOCAL_BUILDER, Provenance, provenance_predicate, says_build
from kitops_core.evidence.slsa_read import read_build
from kitops_core.record import Source
from kitops_core.reference import parse_reference

HEX = "a" * 64
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)
RUN = Source("airflow", "train_churn", "run-1", "fit", "https://airflow.example/run-1")

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("s3://lake/train.parquet", Input("s3://lake/train.parquet")),
        (f"s3://lake/train.parquet@sha256:{HEX}", Input("s3://lake/train.parquet", {"sha256": HEX})),
        ("urn:example:data", Input("urn:example:data")),
        (
            "registry.example.com/ml/base:7",
            Input("oci://registry.example.com/ml/base:7", name="registry.example.com/ml/base:7"),
        ),
        (f"base@sha256:{HEX}", Input(f"oci://localhost/base@sha256:{HEX}", {"sha256": HEX}, f"base@sha256:{HEX}")),
        (
            f"oci://registry.example.com/ml/base:7@sha256:{HEX}",
            Input(
                f"oci://registry.example.com/ml/base@sha256:{HEX}", {"sha256": HEX}, "registry.example.com/ml/base:7"
            ),
        ),
    ],
)
def test_an_input_is_a_uri_or_a_kit(text: str, read: Input) -> None:
    assert parse_input(text) == read


def test_an_input_that_is_a_file_is_hashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.csv").write_bytes(b"a,b\n")
    known = Input("train.csv", {"sha256": hashlib.sha256(b"a,b\n").hexdigest()}, "train.csv")
    assert parse_input("train.csv") == known
    assert parse_input(str(tmp_path / "train.csv")) == known


@pytest.mark.parametrize("text", ["nothing-here.csv", "", "oci:layout:tag", "oci://UPPER", "."])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        parse_input(text)


@given(st.sampled_from(["my-model:1", f"ml/x@sha256:{HEX}", f"r.example:5000/a/b:t@sha256:{HEX}"]))
def test_a_kit_as_an_input_leads_back_to_the_kit(text: str) -> None:
    reference = parse_reference(text)
    back = kit_input(reference).kit
    assert back is not None
    assert (back.name, back.digest) == (reference.name, reference.digest)


def test_provenance_has_the_shape_of_slsa_and_reads_back() -> None:
    provenance = Provenance(
        parameters={"max_depth": 8},
        started=NOON,
        finished=NOON + timedelta(hours=1),
        repository="https://git.example/churn.git",
        commit="b" * 40,
        dirty=True,
        user="ann",
    )
    data = Input("s3://lake/a", {"sha256": HEX}, "a")
    predicate = provenance_predicate(provenance, RUN, [data])
    assert predicate == {
        "buildDefinition": {
            "buildType": "urn:kitops-core:build/pack/v1",
            "externalParameters": {
                "orchestrator": "airflow",
                "pipeline": "train_churn",
                "task": "fit",
                "parameters": {"max_depth": 8},
            },
            "internalParameters": {"user": "ann"},
            "resolvedDependencies": [
                {
                    "name": "source",
                    "uri": f"git+https://git.example/churn.git@{'b' * 40}",
                    "digest": {"gitCommit": "b" * 40},
                    "annotations": {"dirty": True},
                },
                {"uri": "s3://lake/a", "digest": {"sha256": HEX}, "name": "a"},
            ],
        },
        "runDetails": {
            "builder": {"id": "urn:kitops-core:builder/airflow/v1"},
            "metadata": {
                "invocationId": "run-1",
                "startedOn": "2026-11-23T12:00:00Z",
                "finishedOn": "2026-11-23T13:00:00Z",
            },
            "byproducts": [{"name": "run", "uri": "https://airflow.example/run-1"}],
        },
    }
    build = read_build(predicate)
    assert build.inputs == (data,)
    assert (build.pipeline, build.run, build.url, build.user) == ("train_churn", "run-1", RUN.url, "ann")
    assert (build.repository, build.commit, build.dirty) == ("https://git.example/churn.git", "b" * 40, True)


def test_a_build_by_hand_names_a_builder_that_vouches_for_nothing() -> None:
    predicate = provenance_predicate(Provenance(), Source(), [])
    assert predicate["runDetails"] == {"builder": {"id": LOCAL_BUILDER}}


def test_another_run_of_the_same_build_says_the_same_another_commit_does_not() -> None:
    first = provenance_predicate(Provenance(started=NOON, commit="b" * 40), RUN, [])
    again = Source("airflow", "train_churn", "run-2", "fit", "https://airflow.example/run-2")
    assert says_build([first], provenance_predicate(Provenance(commit="b" * 40), again, [])) == 0
    assert says_build([first], provenance_predicate(Provenance(commit="c" * 40), again, [])) is None


def test_parameters_that_json_does_not_have_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="parameters"):
        provenance_predicate(Provenance(parameters={"f": object()}), Source(), [])


@given(anything)
def test_reading_what_strangers_wrote_raises_nothing(value: object) -> None:
    for predicate in (
        {"buildDefinition": value, "runDetails": value},
        {"buildDefinition": {"resolvedDependencies": value}},
    ):
        build = read_build(predicate)
        assert all(item.kit is None or item.kit for item in build.inputs)
    assert all(isinstance(figure, (int, float)) for figure in read_metrics({"metrics": value}).values())


@given(
    st.dictionaries(st.text(min_size=1), st.integers() | st.floats(allow_nan=False, allow_infinity=False), min_size=1)
)
def test_figures_read_back_as_they_were_measured(metrics: dict[str, float]) -> None:
    assert read_metrics(metrics_predicate(metrics)) == metrics


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "0.9", None, True, 10**400])
def test_what_is_no_finite_number_is_no_figure(value: object) -> None:
    with pytest.raises(InvalidInputError, match="accuracy"):
        metrics_predicate({"accuracy": value})  # type: ignore[dict-item]


@pytest.mark.parametrize("name", ["nan", "inf", "-inf"])
def test_what_came_out_as_no_finite_number_is_said_by_name_and_is_no_figure(name: str) -> None:
    predicate = metrics_predicate({"accuracy": name, "loss": 0.1})
    assert predicate["metrics"] == {"accuracy": name, "loss": 0.1}
    assert read_metrics(predicate) == {"loss": 0.1}


def test_figures_that_changed_back_are_said_again() -> None:
    said = [metrics_predicate({"a": a}, time=NOON + timedelta(hours=hour)) for hour, a in enumerate([0.94, 0.90])]
    assert says_metrics(said, metrics_predicate({"a": 0.90})) == 1
    assert says_metrics(said, metrics_predicate({"a": 0.94})) is None
    assert says_metrics([], metrics_predicate({"a": 0.94})) is None
