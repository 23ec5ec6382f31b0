"""What docs/openlineage.md shows is what happens; what it shows for orchestrators, their own tests run."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_runner import ok
from lineage_receiver import Receiver, lineage_receiver
from readme import ROOT, snippet

import kitops_core as kitops

FILE = "docs/openlineage.md"


@pytest.fixture
def receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    pytest.importorskip("openlineage.client", reason="needs the extra openlineage")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my-model").mkdir()
    (tmp_path / "my-model/model.onnx").write_text("weights")
    with lineage_receiver() as served:
        yield served


def test_the_command_tells_what_the_table_says(
    receiver: Receiver, registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"openlineage-{uuid.uuid4().hex[:8]}/churn"
    export, command = snippet("command", FILE).splitlines()
    variable, value = export.removeprefix("$ export ").split("=")
    monkeypatch.setenv(variable, value.replace("http://localhost:5000", receiver.url))
    ok(*command.replace("registry.example.com/ml/churn", f"{registry}/{name}").split()[2:])
    assert receiver.told() == [("START", f"pack.{name}"), ("COMPLETE", f"pack.{name}")]
    event = receiver.events[1]
    (output,) = event["outputs"]
    assert (output["namespace"], output["name"]) == (f"oci://{registry}", name)
    assert [(item["namespace"], item["name"]) for item in event["inputs"]] == [("s3://raw", "train.csv")]
    text = (ROOT / FILE).read_text()
    told = {*output["facets"], *output["outputFacets"]} - {"version"}
    assert [facet for facet in told if f"`{facet}`" not in text] == []


def test_a_file_says_the_same(receiver: Receiver, tmp_path: Path) -> None:
    said = snippet("file", FILE).replace("/var/log", str(tmp_path))
    (tmp_path / "openlineage.yml").write_text(said)
    ok("pack", "./my-model", "-t", "churn:1.0")
    lines = (tmp_path / "lineage.json").read_text().splitlines()
    assert [json.loads(line)["eventType"] for line in lines] == ["START", "COMPLETE"]
    assert receiver.events == []


def test_python_takes_it_instead(receiver: Receiver, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(snippet("python", FILE), FILE, "exec"), {})
    assert capsys.readouterr().out == "pack churn:1.0 []\n"


def test_the_extra_is_the_packages() -> None:
    assert "openlineage = [" in (ROOT / "pyproject.toml").read_text()
    assert '"kitops-core[openlineage]"' in snippet("install", FILE)


def test_the_times_are_those_that_are_waited() -> None:
    pytest.importorskip("openlineage.client", reason="needs the extra openlineage")
    from kitops_core.openlineage.sending import LONGEST, PATIENCE

    said = f"{PATIENCE:.0f} seconds for one, {LONGEST:.0f} for all"
    assert said in re.sub(r"\s+", " ", (ROOT / FILE).read_text())
    assert kitops.Operation.__name__ in snippet("python", FILE)
