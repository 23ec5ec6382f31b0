"""Kubernetes manifests as the command prints them, as ``deploy`` has them, and as kustomize builds them."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path

import deployed
import pytest
import yaml
from cli_runner import kit, ok
from manifest_tools import Object, pods, push_kit

import kitops_core as kitops
from kitops_core.serving.manifests.kinds import KINDS


@pytest.fixture
def name(registry: str, tmp_path: Path) -> str:
    return push_kit(registry, tmp_path)


def test_the_command_prints_yaml_that_reads_back_as_what_the_library_gives(name: str) -> None:
    args = ("--namespace", "ml", "--image", "registry.example.com/kitops:1", "--pull-secret", "regcred")
    for kind in KINDS:
        made = kitops.manifests(
            kind,
            f"{name}:1",
            options=kitops.ManifestOptions(
                namespace="ml", image="registry.example.com/kitops:1", pull_secret="regcred"
            ),
        )
        ran = ok("manifests", kind, f"{name}:1", *args)
        assert list(yaml.safe_load_all(ran.out)) == made
        assert ran.err == ""
        assert ok("manifests", kind, f"{name}:1", *args, "--json").json["items"] == made


def test_the_command_says_that_the_image_has_to_be_built(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "--image" in ok("manifests", "vllm", f"{name}:1").err
    assert ok("manifests", "image-volume", f"{name}:1").err == ""  # no kitops runs in that pod
    monkeypatch.setenv("KITOPS_IMAGE", "registry.example.com/kitops:2")
    ran = ok("manifests", "vllm", f"{name}:1")
    assert ran.err == ""
    assert "image: registry.example.com/kitops:2\n" in ran.out


def test_the_commands_wrong_usage(name: str) -> None:
    assert kit("manifests", "vllm", f"{name}:1", "--to", "prod").code == 2
    assert kit("manifests", "helm", f"{name}:1").code == 2
    assert kit("manifests", "vllm", f"{name}:1", "--name", "No").code == 3


def test_the_files_in_deploy_are_what_the_code_makes() -> None:
    """``scripts/write-manifests`` writes them."""
    root = deployed.ROOT
    there = {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}
    assert there == deployed.files()
    assert set(deployed.objects()) == set(KINDS)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not on PATH")
@pytest.mark.parametrize("kind", KINDS)
def test_kustomize_builds_each_and_an_overlay_changes_the_reference_alone(kind: str, tmp_path: Path) -> None:
    built = kustomize(deployed.ROOT / kind)
    images = [c["image"] for pod in pods(built) for c in (*pod["containers"], *pod.get("initContainers", ()))]
    images += [made["spec"]["container"]["image"] for made in built if made["kind"] == "ClusterStorageContainer"]
    assert "kitops-core" not in images
    if kind not in ("deployment", "vllm"):
        return
    shutil.copytree(deployed.ROOT / kind, tmp_path / "base")
    reference = "registry.example.com/ml/other@sha256:" + "1" * 64
    env = [{"name": "MODELKIT_REF", "value": reference}]
    patch = {"spec": {"template": {"spec": {"initContainers": [{"name": "fetch-model", "env": env}]}}}}
    overlay = {
        "resources": ["../base"],
        "patches": [{"patch": yaml.safe_dump(target(patch)), "target": {"kind": "Deployment"}}],
    }
    (tmp_path / "overlay").mkdir()
    (tmp_path / "overlay" / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    (before,), (after,) = pods(built), pods(kustomize(tmp_path / "overlay"))
    before["initContainers"][0]["env"][0]["value"] = reference
    assert after["initContainers"][0]["args"] == before["initContainers"][0]["args"]
    assert sorted(after["initContainers"][0]["env"], key=str) == sorted(before["initContainers"][0]["env"], key=str)


def target(patch: Object) -> Object:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "my-model"}, **patch}


def kustomize(directory: Path) -> list[Object]:
    done = subprocess.run(["kubectl", "kustomize", str(directory)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def test_no_secret_of_the_users_credentials_is_in_what_is_printed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth = base64.b64encode(b"me:hunter2").decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {name.partition("/")[0]: {"auth": auth}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("COSIGN_PASSWORD", "hunter3")
    for kind in KINDS:
        ran = ok("manifests", kind, f"{name}:1", "--key-secret", "k", "--pull-secret", "p")
        assert not [secret for secret in (auth, "hunter2", "hunter3") if secret in ran.out + ran.err]
