"""Assets whose files lie in object stores, which are in this process's memory here."""

from __future__ import annotations

import uuid
from pathlib import Path

import dagster as dg
import fsspec
import pytest
from runs import run
from test_outputs import asset_returning
from upath import UPath

import kitops_core as kitops
from dagster_kitops import ModelKitContents


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A directory in a store; the same is in ``churn`` below the test's own directory."""
    name = f"{uuid.uuid4().hex}/churn"
    (tmp_path / "churn").mkdir()
    for file, data in {"model.onnx": b"weights", "README.md": b"# Churn\n"}.items():
        fsspec.filesystem("memory").pipe_file(f"/{name}/{file}", data)
        (tmp_path / "churn" / file).write_bytes(data)
        (tmp_path / "churn" / file).chmod(0o644)
    return f"memory://{name}"


def digest(value: object, instance: dg.DagsterInstance) -> str:
    run([asset_returning(value)], instance)
    with kitops.open("churn:latest") as kit:
        return kit.digest


def test_a_directory_of_a_store_makes_the_kit_of_the_directory(
    instance: dg.DagsterInstance, tmp_path: Path, url: str
) -> None:
    assert digest(UPath(url), instance) == digest(tmp_path / "churn", instance)


def test_files_of_a_store_are_packed_by_name(instance: dg.DagsterInstance, tmp_path: Path, url: str) -> None:
    here, there = tmp_path / "churn", UPath(url)
    expected = digest(ModelKitContents(model=here / "model.onnx", docs={"card.md": here / "README.md"}), instance)
    by_path = ModelKitContents(model=there / "model.onnx", docs={"card.md": there / "README.md"})
    assert digest(by_path, instance) == expected
    by_url = ModelKitContents(model=f"{url}/model.onnx", docs={"card.md": f"{url}/README.md"})
    assert digest(by_url, instance) == expected


def test_what_is_not_there_is_told(instance: dg.DagsterInstance) -> None:
    with pytest.raises(kitops.SourceError, match="there is nothing at 'memory://nothing/here'"):
        run([asset_returning(UPath("memory://nothing/here"))], instance)
