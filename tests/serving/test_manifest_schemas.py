"""Kubernetes manifests are valid by the schemas that Kubernetes and KServe publish; an unknown field is an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kserve_environment import KServe
from manifest_tools import FULL, Object, all_kinds, push_kit

import kitops_core as kitops

kubernetes_validate: Any = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")

KUBERNETES = ("1.36", "1.37")
KSERVE_KINDS = {
    "InferenceService": "V1beta1InferenceService",
    "ClusterStorageContainer": "V1alpha1ClusterStorageContainer",
}


@pytest.fixture
def name(registry: str, tmp_path: Path) -> str:
    return push_kit(registry, tmp_path)


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
