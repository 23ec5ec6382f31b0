"""Jobs: packing a volume, promoting on a schedule."""

from __future__ import annotations

from kitops_core.serving.manifests.choices import ManifestOptions
from kitops_core.serving.manifests.pods import (
    KEYS,
    REFERENCE,
    Manifest,
    container,
    labels,
    metadata,
    no_retry_in_vain,
    pod,
)

_DATA = "/data"
_POLICY = "/etc/kitops/policy"
_HOUR = 3600


def pack_job(reference: str, options: ManifestOptions) -> list[Manifest]:
    """A Job that packs what a claim holds and pushes it, its provenance signed where there is a key.

    Args:
        reference: ``registry/repository:tag``, where to.
        options: Names in the cluster; the claim is ``NAME-data`` where none is given.
    """
    args = ["pack", _DATA, "--tag", f"$({REFERENCE})", "--push", "--provenance"]
    if options.key_secret:
        args += ["--sign-key", f"{KEYS}/cosign.key"]
    pack = container(
        options,
        "pack",
        args,
        reference=reference,
        env=_password(options),
        mounts=[{"name": "data", "mountPath": _DATA, "readOnly": True}],
    )
    claim = {"claimName": options.claim or f"{options.name}-data", "readOnly": True}
    spec = pod(
        options,
        [pack],
        volumes=[{"name": "data", "persistentVolumeClaim": claim}],
        key_files=["cosign.key"],
        restart="Never",
    )
    return [
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": metadata(options),
            "spec": {
                "backoffLimit": 3,
                "ttlSecondsAfterFinished": 24 * _HOUR,
                "podFailurePolicy": no_retry_in_vain("pack"),
                "template": {"metadata": {"labels": labels(options)}, "spec": spec},
            },
        }
    ]


def promote_cronjob(policy: str, to: str, schedule: str, options: ManifestOptions) -> list[Manifest]:
    """A CronJob that promotes what a channel's upstream has, and the ConfigMap with the policy.

    Beside the policy lies ``cosign.pub`` where there is a key, for gates that name it; it also signs the records.

    Args:
        policy: The text of ``promotion.yaml``.
        to: The channel.
        schedule: When, as cron writes it.
        options: Names in the cluster.
    """
    args = ["promote", "--to", to, "--policy", f"{_POLICY}/promotion.yaml"]
    if options.key_secret:
        args += ["--sign-key", f"{KEYS}/cosign.key"]
    place = f"{options.namespace}/{options.name}" if options.namespace else options.name
    promote = container(
        options,
        "promote",
        args,
        env=[{"name": "KITOPS_ACTOR", "value": f"cronjob/{place}"}, *_password(options)],
        mounts=[{"name": "policy", "mountPath": _POLICY, "readOnly": True}],
    )
    config_map = f"{options.name}-policy"
    sources: list[Manifest] = [{"configMap": {"name": config_map}}]
    if options.key_secret:
        public = [{"key": "cosign.pub", "path": "cosign.pub"}]
        sources.append({"secret": {"name": options.key_secret, "items": public}})
    spec = pod(
        options,
        [promote],
        volumes=[{"name": "policy", "projected": {"sources": sources}}],
        key_files=["cosign.key"],
        restart="Never",
    )
    job = {
        "backoffLimit": 2,
        "podFailurePolicy": no_retry_in_vain("promote"),
        "template": {"metadata": {"labels": labels(options)}, "spec": spec},
    }
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata(options, name=config_map),
            "data": {"promotion.yaml": policy},
        },
        {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": metadata(options),
            "spec": {
                "schedule": schedule,
                "concurrencyPolicy": "Forbid",
                "startingDeadlineSeconds": _HOUR,
                "successfulJobsHistoryLimit": 3,
                "failedJobsHistoryLimit": 3,
                "jobTemplate": {"spec": job},
            },
        },
    ]


def _password(options: ManifestOptions) -> list[Manifest]:
    if not options.key_secret:
        return []
    source = {"secretKeyRef": {"name": options.key_secret, "key": "cosign.password"}}
    return [{"name": "COSIGN_PASSWORD", "valueFrom": source}]
