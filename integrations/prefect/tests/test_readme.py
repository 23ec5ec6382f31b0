"""What the READMEs show for Prefect is what happens."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import write_bundle
from hub_server import hub_server
from prefect.deployments.steps.core import run_steps
from readme import snippet
from registry_fixture import PASSWORD, USERNAME, Served
from runs import repository

import kitops_core as kitops
from prefect_kitops import OCIRegistry, modelkit_promotion_all

pytestmark = pytest.mark.usefixtures("prefect_server")
README = "integrations/prefect/README.md"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: str) -> str:
    """The repository that stands for the README's, with the policy beside the working directory."""
    monkeypatch.chdir(tmp_path)
    write_bundle(tmp_path / "my-model", b"weights")
    name = repository(registry)
    Path("promotion.yaml").write_text(shown("policy", name))
    return name


def shown(name: str, kit: str, file: str = README) -> str:
    return snippet(name, file).replace("registry.example.com/ml/churn", kit)


def run(text: str, **names: Any) -> dict[str, Any]:
    """Run a snippet as a module of its own."""
    Path("shown.py").write_text(text)
    names["__name__"] = "shown"
    exec(compile(text, "shown.py", "exec"), names)
    return names


def test_the_flow_packs_a_kit_and_pulls_it(project: str) -> None:
    digest = run(shown("flow", project))["train"](depth=9)
    with kitops.open(f"{project}:dev", where="registry") as kit:
        assert kit.digest == digest
    assert Path("serving/model.bin").read_text() == "a tree of depth 9"
    kitops.promote("dev", "staging", policy="promotion.yaml")  # the metric that its gate wants is attached


def test_one_mapped_function_makes_many_kits(project: str) -> None:
    kits = run(shown("mapped", project))["train_all"](["north", "south"])
    assert [kit.partition("@")[0] for kit in kits] == [f"{project}/north:1.0", f"{project}/south:1.0"]


def test_mapped_variants_get_one_reference(project: str) -> None:
    for name in ("q4_0", "q8_0"):
        write_bundle(Path("variants", name), name.encode())
    index = run(shown("index", project))["quantize"]()
    with kitops.open(f"{project}:all?vram<=8GB", where="registry") as kit:
        assert kit.read("model.bin") == b"q4_0"
    assert kitops.index(f"{project}:all", where="registry").digest == index.digest


def test_a_model_of_the_hub_is_imported(project: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with hub_server() as hub:
        hub.use(monkeypatch)
        hub.repo("acme/smol").commit({"model.safetensors": b"weights", "config.json": b"{}"})
        text = snippet("import", README).replace("registry.example.com/ml/smol:latest", f"{project}:hub")
        digest = run(text)["mirror"]()
    with kitops.open(f"{project}:hub", where="registry") as kit:
        assert kit.digest == digest


def test_the_parts_make_the_kit_of_one_pack(project: str) -> None:
    large = Path("large")
    large.mkdir()
    for name in ("model-1.bin", "model-2.bin"):
        (large / name).write_text(name)
    (large / "Kitfile").write_text(
        "manifestVersion: 1.0.0\npackage: {name: large}\nmodel: {path: model-1.bin, parts: [{path: model-2.bin}]}\n"
    )
    kit = run(shown("parts", project))["pack_large"]()
    assert kit.digest == kitops.pack("large", "large:dev").digest


def test_the_blocks_are_saved_and_used(project: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private, public = kitops.generate_key_pair(b"correct horse")
    monkeypatch.setenv("COSIGN_PASSWORD", "correct horse")
    monkeypatch.setenv("RELEASE_KEY", private.decode())
    (tmp_path / "release.pub").write_bytes(public)
    address, _, name = project.partition("/")
    text = snippet("blocks", README).replace("registry.example.com", address).replace("ml/churn", name)
    text = re.sub(r"    (username|password)=.*\n", "", text)  # this registry is open
    run(text)
    with kitops.open(f"{project}:dev", where="registry") as kit:
        assert kit.read("model.bin") == b"weights"
        assert kitops.verify(f"{project}:dev", keys=[tmp_path / "release.pub"]).digest == kit.digest


def served(text: str) -> Any:
    """The deployment that a snippet serves."""
    flow, _, call = text.partition('if __name__ == "__main__":')[2].partition(".serve(")
    names = run(text)
    return names[flow.strip()].to_deployment(**eval(f"dict({call.rpartition(')')[0]})", names))


def test_the_automation_is_made(project: str) -> None:
    deployment = served(shown("automation", project))
    assert deployment.triggers[0].match.root["prefect.resource.id"] == f"oci://{project}"
    assert set(deployment.parameters) <= set(deployment._parameter_openapi_schema.properties)


def test_the_promotion_goes_through_the_gates(project: str) -> None:
    digest = kitops.pack(
        "my-model", f"{project}:dev", push=True, provenance=kitops.Provenance(metrics={"accuracy": 0.95})
    ).digest
    assert run(shown("promotion", project))["release"]().digest == digest


def test_the_nightly_job_promotes_all(project: str) -> None:
    metrics = kitops.Provenance(metrics={"accuracy": 0.95})
    digest = kitops.pack("my-model", f"{project}:dev", push=True, provenance=metrics).digest
    deployment = served(snippet("promotion_all", README))
    assert deployment.schedules[0].schedule.cron == "0 3 * * *"
    moved = modelkit_promotion_all(**deployment.parameters)
    assert [(kit.tag, kit.digest) for kit in moved] == [("staging", digest), ("prod", digest)]


def test_the_deployment_file_packs_pulls_and_is_triggered(
    auth_registry: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = repository(auth_registry.address)
    OCIRegistry(host=auth_registry.address, username=USERNAME, password=PASSWORD).save("example", overwrite=True)
    monkeypatch.chdir(write_bundle(tmp_path / "my-model", b"weights"))
    file = yaml.safe_load(shown("deployment", project))
    built = asyncio.run(run_steps(file["build"]))
    # What `prefect deploy` does between the two: outputs of build steps are put into the pull steps it stores.
    pull = yaml.safe_load(yaml.safe_dump(file["pull"]).replace("{{ code.reference }}", built["reference"]))
    asyncio.run(run_steps(pull))
    assert Path.cwd() == tmp_path / "my-model/churn"
    assert Path("model.bin").read_bytes() == b"weights"

    from prefect.cli.deploy._triggers import _initialize_deployment_triggers

    from prefect_kitops import modelkit_promotion, modelkit_pushed_trigger, pack_modelkit

    deployment = file["deployments"][0]
    [trigger] = _initialize_deployment_triggers("churn-to-staging-weekly", deployment["triggers"])
    ours = modelkit_pushed_trigger(project, "dev")
    for field in ("expect", "match", "match_related", "parameters"):
        assert getattr(trigger, field) == getattr(ours, field)
    assert f'name="{deployment["name"]}"' not in shown("automation", project), "each overwrites what has its name"
    Path("promotion.yaml").write_text(shown("policy", project))
    pack_modelkit(".", f"{project}:dev", metrics={"accuracy": 0.95}, registry="oci-registry/example", card=False)
    promoted = modelkit_promotion(**{**deployment["parameters"], "approval": "none"})
    assert promoted.reference.startswith(f"{project}:staging@")


def test_lineage_is_printed(project: str, capsys: pytest.CaptureFixture[str]) -> None:
    kitops.pack("my-model", f"{project}:dev", push=True)
    run(shown("lineage", project))
    assert f"# Lineage of {project}" in capsys.readouterr().out


def test_the_cached_task_packs(project: str) -> None:
    pack = run(shown("caching", project))["pack"]
    first = pack("my-model", f"{project}:dev", return_state=True)
    again = pack("my-model", f"{project}:dev", return_state=True)
    assert (first.name, again.name) == ("Completed", "Cached")
