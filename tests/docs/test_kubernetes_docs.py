"""What docs/kubernetes.md and docs/oci-tools.md show is what happens."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import deployed
import pytest
import yaml
from cli_runner import Ran, ok, run
from readme import snippet

import kitops_core as kitops

pytestmark = pytest.mark.slow

KUBERNETES, TOOLS = "docs/kubernetes.md", "docs/oci-tools.md"


@pytest.fixture
def place(tmp_path: Path, either_registry: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A directory to run in, with kits and keys; returns what stands for the registry."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COSIGN_PASSWORD", "of the tests")
    ok("generate-key-pair")
    (tmp_path / "chat").mkdir()
    (tmp_path / "chat" / "model.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    (tmp_path / "chat" / "config.json").write_text("{}")
    registry = f"{either_registry}/{os.urandom(4).hex()}"
    kitops.pack("chat", f"{registry}/ml/chat:prod", push=True)
    kitops.pack("chat", f"{registry}/ml/churn:1.0", push=True)
    kitops.pack("chat", f"{registry}/ml/churn:1.0-raw", push=True, how=kitops.Packing(layer_format="raw"))
    return registry


def answers(name: str, file: str, place: str) -> list[Ran]:
    """Run the ``kitops`` lines of a snippet; what each answered."""
    lines = snippet(name, file).replace("registry.example.com/tools", "TOOLS").replace("registry.example.com", place)
    out = []
    for line in lines.splitlines():
        ran = run(*shlex.split(line.removeprefix("$ kitops ")))
        assert ran.code == 0, f"{line}\n{ran.err}"
        out.append(ran)
    return out


def kinds(ran: Ran) -> list[str]:
    return [made["kind"] for made in yaml.safe_load_all(ran.out)]


def test_the_manifests(place: str) -> None:
    printed = answers("manifests", KUBERNETES, place)
    assert list(map(kinds, printed)) == [
        ["Deployment", "Service"],
        ["Deployment", "Service"],
        ["Job"],
        ["ConfigMap", "CronJob"],
    ]


def test_the_image_and_kserve(place: str) -> None:
    kitops.image(f"{place}/ml/chat:prod")  # of the three ways of KServe, two want that there is one
    printed = answers("kserve", KUBERNETES, place)
    assert list(map(kinds, printed)) == [["ClusterStorageContainer", "InferenceService"], *[["InferenceService"]] * 2]
    made = answers("image", KUBERNETES, place)
    assert "warning: " in made[0].err
    assert kinds(made[2]) == ["Pod"]


def test_the_python(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(snippet("python", KUBERNETES).replace("registry.example.com", place), KUBERNETES, "exec"), {})
    digest, _, volumes = capsys.readouterr().out.partition(" ")
    assert f"/ml/chat@{digest}" in volumes


def test_a_directory_is_laid_out_for_kserve(place: str) -> None:
    _, _, image = answers("servable", KUBERNETES, place)
    assert "warning" not in image.err


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not on PATH")
def test_the_secrets_have_the_keys_that_the_manifests_name(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "t")
    made = []
    for line in snippet("secrets", KUBERNETES).splitlines():
        command = f"{line.removeprefix('$ ')} --dry-run=client --output yaml"
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        made.append(yaml.safe_load(done.stdout))
    assert made[0]["type"] == "kubernetes.io/dockerconfigjson"
    assert set(made[0]["data"]) == {".dockerconfigjson"}
    assert set(made[1]["data"]) == {"cosign.pub", "cosign.key", "cosign.password"}


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not on PATH")
def test_the_overlay_changes_what_it_says(tmp_path: Path) -> None:
    shutil.copytree(deployed.ROOT, tmp_path / "deploy" / "kubernetes")
    overlay = tmp_path / "overlays" / "chat"
    overlay.mkdir(parents=True)
    (overlay / "kustomization.yaml").write_text(snippet("overlay", KUBERNETES))
    done = subprocess.run(["kubectl", "kustomize", str(overlay)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    (deployment,) = [made for made in yaml.safe_load_all(done.stdout) if made["kind"] == "Deployment"]
    (fetch,) = deployment["spec"]["template"]["spec"]["initContainers"]
    assert fetch["image"] == f"registry.acme.dev/kitops-core:{deployed.VERSION}"
    values = {variable["name"]: variable.get("value") for variable in fetch["env"]}
    assert values["MODELKIT_REF"] == "registry.acme.dev/ml/chat@sha256:" + "1" * 64
    assert values["DOCKER_CONFIG"] == "/etc/kitops/registry"


@pytest.mark.skipif(shutil.which("oras") is None, reason="oras is not on PATH")
def test_oras(place: str, tmp_path: Path) -> None:
    for line in snippet("oras", TOOLS).replace("registry.example.com", place).splitlines():
        command = line.removeprefix("$ ").split()
        http = ["--plain-http"] if command[1] in ("discover", "pull") else ["--from-plain-http"]
        http += ["--to-plain-http"] if command[1] == "cp" and "--to-oci-layout" not in command else []
        done = subprocess.run([*command, *http], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
    with kitops.open("oci:churn-layout:1.0") as kit, kitops.open(f"{place}/prod/churn:1.0") as copy:
        assert kit.digest == copy.digest
    assert (tmp_path / "pulled" / "model.safetensors").read_bytes() == b"\x02\0\0\0\0\0\0\0{}"


@pytest.mark.skipif(shutil.which("cosign") is None, reason="cosign is not on PATH")
def test_cosign(place: str) -> None:
    ours, theirs = snippet("cosign", TOOLS).replace("registry.example.com", place).splitlines()
    assert run(*shlex.split(ours.removeprefix("$ kitops "))).code == 0
    command = [*theirs.removeprefix("$ ").split(), "--allow-http-registry"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
