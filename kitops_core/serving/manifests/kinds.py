"""What manifests there are. It imports nothing, so that the command's help is there at once."""

from __future__ import annotations

KINDS = {
    "pack-job": "A Job that packs a volume as a ModelKit and pushes it",
    "promote-cronjob": "A CronJob that promotes what a channel's upstream has",
    "deployment": "A server of your own behind an init container that fetches the model",
    "vllm": "vLLM behind an init container that fetches the model",
    "kserve": "A KServe InferenceService",
    "image-volume": "A Pod that mounts the kit's image as a volume",
}
"""Every kind of manifest, and what it is."""

KSERVE_MODES = {
    "kit": "kit://, fetched by our storage initializer on any KServe",
    "native": "oci+native://, mounted as an image volume",
    "fetch": "oci+fetch://, fetched by KServe's own initializer",
}
"""How KServe can get a kit; all but ``kit`` need the kit's image (``kitops image``)."""
