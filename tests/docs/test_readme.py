"""What the README and the first pages of the docs show is what happens."""

from __future__ import annotations

import ast
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from cli_runner import run
from readme import ROOT, snippet, unmarked
from registry_fixture import PASSWORD, Served
from signing_tools import KEY, write_keys

import kitops_core as kitops


@pytest.fixture
def place(tmp_path: Path, registry: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A directory with what the snippets speak of; returns what stands for their registry."""
    model = tmp_path / "my-model"
    (model / "src").mkdir(parents=True)
    (model / "model.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    (model / "src" / "train.py").write_text("print('train')\n")
    (model / "README.md").write_text("# my-model\n")
    (tmp_path / "out").mkdir()
    for source, target in (("model.safetensors", "out/model.safetensors"), ("README.md", "README.md")):
        (tmp_path / target).write_bytes((model / source).read_bytes())
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text("a = 1\n")
    (tmp_path / "eval.parquet").write_bytes(b"PAR1")
    monkeypatch.chdir(tmp_path)
    return f"{registry}/{uuid.uuid4().hex[:8]}"


@pytest.mark.slow
@pytest.mark.parametrize("file", ["README.md", "docs/start.md", "docs/cli.md"])
def test_the_commands_run_one_after_the_other(file: str, place: str, tmp_path: Path) -> None:
    (tmp_path / "out" / "model.safetensors").unlink()
    kitops = str(Path(sys.executable).with_name("kitops"))
    for line in snippet("command", file).replace("registry.example.com", place).splitlines():
        command = line.partition("#")[0].removeprefix("$ kitops ").split()
        done = subprocess.run([kitops, *command], capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
    assert (tmp_path / "out" / "model.safetensors").is_file()


def test_the_python_runs(place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exec(
        compile(snippet("python", "docs/python.md").replace("registry.example.com", place), "docs/python.md", "exec"),
        {},
    )
    assert "sha256:" in capsys.readouterr().out
    assert (tmp_path / "unpacked" / "model.safetensors").is_file()


def test_the_client_signs_measures_and_promotes(
    place: str,
    auth_registry: Served,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    host, path = auth_registry.address, place.partition("/")[2]
    monkeypatch.setenv("REGISTRY_PASSWORD", PASSWORD)
    write_keys(tmp_path, KEY, "release")
    policy = f"kit: {host}/{path}/ml/my-model\ntrust: {{keys: [release.pub]}}\n"
    (tmp_path / "promotion.yaml").write_text(f"{policy}channels: {{dev: {{}}, staging: {{from: dev}}}}\n")
    shown = snippet("client", "docs/python.md")
    text = shown.replace("registry.example.com/", f"{host}/{path}/").replace("registry.example.com", host)
    exec(compile(text, "docs/python.md", "exec"), {})
    assert capsys.readouterr().out == "{'accuracy': 0.94}\nTrue\n"


@pytest.mark.slow
def test_the_promotion_runs(place: str, tmp_path: Path) -> None:
    name = f"{place}/ml/my-model"
    (tmp_path / "promotion.yaml").write_text(f"kit: {name}\nchannels: {{dev: {{}}, staging: {{from: dev}}}}\n")
    kitops.pack("my-model", f"{name}:dev", push=True)
    for line in snippet("promote", "docs/start.md").replace("registry.example.com", place).splitlines():
        done = run(*line.partition(" #")[0].removeprefix("$ kitops ").split())
        assert done.code == 0, f"{line}\n{done.err}"
    assert "staging" in (tmp_path / "lineage.html").read_text()


def test_every_snippet_is_run_by_a_test() -> None:
    assert unmarked() == []


@pytest.mark.parametrize(("name", "own"), [("airflow", "dag"), ("prefect", "flow")])
def test_the_project_shows_a_part_of_the_example_that_a_member_shows_and_tests(name: str, own: str) -> None:
    example = statements(snippet(own, f"integrations/{name}/README.md"))
    assert statements(snippet(name)) - example == set()
    assert len(example) > 4


def statements(code: str) -> set[str]:
    """What a module does, without layout and comments: each name that it imports, and its other statements."""
    body = ast.parse(code).body
    imports = {
        f"{node.module}.{alias.name}" for node in body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    return imports | {ast.dump(node) for node in body if not isinstance(node, ast.ImportFrom)}


def test_the_readme_is_read_in_a_minute() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 95


def test_a_kit_is_signed_verified_and_unpacked(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COSIGN_PASSWORD", "secret")
    kitops.pack("my-model", f"{place}/ml/churn:1.0", push=True)
    (tmp_path / "out" / "model.safetensors").unlink()
    said = {}
    for line in snippet("signing", "docs/signing.md").replace("registry.example.com", place).splitlines():
        done = run(*line.partition(" #")[0].removeprefix("$ kitops ").split())
        assert done.code == 0, f"{line}\n{done.err}"
        said[line.split()[2]] = done.out + done.err
    assert "release.pub" in said["verify"]
    assert "signature" in said["referrers"]
    assert (tmp_path / "out" / "model.safetensors").is_file()


def _variants(directory: Path) -> None:
    for one, size in (("q4_0", 1), ("q8_0", 2)):
        (directory / "variants" / one).mkdir(parents=True)
        (directory / "variants" / one / f"{one}.gguf").write_bytes(b"weights " * 1024 * size)


def test_indexes_are_made_chosen_from_and_sent_by_command(place: str, tmp_path: Path) -> None:
    _variants(tmp_path)
    for one in ("q4_0", "q8_0"):
        kitops.pack(f"variants/{one}", f"{place}/ml/llm:{one}")
    for line in snippet("index_commands", "docs/indexes.md").replace("registry.example.com", place).splitlines():
        done = run(*line.partition(" #")[0].removeprefix("$ kitops ").split())
        assert done.code == 0, f"{line}\n{done.err}"
    assert (tmp_path / "out" / "q4_0.gguf").is_file()
    assert [path.name for path in (tmp_path / "serve").rglob("*.gguf")] == ["q4_0.gguf"]


def test_indexes_are_made_and_chosen_from_in_python(
    place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _variants(tmp_path)
    code = snippet("index_python", "docs/indexes.md").replace("registry.example.com", place)
    exec(compile(code, "docs/indexes.md", "exec"), {})
    made, chosen = capsys.readouterr().out.splitlines()
    assert "{'quantization': 'q4_0', 'vram': '6GB'}" in made
    assert chosen == f"{place}/ml/llm:all@{kitops.resolve(f'{place}/ml/llm:q4_0')}"
