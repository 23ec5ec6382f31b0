"""Servers: an init container that fetches the model before one, vLLM among them, and a mounted image."""

from __future__ import annotations

from collections.abc import Sequence

from kitops_core.serving.manifests.choices import ManifestOptions
from kitops_core.serving.manifests.pods import (
    KEYS,
    MODELS,
    REFERENCE,
    Manifest,
    container,
    labels,
    metadata,
    pod,
    resources,
    restricted,
)

VLLM_IMAGE = "vllm/vllm-openai:v0.33.0"
FILE_SERVER_IMAGE = "python:3.13-slim"
"""What stands where a server of the user's own will: it serves the model's files."""

_PORT = 8080
_VLLM_PORT = 8000
_KIT = "/kit"


def deployment(reference: str, options: ManifestOptions, *, size: int = 0) -> list[Manifest]:
    """A Deployment of any server, and a Service; the init container verifies where there is a key.

    Args:
        reference: The kit, pinned to its digest.
        options: Names in the cluster.
        size: Bytes of the model's files, to bound the volume by; 0 where that is not known.
    """
    return _served(reference, options, _file_server(options, _model_directory(options), "model"), _PORT, size)


def vllm(
    reference: str,
    options: ManifestOptions,
    *,
    file: str = "",
    arguments: Sequence[str] = (),
    gpus: int = 1,
    size: int = 0,
) -> list[Manifest]:
    """A Deployment of vLLM, and a Service.

    Args:
        reference: The kit, pinned to its digest.
        options: Names in the cluster.
        file: The file to serve, where it is not the whole directory: a GGUF.
        arguments: Options of ``vllm serve`` that the Kitfile's parameters stand for.
        gpus: How many GPUs it takes.
        size: Bytes of the model's files, to bound the volume by; 0 where that is not known.
    """
    model = f"{_model_directory(options)}/{file}" if file else _model_directory(options)
    named = [] if "--served-model-name" in arguments else ["--served-model-name", options.name]
    said = [argument.replace("$(", "$$(") for argument in (*named, *arguments)]  # Kubernetes would expand it
    server = {
        "name": "vllm",
        "image": options.server_image or VLLM_IMAGE,
        "command": ["vllm", "serve"],
        "args": [model, *said],
        "env": [
            # The root is read-only and this user is in no passwd file: whatever looks for either is told here.
            {"name": "HOME", "value": "/tmp"},  # noqa: S108 - of the container
            {"name": "USER", "value": "vllm"},
            {"name": "HF_HUB_OFFLINE", "value": "1"},
            {"name": "VLLM_NO_USAGE_STATS", "value": "1"},
        ],
        "ports": [{"name": "http", "containerPort": _VLLM_PORT}],
        "startupProbe": {**_probe("/health"), "periodSeconds": 10, "failureThreshold": 90},
        "readinessProbe": _probe("/health"),
        "livenessProbe": {**_probe("/health"), "periodSeconds": 30, "failureThreshold": 4},
        "resources": resources(cpu="4", memory="16Gi", memory_limit="32Gi", devices={"nvidia.com/gpu": str(gpus)}),
        "securityContext": restricted(),
        "volumeMounts": [
            {"name": "model", "mountPath": MODELS, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
            {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108
        ],
    }
    shm = {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "8Gi"}}
    return _served(reference, options, server, _VLLM_PORT, size, volumes=[shm])


def image_volume(image: str, options: ManifestOptions) -> list[Manifest]:
    """A Pod that mounts the image of a kit; Kubernetes 1.33 with the feature ``ImageVolume``, or 1.35.

    Args:
        image: The image, pinned to its digest; see :func:`kitops_core.serving.image.image`.
        options: Names in the cluster.
    """
    volume = {"name": "kit", "image": {"reference": image, "pullPolicy": "IfNotPresent"}}
    server = _file_server(options, _KIT, "kit")
    return [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata(options),
            "spec": pod(options, [server], volumes=[volume]),
        }
    ]


def _served(
    reference: str,
    options: ManifestOptions,
    server: Manifest,
    port: int,
    size: int,
    volumes: Sequence[Manifest] = (),
) -> list[Manifest]:
    """A Deployment of a server whose model an init container fetches, and its Service."""
    args = ["materialize", f"$({REFERENCE})", "--to", _model_directory(options), "--remote"]
    if options.key_secret:
        args += ["--verify", f"{KEYS}/cosign.pub"]
    mounts = [{"name": "model", "mountPath": MODELS}]
    fetch = container(options, "fetch-model", args, reference=reference, mounts=mounts)
    spec = pod(
        options, [server], init=[fetch], volumes=[_model_volume(options, size), *volumes], key_files=["cosign.pub"]
    )
    # With a claim that only one node may mount, a new pod would wait for the old one for ever.
    strategy = {"type": "Recreate"} if options.claim else {"type": "RollingUpdate"}
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata(options),
            "spec": {
                "replicas": 1,
                "strategy": strategy,
                "selector": {"matchLabels": labels(options)},
                "template": {"metadata": {"labels": labels(options)}, "spec": spec},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata(options),
            "spec": {
                "selector": labels(options),
                "ports": [{"name": "http", "port": port, "targetPort": "http"}],
            },
        },
    ]


def _model_directory(options: ManifestOptions) -> str:
    return f"{MODELS}/{options.name}"


def _model_volume(options: ManifestOptions, size: int) -> Manifest:
    if options.claim:
        return {"name": "model", "persistentVolumeClaim": {"claimName": options.claim}}
    limit = {"sizeLimit": f"{size * 11 // 10 // 1024**2 + 64}Mi"} if size else {}
    return {"name": "model", "emptyDir": limit}


def _file_server(options: ManifestOptions, directory: str, volume: str) -> Manifest:
    """The server: the user's own image as it starts by itself, else one that serves the files."""
    command = ["python", "-m", "http.server", str(_PORT), "--directory", directory]
    return {
        "name": "server",
        "image": options.server_image or FILE_SERVER_IMAGE,
        **({} if options.server_image else {"command": command}),
        "ports": [{"name": "http", "containerPort": _PORT}],
        "readinessProbe": _probe("/"),
        "resources": resources(cpu="100m", memory="64Mi", memory_limit="128Mi"),
        "securityContext": restricted(),
        "volumeMounts": [{"name": volume, "mountPath": MODELS if volume == "model" else directory, "readOnly": True}],
    }


def _probe(path: str) -> Manifest:
    return {"httpGet": {"path": path, "port": "http"}}
