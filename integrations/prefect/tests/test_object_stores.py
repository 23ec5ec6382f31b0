"""Kits made of what lies in object stores, which are in this process's memory here."""

from __future__ import annotations

import uuid
from pathlib import Path

import fsspec
import pytest
from prefect import flow
from prefect.filesystems import RemoteFileSystem
from runs import repository

import kitops_core as kitops
from prefect_kitops import ModelKitRef, materialize_modelkit, pack_modelkit, pack_modelkit_layers, storage_path

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture
def url(bundle: Path) -> str:
    """The files of the bundle in a store."""
    name = f"{uuid.uuid4().hex}/{bundle.name}"
    for path in bundle.rglob("*"):
        if path.is_file():
            fsspec.filesystem("memory").pipe_file(f"/{name}/{path.relative_to(bundle)}", path.read_bytes())
    return f"memory://{name}"


def test_a_url_a_path_of_a_block_and_a_directory_make_the_same_kit(registry: str, bundle: Path, url: str) -> None:
    name = repository(registry)
    base, _, last = url.rpartition("/")
    block = RemoteFileSystem(basepath=base)

    @materialize_modelkit(f"{name}:made")
    def made() -> object:
        return storage_path(block, last)

    @flow
    def train() -> list[ModelKitRef]:
        return [
            pack_modelkit(bundle, f"{name}:directory"),
            pack_modelkit(url, f"{name}:url"),
            pack_modelkit(storage_path(block, last), f"{name}:block"),
            made(),
        ]

    assert len({kit.digest for kit in train()}) == 1


def test_contents_by_name_may_be_of_a_block(registry: str, bundle: Path, url: str) -> None:
    name = repository(registry)
    block = RemoteFileSystem(basepath=url)
    first = next(path for path in sorted(bundle.iterdir()) if path.is_file() and path.name != "Kitfile")

    @flow
    def train() -> ModelKitRef:
        return pack_modelkit(kitops.Contents(model=storage_path(block, first.name)), f"{name}:1")

    kit = train()
    with kitops.open(kit.reference) as opened:
        assert opened.read(first.name) == first.read_bytes()


def test_a_shard_is_packed_from_a_store(registry: str, bundle: Path, url: str) -> None:
    name = repository(registry)
    first = next(path for path in sorted(bundle.iterdir()) if path.is_file() and path.name != "Kitfile")
    kitfile = bundle.parent / "Kitfile"
    kitfile.write_text(f"manifestVersion: 1.0.0\npackage:\n  name: churn\ndocs:\n  - path: {first.name}\n")

    @flow
    def train() -> list[dict[str, object]]:
        return pack_modelkit_layers(url, name, first.name, kitfile=kitfile)

    (layer,) = train()
    assert layer["path"] == first.name


def test_what_is_not_there_is_told(registry: str) -> None:
    @flow
    def train() -> ModelKitRef:
        return pack_modelkit("memory://nothing/here", f"{repository(registry)}:1")

    with pytest.raises(kitops.SourceError, match="there is nothing at 'memory://nothing/here'"):
        train()


def test_a_path_of_a_block_says_no_more_than_its_url() -> None:
    block = RemoteFileSystem(basepath="memory://models", settings={"token": "very-secret"})
    path = storage_path(block, "churn")
    assert str(path) == "memory://models/churn"
    assert "very-secret" not in repr(path)
