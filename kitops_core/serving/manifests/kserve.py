"""KServe: a kit behind an InferenceService, by our storage initializer or by KServe's own ways with images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kitops_core.serving.manifests.choices import ManifestOptions
from kitops_core.serving.manifests.pods import Manifest, metadata, resources, restricted

if TYPE_CHECKING:
    from kitops_core.kitfile import Kitfile

CREDENTIALS_SECRET = "kitops-registry"  # noqa: S105 - its name
"""The Secret with user name and password for the registry, in the namespace of an InferenceService."""

LABEL_ANNOTATION = "kitops.ml/label"
"""The annotation of an InferenceService that says which kit of an index it serves."""

_FORMATS = (
    "huggingface",
    "lightgbm",
    "mlflow",
    "onnx",
    "paddle",
    "pmml",
    "pytorch",
    "sklearn",
    "tensorflow",
    "xgboost",
)
_ALIASES = {"scikit-learn": "sklearn", "transformers": "huggingface", "safetensors": "huggingface", "torch": "pytorch"}


def inference_service(uri: str, options: ManifestOptions, *, model_format: str) -> Manifest:
    """An InferenceService of whatever runtime serves the format.

    Args:
        uri: Where the model is: ``kit://``, ``oci+native://`` or ``oci+fetch://``, pinned to a digest.
        options: Names in the cluster.
        model_format: KServe's name of the format: ``huggingface``, ``sklearn``.
    """
    context = {**restricted(), "runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    del context["readOnlyRootFilesystem"]  # whether a runtime can do with that is the runtime's to say
    predictor: Manifest = {
        "model": {
            "modelFormat": {"name": model_format},
            "storageUri": uri,
            "resources": resources(cpu="1", memory="2Gi", memory_limit="4Gi"),
            "securityContext": context,
        }
    }
    if options.pull_secret:
        predictor = {"imagePullSecrets": [{"name": options.pull_secret}], **predictor}
    if options.server_image:
        predictor["model"]["image"] = options.server_image
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": metadata(options),
        "spec": {"predictor": predictor},
    }


def storage_container(options: ManifestOptions) -> Manifest:
    """The ClusterStorageContainer that has KServe run our initializer for ``kit://``; one for the whole cluster.

    Args:
        options: Names in the cluster. The key is read from its Secret in the namespace of each InferenceService, and
            credentials from the Secret ``kitops-registry`` there, of the type ``kubernetes.io/basic-auth``, if any.
    """
    context = {**restricted(), "runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    container: Manifest = {
        "name": "storage-initializer",
        "image": options.image,
        "command": ["kitops-storage-initializer"],
        "env": _environment(options),
        "resources": resources(cpu="250m", memory="256Mi", memory_limit="512Mi"),
        "securityContext": context,
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    return {
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "ClusterStorageContainer",
        "metadata": {"name": "kitops"},
        "spec": {
            "workloadType": "initContainer",
            "supportsMultiModelDownload": True,
            "container": container,
            "supportedUriFormats": [{"prefix": "kit://"}],
        },
    }


def _environment(options: ManifestOptions) -> list[Manifest]:
    """Variables as the initializer reads them; the pods KServe makes have no volumes of ours that it could mount.

    KServe hands an InferenceService's annotations on to its pods, and there the downward API takes the label from.
    Where there is no such annotation, the variable is empty.
    """
    label = {"fieldRef": {"fieldPath": f"metadata.annotations['{LABEL_ANNOTATION}']"}}
    out: list[Manifest] = [
        {"name": "KITOPS_LABEL", "valueFrom": label},
        _from_secret("KIT_USER", CREDENTIALS_SECRET, "username", optional=True),
        _from_secret("KIT_PASSWORD", CREDENTIALS_SECRET, "password", optional=True),
    ]
    if options.key_secret:
        out.append({"name": "KITOPS_VERIFY_KEY", "value": "env://COSIGN_PUBLIC_KEY"})
        out.append(_from_secret("COSIGN_PUBLIC_KEY", options.key_secret, "cosign.pub"))
    return out


def _from_secret(name: str, secret: str, key: str, *, optional: bool = False) -> Manifest:
    reference = {"name": secret, "key": key, **({"optional": True} if optional else {})}
    return {"name": name, "valueFrom": {"secretKeyRef": reference}}


def format_of(kitfile: Kitfile) -> str:
    """KServe's name of a kit's format, as its model says; ``huggingface`` where it does not."""
    model = kitfile.model
    for said in (model.framework, model.format) if model else ():
        name = _ALIASES.get(said.lower(), said.lower())
        if name in _FORMATS:
            return name
    return "huggingface"
