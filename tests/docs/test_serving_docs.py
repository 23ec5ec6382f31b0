"""What docs/serving.md shows is what happens."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from cli_runner import run
from readme import snippet
from serving_kits import FLAT, push, read, write
from signing_tools import KEY, write_keys
from storage_initializing import initialize_in_a_process as initialize
from variants import make_index

import kitops_core as kitops

DOC = "docs/serving.md"


@pytest.fixture
def place(tmp_path: Path, registry: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A directory to run in, with a signed kit in the registry; returns what stands for their registry."""
    reference = push(registry, tmp_path / "kit")
    repository = f"{reference.rpartition(':')[0]}/ml/churn"
    kitops.copy(reference, f"{repository}:prod")
    kitops.sign(f"{repository}:prod", KEY, where="registry")
    write_keys(tmp_path, KEY, "release")
    monkeypatch.chdir(tmp_path)
    return repository.removesuffix("/ml/churn")


def test_the_commands_that_materialize(place: str, tmp_path: Path) -> None:
    outs = []
    for line in snippet("materialize", DOC).replace("registry.example.com", place).splitlines():
        done = run(*line.partition(" #")[0].removeprefix("$ kitops ").split())
        assert done.code == 0, f"{line}\n{done.err}"
        outs.append(done.out)
    assert outs[1] == f"{tmp_path}/models/churn\n"
    assert [out.split()[0] for out in (outs[0], outs[2])] == ["materialized", "unchanged"]
    assert read(tmp_path / "models" / "churn") == FLAT


def test_the_python(place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(snippet("python", DOC).replace("registry.example.com", place), DOC, "exec"), {})
    assert capsys.readouterr().out.startswith(f"{tmp_path}/models/churn sha256:")


def test_the_storage_initializer(place: str, tmp_path: Path) -> None:
    (line,) = snippet("initialize", DOC).replace("registry.example.com", place).splitlines()
    ran = initialize(*line.removeprefix("$ kitops-storage-initializer ").split())
    assert ran.code == 0, ran
    assert read(tmp_path / "mnt" / "models") == FLAT


def test_the_annotation_of_an_inference_service(place: str, tmp_path: Path) -> None:
    (tmp_path / "variants").mkdir()
    make_index(tmp_path / "variants", f"{place}/ml/llm", push=True, tag="prod")
    service = yaml.safe_load(snippet("annotated", DOC).replace("registry.example.com", place))
    (storage, _) = kitops.manifests("kserve", f"{place}/ml/churn:prod")
    (taken,) = [one["valueFrom"] for one in storage["spec"]["container"]["env"] if one["name"] == "KITOPS_LABEL"]
    ((name, label),) = service["metadata"]["annotations"].items()
    assert taken == {"fieldRef": {"fieldPath": f"metadata.annotations['{name}']"}}
    uri = service["spec"]["predictor"]["model"]["storageUri"]
    assert initialize(uri, tmp_path / "served", KITOPS_LABEL=label).code == 0
    assert (tmp_path / "served" / "f16.gguf").is_file()


def test_the_arguments_for_vllm(place: str, tmp_path: Path) -> None:
    kitfile = "manifestVersion: 1.0.0\n" + snippet("parameters", DOC)
    write(tmp_path / "chat", **{"Kitfile": kitfile, "chat/model.safetensors": "weights"})
    kitops.pack(tmp_path / "chat", f"{place}/ml/chat:prod", push=True)
    (line,) = snippet("vllm", DOC).replace("registry.example.com", place).splitlines()
    done = run(*line.removeprefix("$ kitops ").split())
    assert done.code == 0, done
    assert done.out == snippet("arguments", DOC).replace("/srv/", f"{tmp_path}/")
