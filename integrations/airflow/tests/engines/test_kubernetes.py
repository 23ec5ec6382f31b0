"""The KubernetesExecutor's pods, made by Airflow of what docs/cluster.md shows, held to Kubernetes' schema."""

from __future__ import annotations

import configparser
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from airflow.providers.cncf.kubernetes.get_provider_info import get_provider_info
from airflow.providers.cncf.kubernetes.pod_generator import PodGenerator
from readme import snippet

FILE = "docs/cluster.md"
KUBERNETES = "1.36"


def pod(tmp_path: Path, task_id: str, override: Any = None) -> dict[str, Any]:
    """The pod of a task, as the executor would ask for it."""
    template = tmp_path / "pod_template.yaml"
    template.write_text(snippet("airflow_pod", FILE))
    made = PodGenerator.construct_pod(
        dag_id="train_churn",
        task_id=task_id,
        pod_id=f"train-churn-{task_id}-1",
        try_number=1,
        kube_image="",  # the template names it
        date=None,
        args=["python", "-m", "airflow.sdk.execution_time.execute_workload", "--json-string", "{}"],
        pod_override_object=override,
        base_worker_pod=PodGenerator.deserialize_model_file(str(template)),
        namespace="airflow",
        scheduler_job_id="1",
        run_id="manual__2026-01-01",
    )
    return dict(PodGenerator.serialize_pod(made))


@pytest.mark.parametrize("task_id", ["fit", "pack"])
def test_the_pod_of_a_task_is_one(tmp_path: Path, task_id: str) -> None:
    made = pod(tmp_path, task_id)
    kubernetes_validate.validate(made, KUBERNETES, strict=True)
    (container,) = made["spec"]["containers"]
    assert container["image"] == "registry.example.com/ml/airflow:1.0"
    assert container["securityContext"]["readOnlyRootFilesystem"]
    written = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert {Path(item["value"]).parts[1] for item in container["env"] if item["name"].endswith("_HOME")} == {"work"}
    assert {"/work", "/tmp"} <= written


def test_the_training_gets_its_gpu_and_keeps_the_rest(tmp_path: Path) -> None:
    scope: dict[str, Any] = {}
    exec(compile(snippet("airflow_pod_override", FILE), FILE, "exec"), scope)
    made = pod(tmp_path, "fit", scope["gpu"]["pod_override"])
    kubernetes_validate.validate(made, KUBERNETES, strict=True)
    (container,) = made["spec"]["containers"]
    assert container["resources"]["limits"] == {"nvidia.com/gpu": "1"}
    assert container["volumeMounts"] == pod(tmp_path, "pack")["spec"]["containers"][0]["volumeMounts"]


def test_the_executors_settings_are_known_to_it() -> None:
    settings = configparser.ConfigParser()
    settings.read_string(snippet("airflow_cfg_kubernetes", FILE))
    known = get_provider_info()["config"]["kubernetes_executor"]["options"]
    assert [key for key in settings["kubernetes_executor"] if key not in known] == []


def test_a_mistake_in_a_pod_is_seen(tmp_path: Path) -> None:
    made = pod(tmp_path, "fit")
    made["spec"]["containers"][0]["volumeMount"] = []
    with pytest.raises(kubernetes_validate.ValidationError, match="volumeMount"):
        kubernetes_validate.validate(made, KUBERNETES, strict=True)
