"""What all pods have in common: who they run as, what they may do, and what is mounted into them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kitops_core.serving.manifests.choices import ManifestOptions

Manifest = dict[str, Any]

USER = 65532
"""The user of our image (the usual ``nonroot``), and of the servers beside it, so that they share a volume."""
MODELS = "/models"
KEYS = "/etc/kitops/keys"
CREDENTIALS = "/etc/kitops/registry"
REFERENCE = "MODELKIT_REF"
"""The variable with the kit's reference, named as in KitOps' own init container; an overlay needs to patch only it."""

_VALUES_RETRIED_IN_VAIN = [2, 3, 4, 5, 6, 9]
"""Exit codes that say the same the next time: wrong usage, unusable input, not found, denied, altered, refused."""


def metadata(options: ManifestOptions, *, name: str = "", cluster: bool = False) -> Manifest:
    """Metadata of an object, or with ``cluster`` of one that has no namespace."""
    out: Manifest = {"name": name or options.name}
    if options.namespace and not cluster:
        out["namespace"] = options.namespace
    return {**out, "labels": labels(options)}


def labels(options: ManifestOptions) -> dict[str, str]:
    """The label that selects the pods."""
    return {"app.kubernetes.io/name": options.name}


def restricted() -> Manifest:
    """A container's security context: all that Pod Security's ``restricted`` asks, and a read-only root."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def container(
    options: ManifestOptions,
    name: str,
    args: Sequence[str],
    *,
    reference: str = "",
    env: Sequence[Manifest] = (),
    mounts: Sequence[Manifest] = (),
    keys: bool = True,
) -> Manifest:
    """A container that runs ``kitops``.

    Args:
        options: Names in the cluster.
        name: The container's name.
        args: The arguments; ``$(MODELKIT_REF)`` stands for the reference.
        reference: The reference.
        env: More variables.
        mounts: More mounts.
        keys: Whether it is given the keys, where there are any.
    """
    variables: list[Manifest] = [{"name": REFERENCE, "value": reference}] if reference else []
    mounted = [*mounts, {"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108 - of the container
    if options.pull_secret:
        variables.append({"name": "DOCKER_CONFIG", "value": CREDENTIALS})
        mounted.append({"name": "registry-credentials", "mountPath": CREDENTIALS, "readOnly": True})
    if options.key_secret and keys:
        mounted.append({"name": "keys", "mountPath": KEYS, "readOnly": True})
    return {
        "name": name,
        "image": options.image,
        "args": [*args, "--progress", "none"],
        "env": [*variables, *env],
        "volumeMounts": mounted,
        "resources": resources(cpu="250m", memory="256Mi", memory_limit="512Mi"),
        "securityContext": restricted(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def resources(*, cpu: str, memory: str, memory_limit: str, devices: Mapping[str, str] | None = None) -> Manifest:
    """What a container asks for, and the memory and devices that it gets at most."""
    devices = dict(devices or {})
    return {"requests": {"cpu": cpu, "memory": memory, **devices}, "limits": {"memory": memory_limit, **devices}}


def pod(
    options: ManifestOptions,
    containers: Sequence[Manifest],
    *,
    init: Sequence[Manifest] = (),
    volumes: Sequence[Manifest] = (),
    key_files: Sequence[str] = (),
    restart: str = "",
) -> Manifest:
    """A pod's spec.

    Args:
        options: Names in the cluster.
        containers: Its containers.
        init: Its init containers.
        volumes: Volumes beside ``tmp``, the registry's credentials and the keys.
        key_files: What of the key's Secret is mounted; nothing else of it is.
        restart: The restart policy, where it is not ``Always``.
    """
    every: list[Manifest] = [*volumes, {"name": "tmp", "emptyDir": {}}]
    if options.pull_secret:
        items = [{"key": ".dockerconfigjson", "path": "config.json"}]
        secret = {"secretName": options.pull_secret, "items": items}
        every.append({"name": "registry-credentials", "secret": secret})
    if options.key_secret and key_files:
        items = [{"key": file, "path": file} for file in key_files]
        every.append({"name": "keys", "secret": {"secretName": options.key_secret, "items": items}})
    mounted = {mount["name"] for one in (*containers, *init) for mount in one.get("volumeMounts", ())}
    return {
        **({"restartPolicy": restart} if restart else {}),
        "automountServiceAccountToken": False,
        **({"imagePullSecrets": [{"name": options.pull_secret}]} if options.pull_secret else {}),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **({"initContainers": list(init)} if init else {}),
        "containers": list(containers),
        "volumes": [volume for volume in every if volume["name"] in mounted],
    }


def no_retry_in_vain(container_name: str) -> Manifest:
    """A Job's failure policy: what fails the same way again ends it at once; a registry's fault is tried again."""
    codes = {"containerName": container_name, "operator": "In", "values": _VALUES_RETRIED_IN_VAIN}
    return {"rules": [{"action": "FailJob", "onExitCodes": codes}]}
