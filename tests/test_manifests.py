"""Kubernetes manifests: valid by the published schemas, restricted, pinned, and the same as in ``deploy``."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import deployed
import pytest
import yaml
from cli_runner import kit, ok
from kserve_environment import KServe

import kitops_core as kitops
from kitops_core.errors import InvalidInputError, NotFoundError, PolicyError
from kitops_core.serving.manifests.fill import Promoting
from kitops_core.serving.manifests.kinds import KINDS
from kitops_core.serving.manifests.options import ManifestOptions, name_from

kubernetes_validate: Any = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")

KUBERNETES = ("1.36", "1.37")
KSERVE_KINDS = {
    "InferenceService": "V1beta1InferenceService",
    "ClusterStorageContainer": "V1alpha1ClusterStorageContainer",
}
FULL = {"pull_secret": "regcred", "key_secret": "cosign", "namespace": "ml", "image": "registry.example.com/kitops:1"}
Object = dict[str, Any]


@pytest.fixture
def name(registry: str, tmp_path: Path) -> str:
    """A kit with an image, in a registry; its tag is ``1``."""
    root = tmp_path / "model"
    (root / "models").mkdir(parents=True)
    (root / "Kitfile").write_text(
        "manifestVersion: 1.0.0\npackage: {name: My Model 2}\n"
        "model: {path: models/model.bin, framework: scikit-learn}\n"
    )
    (root / "models" / "model.bin").write_bytes(uuid.uuid4().bytes * 10_000)
    name = f"{registry}/manifests/{uuid.uuid4().hex[:8]}"
    kitops.pack(root, f"{name}:1", push=True)
    kitops.image(f"{name}:1")
    return name


def all_kinds(name: str, **options: Any) -> Iterator[tuple[str, list[Object]]]:
    """Every kind of manifest, and every way of KServe."""
    for kind in KINDS:
        if kind != "kserve":
            yield kind, kitops.manifests(kind, f"{name}:1", **options)
    for mode in ("kit", "native", "fetch"):
        yield f"kserve {mode}", kitops.manifests("kserve", f"{name}:1", kserve=mode, **options)


def pods(objects: list[Object]) -> Iterator[Object]:
    """The specs of all pods in some objects."""
    for made in objects:
        spec = made.get("spec", {})
        if made["kind"] == "Pod":
            yield spec
        elif made["kind"] == "CronJob":
            yield spec["jobTemplate"]["spec"]["template"]["spec"]
        elif "template" in spec:
            yield spec["template"]["spec"]


# --- the schemas --------------------------------------------------------------------------------------------------


def check_schema(made: Object, version: str) -> None:
    """Raise where Kubernetes of this version would not take an object, or does not know a field of it."""
    kubernetes_validate.validate(made, version, strict=True)


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("options", [{}, FULL, {**FULL, "claim": "shared", "server_image": "example.com/s:1"}])
def test_kubernetes_knows_every_field(version: str, options: dict[str, str], name: str) -> None:
    checked = set()
    for _, objects in all_kinds(name, **options):
        for made in objects:
            if made["kind"] not in KSERVE_KINDS:
                check_schema(made, version)
                checked.add(made["kind"])
    assert checked == {"Job", "CronJob", "ConfigMap", "Deployment", "Service", "Pod"}


def test_a_field_that_kubernetes_does_not_know_would_be_found(name: str) -> None:
    (job,) = kitops.manifests("pack-job", f"{name}:1")
    job["spec"]["template"]["spec"]["containers"][0]["volumeMount"] = []
    with pytest.raises(kubernetes_validate.ValidationError, match="volumeMount"):
        check_schema(job, KUBERNETES[-1])


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, FULL, {**FULL, "server_image": "example.com/s:1"}])
def test_kserve_knows_every_field(options: dict[str, str], name: str, kserve: KServe) -> None:
    checked = set()
    for kind, objects in all_kinds(name, **options):
        for made in objects if kind.startswith("kserve") else []:
            assert kserve.problems(made, KSERVE_KINDS[made["kind"]], made["kind"]) == []
            check_schema(pod_of(made, kserve), KUBERNETES[-1])
            checked.add(made["kind"])
    assert checked == set(KSERVE_KINDS)


def pod_of(made: Object, kserve: KServe) -> Object:
    """A Pod with what a KServe object takes over from Kubernetes' own API, for Kubernetes' own schema to check."""
    if made["kind"] == "ClusterStorageContainer":
        spec: Object = {"containers": [made["spec"]["container"]]}
    else:
        predictor = dict(made["spec"]["predictor"])
        model = predictor.pop("model")
        own = {key for key, kind in kserve.models["V1beta1ModelSpec"].items() if kind.startswith("V1beta1")}
        own |= {"storageUri", "runtime", "runtimeVersion", "protocolVersion"}
        spec = {"containers": [{"name": "model", **{k: v for k, v in model.items() if k not in own}}], **predictor}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": spec}


@pytest.mark.slow
def test_a_field_that_kserve_does_not_know_would_be_found(name: str, kserve: KServe) -> None:
    storage, service = kitops.manifests("kserve", f"{name}:1")
    storage["spec"]["container"]["supportedUriFormats"] = storage["spec"].pop("supportedUriFormats")
    with pytest.raises(kubernetes_validate.ValidationError, match="supportedUriFormats"):
        check_schema(pod_of(storage, kserve), KUBERNETES[-1])
    service["spec"]["predictor"]["model"]["storageURI"] = "kit://x"
    assert kserve.problems(service, KSERVE_KINDS["InferenceService"]) == [
        ".spec.predictor.model.storageURI is unknown to V1beta1ModelSpec"
    ]


# --- what every pod is --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, FULL])
def test_every_pod_meets_the_restricted_standard_with_a_read_only_root(options: dict[str, str], name: str) -> None:
    seen = 0
    for _, objects in all_kinds(name, **options):
        for pod in pods(objects):
            seen += 1
            assert pod["securityContext"]["runAsNonRoot"] is True
            assert pod["securityContext"]["runAsUser"] == 65532
            assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
            assert pod["automountServiceAccountToken"] is False
            for container in (*pod["containers"], *pod.get("initContainers", ())):
                context = container["securityContext"]
                assert context["allowPrivilegeEscalation"] is False
                assert context["readOnlyRootFilesystem"] is True
                assert context["capabilities"] == {"drop": ["ALL"]}
                assert container["resources"]["requests"]["memory"]
                assert container["resources"]["limits"]["memory"]
    assert seen == 5


@pytest.mark.parametrize("options", [{}, FULL])
def test_every_volume_is_mounted_and_every_mount_has_its_volume(options: dict[str, str], name: str) -> None:
    for _, objects in all_kinds(name, **options):
        for pod in pods(objects):
            containers = (*pod["containers"], *pod.get("initContainers", ()))
            mounted = {mount["name"] for container in containers for mount in container["volumeMounts"]}
            assert mounted == {volume["name"] for volume in pod["volumes"]}


def test_only_what_signs_is_given_the_private_key(name: str) -> None:
    for kind, objects in all_kinds(name, **FULL):
        text = json.dumps(objects)
        assert ("cosign.key" in text) is (kind in ("pack-job", "promote-cronjob"))
        assert ("cosign.password" in text) is (kind in ("pack-job", "promote-cronjob"))


def test_what_serves_verifies_the_very_reference_it_fetches(name: str) -> None:
    for kind in ("deployment", "vllm"):
        (pod,) = pods(kitops.manifests(kind, f"{name}:1", **FULL))
        (fetch,) = pod["initContainers"]
        assert fetch["args"][:2] == ["materialize", "$(MODELKIT_REF)"]
        assert fetch["args"][fetch["args"].index("--verify") + 1] == "/etc/kitops/keys/cosign.pub"
        (pod,) = pods(kitops.manifests(kind, f"{name}:1"))
        assert "--verify" not in pod["initContainers"][0]["args"]


# --- what they are filled in with ---------------------------------------------------------------------------------


def test_a_tag_is_pinned_to_the_digest_it_has_now(name: str) -> None:
    with kitops.open(f"{name}:1", remote=True) as opened:
        digest = opened.digest
    image = kitops.image(f"{name}:1").digest
    for kind, objects in all_kinds(name):
        text = to_text(objects)
        if kind in ("pack-job", "promote-cronjob"):
            assert digest not in text
        elif kind in ("deployment", "vllm", "kserve kit"):
            assert f"{name}@{digest}" in text
            assert f"{name}:1" not in text
        else:
            assert f"{name}@{image}" in text
            assert f"{name}:1" not in text


def to_text(objects: list[Object]) -> str:
    return json.dumps(objects)


def test_names_come_from_the_kit_or_from_the_caller(name: str) -> None:
    (job,) = kitops.manifests("pack-job", f"{name}:1")
    assert job["metadata"]["name"] == name_from(name.rpartition("/")[2])
    deployment, service = kitops.manifests("deployment", f"{name}:1", namespace="ml")
    assert deployment["metadata"]["name"] == service["metadata"]["name"] == "my-model-2"
    assert deployment["metadata"]["namespace"] == service["metadata"]["namespace"] == "ml"
    (pod,) = kitops.manifests("image-volume", f"{name}:1", name="mine")
    assert pod["metadata"]["name"] == "mine"


@pytest.mark.parametrize(
    ("given", "made"), [("My Model", "my-model"), ("3b", "kit-3b"), ("a" * 80, "a" * 52), ("--Qwen2.5--", "qwen2-5")]
)
def test_a_name_is_made_one_that_services_and_cronjobs_take(given: str, made: str) -> None:
    assert name_from("", "-", given) == made
    assert ManifestOptions(made, "i:1").name == made


def test_the_volume_holds_the_model_and_what_is_fetched_beside_it(name: str) -> None:
    (pod,) = pods(kitops.manifests("deployment", f"{name}:1"))
    limit = next(volume["emptyDir"]["sizeLimit"] for volume in pod["volumes"] if volume["name"] == "model")
    assert limit == "64Mi"  # 160 kB, and room
    (pod,) = pods(kitops.manifests("deployment", f"{name}:1", claim="shared"))
    assert {"name": "model", "persistentVolumeClaim": {"claimName": "shared"}} in pod["volumes"]


def test_a_server_of_ones_own_is_started_by_its_image(name: str) -> None:
    for kind in ("deployment", "image-volume"):
        (pod,) = pods(kitops.manifests(kind, f"{name}:1", server_image="registry.example.com/server:1"))
        (server,) = pod["containers"]
        assert server["image"] == "registry.example.com/server:1"
        assert "command" not in server
    (pod,) = pods(kitops.manifests("vllm", f"{name}:1", server_image="registry.example.com/vllm:1"))
    assert pod["containers"][0]["command"] == ["vllm", "serve"]


def test_vllm_is_started_as_the_kitfile_wants_it(name: str, tmp_path: Path) -> None:
    root = tmp_path / "gguf"
    root.mkdir()
    (root / "q4.gguf").write_bytes(b"GGUF")
    (root / "Kitfile").write_text(
        "manifestVersion: 1.0.0\npackage: {name: chat}\nmodel:\n  path: q4.gguf\n  parameters:\n"
        "    {learning_rate: 0.1, max_model_len: 4096, tensor_parallel_size: 2, pipeline_parallel_size: 2,\n"
        "     served_model_name: my-chat, hf_overrides: {a: $(HOME)}}\n"
    )
    kitops.pack(root, f"{name}-gguf:1", push=True)
    (pod,) = pods(kitops.manifests("vllm", f"{name}-gguf:1"))
    (server,) = pod["containers"]
    assert server["command"] == ["vllm", "serve"]
    assert server["args"] == [
        "/models/chat/q4.gguf",
        *("--hf-overrides", '{"a":"$$(HOME)"}', "--max-model-len", "4096", "--pipeline-parallel-size", "2"),
        *("--served-model-name", "my-chat", "--tensor-parallel-size", "2"),
    ]
    assert server["resources"]["limits"]["nvidia.com/gpu"] == "4"
    (pod,) = pods(kitops.manifests("vllm", f"{name}:1"))
    assert pod["containers"][0]["args"] == ["/models/my-model-2", "--served-model-name", "my-model-2"]
    assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"


def test_kserve_is_told_the_format_that_the_kitfile_names(name: str) -> None:
    _, service = kitops.manifests("kserve", f"{name}:1")
    assert service["spec"]["predictor"]["model"]["modelFormat"] == {"name": "sklearn"}


def test_kserves_own_ways_take_the_kits_image(name: str) -> None:
    image = kitops.image(f"{name}:1", tag="served").digest
    for mode in ("native", "fetch"):
        for named in (f"{name}:1", f"{name}:served", f"{name}@{image}"):
            (service,) = kitops.manifests("kserve", named, kserve=mode, name="x")
            assert service["spec"]["predictor"]["model"]["storageUri"] == f"oci+{mode}://{name}@{image}"


def test_the_channels_of_the_cronjob_are_the_users_own_or_two(name: str, tmp_path: Path) -> None:
    config, _ = kitops.manifests("promote-cronjob", name, promoting=Promoting(to="prod"))
    policy = yaml.safe_load(config["data"]["promotion.yaml"])
    assert policy == {"kit": name, "channels": {"dev": {}, "prod": {"from": "dev"}}}
    text = f"# ours\nkit: {name}\nchannels: {{dev: {{}}, live: {{from: dev, soak: 24h}}}}\n"
    (tmp_path / "promotion.yaml").write_text(text)
    own = Promoting(to="live", schedule="0 6 * * 1-5", channels=tmp_path / "promotion.yaml")
    config, cronjob = kitops.manifests("promote-cronjob", name, promoting=own)
    assert config["data"]["promotion.yaml"] == text
    assert cronjob["spec"]["schedule"] == "0 6 * * 1-5"


# --- what cannot be filled in -------------------------------------------------------------------------------------


def test_bad_input_is_said_in_words(name: str, registry: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="there are no manifests 'helm'"):
        kitops.manifests("helm", f"{name}:1")
    with pytest.raises(InvalidInputError, match="no way of KServe"):
        kitops.manifests("kserve", f"{name}:1", kserve="modelcar")
    for local in ("my-model:1", f"oci:{tmp_path}:1"):
        with pytest.raises(InvalidInputError, match="no registry that a cluster could reach"):
            kitops.manifests("vllm", local)
    with pytest.raises(NotFoundError):
        kitops.manifests("vllm", f"{name}:2")
    with pytest.raises(InvalidInputError, match="names a digest"):
        kitops.manifests("pack-job", f"{name}@sha256:{'0' * 64}")
    with pytest.raises(PolicyError):
        kitops.manifests("promote-cronjob", name, promoting=Promoting(to="a: b"))
    (tmp_path / "promotion.yaml").write_text(f"kit: {name}\nchannels: {{dev: {{}}}}\n")
    own = Promoting(to="live", channels=tmp_path / "promotion.yaml")
    with pytest.raises(NotFoundError, match="live"):
        kitops.manifests("promote-cronjob", name, promoting=own)


@pytest.mark.parametrize("given", ["name=My", f"name={'a' * 53}", "name=1a", "namespace=a.b", "pull_secret=A"])
@pytest.mark.parametrize("also", ["key_secret=a/b", "claim=-", "image=", "image=a b", "server_image=a\nb"])
def test_what_kubernetes_would_refuse_as_a_name_is_refused_here(given: str, also: str) -> None:
    for said in (given, also):
        field, _, value = said.partition("=")
        options = {"name": "x", "image": "i:1", field: value}
        with pytest.raises(InvalidInputError):
            ManifestOptions(**options)


def test_a_kit_without_an_image_or_with_several_is_asked_about(name: str) -> None:
    kitops.image(f"{name}:1", platform="linux/arm64")
    with pytest.raises(InvalidInputError, match="has 2 images") as said:
        kitops.manifests("image-volume", f"{name}:1")
    assert "by its digest" in said.value.hint
    kitops.remove(f"{name}@{kitops.image(f'{name}:1').digest}", remote=True)
    kitops.remove(f"{name}@{kitops.image(f'{name}:1', platform='linux/arm64').digest}", remote=True)
    with pytest.raises(NotFoundError, match="has no image") as none:
        kitops.manifests("image-volume", f"{name}:1")
    assert "kitops image" in none.value.hint


# --- the command and the files ------------------------------------------------------------------------------------


def test_the_command_prints_yaml_that_reads_back_as_what_the_library_gives(name: str) -> None:
    args = ("--namespace", "ml", "--image", "registry.example.com/kitops:1", "--pull-secret", "regcred")
    for kind in KINDS:
        made = kitops.manifests(
            kind, f"{name}:1", namespace="ml", image="registry.example.com/kitops:1", pull_secret="regcred"
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
