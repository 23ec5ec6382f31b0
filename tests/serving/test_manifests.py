"""Kubernetes manifests: restricted, pinned, and filled in as the kit and the caller say."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
import yaml
from clients import client
from manifest_tools import FULL, Object, all_kinds, pods, push_kit
from registry_fixture import PASSWORD, USERNAME, Served

import kitops_core as kitops
from kitops_core.cli.group import kitops as command_group
from kitops_core.errors import InvalidInputError, NotFoundError, PolicyError
from kitops_core.serving.manifests.choices import ManifestOptions, name_from
from kitops_core.serving.manifests.fill import Promoting


@pytest.fixture
def name(registry: str, tmp_path: Path) -> str:
    return push_kit(registry, tmp_path)


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


def test_the_command_takes_what_every_container_of_its_image_gives_it(name: str) -> None:
    seen = set()
    for _, objects in all_kinds(name, **FULL):
        for pod in pods(objects):
            for container in (*pod["containers"], *pod.get("initContainers", ())):
                if container["image"] == FULL["image"] and "command" not in container:
                    verb, *arguments = container["args"]
                    command = command_group.get_command(click.Context(command_group), verb)
                    assert command is not None
                    command.make_context(verb, arguments)  # an option that it does not have is an error here
                    seen.add(verb)
    assert seen == {"pack", "promote", "materialize"}


def test_only_what_signs_is_given_the_private_key(name: str) -> None:
    for kind, objects in all_kinds(name, **FULL):
        text = json.dumps(objects)
        assert ("cosign.key" in text) is (kind in ("pack-job", "promote-cronjob"))
        assert ("cosign.password" in text) is (kind in ("pack-job", "promote-cronjob"))


def test_what_serves_verifies_the_very_reference_it_fetches(name: str) -> None:
    for kind in ("deployment", "vllm"):
        (pod,) = pods(kitops.manifests(kind, f"{name}:1", options=kitops.ManifestOptions(**FULL)))
        (fetch,) = pod["initContainers"]
        assert fetch["args"][:2] == ["materialize", "$(MODELKIT_REF)"]
        assert fetch["args"][fetch["args"].index("--verify") + 1] == "/etc/kitops/keys/cosign.pub"
        (pod,) = pods(kitops.manifests(kind, f"{name}:1"))
        assert "--verify" not in pod["initContainers"][0]["args"]


# --- what they are filled in with ---------------------------------------------------------------------------------


def test_a_tag_is_pinned_to_the_digest_it_has_now(name: str) -> None:
    with kitops.open(f"{name}:1", where="registry") as opened:
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
    deployment, service = kitops.manifests("deployment", f"{name}:1", options=kitops.ManifestOptions(namespace="ml"))
    assert deployment["metadata"]["name"] == service["metadata"]["name"] == "my-model-2"
    assert deployment["metadata"]["namespace"] == service["metadata"]["namespace"] == "ml"
    (pod,) = kitops.manifests("image-volume", f"{name}:1", options=kitops.ManifestOptions(name="mine"))
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
    (pod,) = pods(kitops.manifests("deployment", f"{name}:1", options=kitops.ManifestOptions(claim="shared")))
    assert {"name": "model", "persistentVolumeClaim": {"claimName": "shared"}} in pod["volumes"]


def test_a_server_of_ones_own_is_started_by_its_image(name: str) -> None:
    for kind in ("deployment", "image-volume"):
        (pod,) = pods(
            kitops.manifests(
                kind, f"{name}:1", options=kitops.ManifestOptions(server_image="registry.example.com/server:1")
            )
        )
        (server,) = pod["containers"]
        assert server["image"] == "registry.example.com/server:1"
        assert "command" not in server
    (pod,) = pods(
        kitops.manifests(
            "vllm", f"{name}:1", options=kitops.ManifestOptions(server_image="registry.example.com/vllm:1")
        )
    )
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
            (service,) = kitops.manifests("kserve", named, kserve=mode, options=kitops.ManifestOptions(name="x"))
            assert service["spec"]["predictor"]["model"]["storageUri"] == f"oci+{mode}://{name}@{image}"


def test_the_channels_of_the_cronjob_are_the_users_own_or_two(name: str, tmp_path: Path) -> None:
    config, _ = kitops.manifests("promote-cronjob", name, promoting=Promoting(to="prod"))
    policy = yaml.safe_load(config["data"]["promotion.yaml"])
    assert policy == {"kit": name, "channels": {"dev": {}, "prod": {"from": "dev"}}}
    text = f"# ours\nkit: {name}\nchannels: {{dev: {{}}, live: {{from: dev, soak: 24h}}}}\n"
    (tmp_path / "promotion.yaml").write_text(text)
    own = Promoting(to="live", schedule="0 6 * * 1-5", policy=tmp_path / "promotion.yaml")
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
    own = Promoting(to="live", policy=tmp_path / "promotion.yaml")
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
    kitops.remove(f"{name}@{kitops.image(f'{name}:1').digest}", where="registry")
    kitops.remove(f"{name}@{kitops.image(f'{name}:1', platform='linux/arm64').digest}", where="registry")
    with pytest.raises(NotFoundError, match="has no image") as none:
        kitops.manifests("image-volume", f"{name}:1")
    assert "kitops image" in none.value.hint


@pytest.mark.parametrize(("mode", "warned"), [("fetch", True), ("native", False), ("kit", False)])
def test_a_login_that_kserves_own_initializer_cannot_use_is_warned_of(
    mode: str, warned: bool, auth_registry: Served, tmp_path: Path
) -> None:
    """``findings/oras-py-basic-realm.sh`` shows that it cannot."""
    login = kitops.RegistryOptions(username=USERNAME, password=PASSWORD)
    events: list[kitops.Event] = []
    with client(registries=kitops.Registries({auth_registry.address: login}), on_event=events.append) as logged_in:
        name = push_kit(auth_registry.address, tmp_path, using=logged_in)
        (*_, service) = logged_in.manifests("kserve", f"{name}:1", kserve=mode)
    assert service["kind"] == "InferenceService"
    warnings = [event.detail for event in events if event.phase == "warning"]
    assert [f"{auth_registry.address} asks for a user name and password" in warning for warning in warnings] == [
        True
    ] * warned


def test_a_registry_that_asks_for_nothing_is_not_warned_of(name: str) -> None:
    events: list[kitops.Event] = []
    with client(on_event=events.append) as anyone:
        anyone.manifests("kserve", f"{name}:1", kserve="fetch")
    assert [event for event in events if event.phase == "warning"] == []
