"""What ``deploy/kubernetes`` must hold: every kind of manifest, for a kit and Secrets with names for examples."""

from __future__ import annotations

from pathlib import Path

from kitops_core import manifests
from kitops_core.serving.manifests.choices import DEFAULT_IMAGE, ManifestOptions
from kitops_core.serving.manifests.fill import Promoting
from kitops_core.serving.manifests.kinds import KINDS
from kitops_core.serving.manifests.kserve import inference_service, storage_container
from kitops_core.serving.manifests.pods import Manifest
from kitops_core.serving.manifests.servers import deployment, image_volume, vllm
from kitops_core.serving.manifests.write import to_yaml

ROOT = Path(__file__).parents[2] / "deploy" / "kubernetes"
KIT = "registry.example.com/ml/my-model"
IMAGE, _, VERSION = DEFAULT_IMAGE.partition(":")
OPTIONS = ManifestOptions("my-model", IMAGE, pull_secret="registry-credentials", key_secret="cosign-key")
HEAD = """\
# {what}.
# Written by scripts/write-manifests. `kitops manifests {kind} REFERENCE` prints it filled in.
"""
KUSTOMIZATION = """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
{resources}"""
IMAGES = """\
images:
  - name: {image}
    newName: registry.example.com/tools/{image}
    newTag: {version}
"""
CONFIGURATION = """\
# Where else than in pods an image is named.
images:
  - path: spec/container/image
    kind: ClusterStorageContainer
"""


def objects() -> dict[str, dict[str, list[Manifest]]]:
    """The objects of each file, by kind."""
    secrets = {"pull_secret": OPTIONS.pull_secret, "key_secret": OPTIONS.key_secret, "image": IMAGE}
    options = ManifestOptions(**secrets)
    promoting = Promoting(to="staging")
    return {
        "pack-job": {"job.yaml": manifests("pack-job", f"{KIT}:1.0", options=options)},
        "promote-cronjob": {"cronjob.yaml": manifests("promote-cronjob", KIT, promoting=promoting, options=options)},
        "deployment": {"deployment.yaml": deployment(f"{KIT}:1.0", OPTIONS)},
        "vllm": {"vllm.yaml": vllm(f"{KIT}:1.0", OPTIONS)},
        "kserve": {
            "cluster-storage-container.yaml": [storage_container(OPTIONS)],
            "inference-service.yaml": [inference_service(f"kit://{KIT}:1.0", OPTIONS, model_format="huggingface")],
        },
        "image-volume": {"pod.yaml": image_volume(f"{KIT}:1.0-image", OPTIONS)},
    }


def files() -> dict[str, str]:
    """Every file below ``deploy/kubernetes``, by its path."""
    out: dict[str, str] = {}
    for kind, parts in objects().items():
        for name, made in parts.items():
            out[f"{kind}/{name}"] = HEAD.format(what=KINDS[kind], kind=kind) + to_yaml(made)
        resources = "".join(f"  - {name}\n" for name in parts)
        text = KUSTOMIZATION.format(resources=resources)
        if f"image: {IMAGE}\n" in "".join(out[f"{kind}/{name}"] for name in parts):
            text += IMAGES.format(image=IMAGE, version=VERSION)
        if kind == "kserve":
            text += "configurations:\n  - images.yaml\n"
            out[f"{kind}/images.yaml"] = CONFIGURATION
        out[f"{kind}/kustomization.yaml"] = text
    return out
