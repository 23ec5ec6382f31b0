"""What docs/object-stores.md shows is what happens."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from cli_runner import ok
from readme import snippet
from s3_server import ACCESS_KEY, BUCKET, SECRET_KEY, S3Server

import kitops_core as kitops

FILE = "docs/object-stores.md"


needs_s3 = pytest.mark.slow
"""The server takes seconds to start."""


@pytest.fixture
def place(s3: S3Server, registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """What stands for the bucket and for the registry of the snippets."""
    (tmp_path / "README.md").write_text("# Churn\n")
    monkeypatch.chdir(tmp_path)
    name = f"docs-{uuid.uuid4().hex[:8]}"
    for file, data in {"model.onnx": b"weights", "data/train.csv": b"1,2\n"}.items():
        s3.fs().pipe_file(f"{BUCKET}/{name}/churn/{file}", data)
    return f"s3://{BUCKET}/{name}", f"{registry}/{name}"


def here(name: str, place: tuple[str, str]) -> str:
    return snippet(name, FILE).replace("s3://models", place[0]).replace("registry.example.com", place[1])


@needs_s3
def test_the_command_packs_a_directory(place: tuple[str, str]) -> None:
    ok(*here("command", place).split()[2:])
    with kitops.open(f"{place[1]}/ml/churn:1.0") as kit:
        assert kit.read("model.onnx") == b"weights"


@needs_s3
def test_contents_are_packed_from_several_places(place: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(here("python", place), FILE, "exec"), {})
    assert capsys.readouterr().out.startswith("sha256:")
    with kitops.open(f"{place[1]}/ml/churn:1.1") as kit:
        assert (kit.read("README.md"), kit.read("data/train.csv")) == (b"# Churn\n", b"1,2\n")


@needs_s3
def test_a_path_brings_its_own_endpoint_and_credentials(
    place: tuple[str, str], s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in s3.environment:
        monkeypatch.delenv(variable)
    text = here("upath", place).replace("https://minio.example.com", s3.endpoint)
    text = text.replace('key="…"', f'key="{ACCESS_KEY}"').replace('secret="…"', f'secret="{SECRET_KEY}"')
    exec(compile(text, FILE, "exec"), {})
    with kitops.open(f"{place[1]}/ml/churn:1.0") as kit:
        assert kit.read("model.onnx") == b"weights"


def test_the_extra_and_the_clients_are_those_that_errors_name() -> None:
    assert '"kitops-core[objects]" s3fs' in snippet("install", FILE)
    text = Path(kitops.__file__).with_name("objects").joinpath("location.py").read_text()
    for client in ("s3fs", "gcsfs", "adlfs"):
        assert client in snippet("install", FILE)
        assert f'"{client}"' in text
