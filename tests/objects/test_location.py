"""Where files are, as users say it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import fsspec
import pytest

from kitops_core.errors import InvalidInputError
from kitops_core.objects.location import file_system, local_path


class BroughtPath:
    """A path that brings its file system along, as universal_pathlib and Airflow have them."""

    def __init__(self, fs: Any, path: str) -> None:
        self.fs = fs
        self.path = path


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("out/model.onnx", "out/model.onnx"),
        (Path("out"), "out"),
        ("file:///data/model", "/data/model"),
        ("local:///data/model", "/data/model"),
        (BroughtPath(fsspec.filesystem("file"), "/data/model"), "/data/model"),
        ("s3://bucket/model", None),
        ("memory://model", None),
        (BroughtPath(fsspec.filesystem("memory"), "/model"), None),
        ("C:/model", "C:/model"),
    ],
)
def test_what_is_on_this_machine_is_told_from_what_is_not(location: Any, expected: str | None) -> None:
    assert local_path(location) == expected


def test_a_file_of_another_host_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="'file://host/model' names no file of this machine"):
        local_path("file://host/model")


def test_a_path_keeps_the_file_system_that_it_brings() -> None:
    system = fsspec.filesystem("memory")
    assert file_system(BroughtPath(system, "/model")) == (system, "/model")


def test_credentials_in_a_url_are_refused_and_not_repeated() -> None:
    with pytest.raises(InvalidInputError, match="has credentials in it") as error:
        file_system("s3://AKIA123:very-secret@bucket/model")
    assert "secret" not in str(error.value) + error.value.hint
    assert "AKIA123" not in str(error.value) + error.value.hint


def test_a_connection_of_airflows_is_refused_where_nobody_knows_it() -> None:
    with pytest.raises(InvalidInputError, match="'s3://models@bucket' names a connection of Airflow's"):
        file_system("s3://models@bucket/model")


@pytest.mark.parametrize(
    ("url", "module", "install"),
    [
        ("s3://bucket/model", "s3fs", "pip install s3fs"),
        ("gs://bucket/model", "gcsfs", "pip install gcsfs"),
        ("az://container/model", "adlfs", "pip install adlfs"),
        ("abfss://container@account.dfs.core.windows.net/model", "adlfs", "pip install adlfs"),
    ],
)
def test_an_error_says_what_to_install(url: str, module: str, install: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, url.partition("://")[0], raising=False)
    with pytest.raises(InvalidInputError, match="is not installed") as error:
        file_system(url)
    assert install in error.value.hint


def test_without_fsspec_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(InvalidInputError) as error:
        file_system("s3://bucket/model")
    assert error.value.hint == "install it with: pip install 'kitops-core[objects]' s3fs"


def test_a_scheme_that_nothing_reads_is_named() -> None:
    with pytest.raises(InvalidInputError, match="'nope://x' cannot be read: Protocol not known: nope"):
        file_system("nope://x")
