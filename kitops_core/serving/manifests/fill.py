"""Kubernetes manifests for one kit: its tag is resolved once, and what they name is pinned to that digest."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from pathlib import Path

from kitops_core.errors import InvalidInputError, NotFoundError
from kitops_core.events import Control, Event
from kitops_core.kits.stored_kit import StoredKit, read_kit
from kitops_core.oci import media_types
from kitops_core.reference import DEFAULT_TAG, Reference, parse_name, parse_reference
from kitops_core.serving.manifests.choices import ManifestOptions
from kitops_core.serving.manifests.jobs import pack_job, promote_cronjob
from kitops_core.serving.manifests.kinds import KINDS, KSERVE_MODES
from kitops_core.serving.manifests.kserve import format_of, inference_service, storage_container
from kitops_core.serving.manifests.pods import Manifest
from kitops_core.serving.manifests.servers import deployment, image_volume, vllm
from kitops_core.serving.vllm import option_arguments
from kitops_core.session import FoundKit, Session

_SPREADING = ("--data-parallel-size", "--pipeline-parallel-size", "--tensor-parallel-size")
"""Options of vLLM that multiply the GPUs it takes."""


@dataclass(frozen=True)
class Promoting:
    """What a promotion's CronJob does.

    Attributes:
        to: The channel.
        schedule: When, as cron writes it.
        policy: The policy, ``promotion.yaml``; by default ``dev`` and ``staging`` of the kit's repository.
    """

    to: str = "staging"
    schedule: str = "17 * * * *"
    policy: Path | None = None


def manifests(
    session: Session,
    kind: str,
    reference: str,
    *,
    options: ManifestOptions | None = None,
    kserve: str = "kit",
    promoting: Promoting | None = None,
) -> list[Manifest]:
    """See :meth:`kitops_core.Client.manifests`."""
    if kind not in KINDS:
        raise InvalidInputError(f"there are no manifests '{kind}'", hint=f"the kinds are {', '.join(KINDS)}")
    if kserve not in KSERVE_MODES:
        raise InvalidInputError(f"'{kserve}' is no way of KServe", hint=f"choose one of {', '.join(KSERVE_MODES)}")
    parsed = parse_reference(reference)
    if parsed.is_local_name or parsed.layout:
        raise InvalidInputError(f"'{reference}' is in no registry that a cluster could reach", hint="name its registry")

    options = options or ManifestOptions()
    last_name = parsed.repository.rpartition("/")[2]
    if kind == "pack-job":
        parse_name(reference)
        if parsed.digest:
            raise InvalidInputError(f"'{reference}' names a digest, and what is packed decides that", hint="name a tag")
        return pack_job(str(parsed.with_tag(parsed.tag or DEFAULT_TAG)), options.named(last_name))
    if kind == "promote-cronjob":
        said = promoting or Promoting()
        return promote_cronjob(_policy(parsed, said), said.to, said.schedule, options.named(last_name))
    found = session.find(parsed, "registry")
    with closing(found.storage):
        if kind == "kserve" and kserve == "fetch":
            _warn_of_basic(found, session.control)
        if kind == "image-volume" or (kind == "kserve" and kserve != "kit"):
            pinned, kit = _image_of(found)
        else:
            pinned, kit = (
                str(found.reference.with_digest(found.manifest.digest)),
                read_kit(found.storage, found.manifest),
            )
    filled = options.named(kit.kitfile.package.name if kit else "", last_name)
    if kind == "image-volume":
        return image_volume(pinned, filled)
    if kind == "kserve":
        model_format = format_of(kit.kitfile) if kit else "huggingface"
        scheme = "kit" if kserve == "kit" else f"oci+{kserve}"
        service = inference_service(f"{scheme}://{pinned}", filled, model_format=model_format)
        return [storage_container(filled), service] if kserve == "kit" else [service]
    size = _size(kit) if kit else 0
    if kind == "deployment" or kit is None:
        return deployment(pinned, filled, size=size)
    return _vllm(pinned, filled, kit, size)


def _policy(kit: Reference, promoting: Promoting) -> str:
    """The text of the policy.

    Raises:
        PolicyError: It cannot be used.
        InvalidInputError: It cannot be read.
        NotFoundError: It has no such channel.
    """
    import yaml

    from kitops_core.promotion.policy_file import load_policy, parse_policy

    if promoting.policy is not None:
        load_policy(promoting.policy).channel(promoting.to)
        return promoting.policy.read_text(encoding="utf-8")
    policy = {"kit": kit.name, "channels": {"dev": {}, promoting.to: {"from": "dev"}}}
    text = yaml.safe_dump(policy, sort_keys=False)
    parse_policy(text, "the policy", base=Path()).channel(promoting.to)
    return text


def _image_of(found: FoundKit) -> tuple[str, StoredKit | None]:
    """The image of a kit, pinned to its digest, and the kit; or the image itself and nothing, where it was named.

    Raises:
        NotFoundError: The kit has no image.
        InvalidInputError: It has several.
    """
    if found.manifest.config.media_type == media_types.IMAGE_CONFIG:
        return str(found.reference.with_digest(found.manifest.digest)), None
    images = found.storage.referrers(found.manifest.digest, media_types.IMAGE_CONFIG)
    if not images:
        raise NotFoundError(f"{found.reference} has no image", hint=f"make it with `kitops image {found.reference}`")
    if len(images) > 1:
        digests = ", ".join(image.digest for image in images)
        raise InvalidInputError(f"{found.reference} has {len(images)} images: {digests}", hint="name one by its digest")
    return str(found.reference.with_digest(images[0].digest)), read_kit(found.storage, found.manifest)


def _warn_of_basic(found: FoundKit, control: Control) -> None:
    """Warn where KServe's own initializer gets a 401, whatever its Secret says.

    kserve-storage 0.21 reads by oras-py, which takes the realm of a Basic challenge for a token service's address.
    """
    from kitops_core.storage.registry.repository import RegistryRepository

    if isinstance(found.storage, RegistryRepository) and found.storage.asks_for == "basic":
        detail = (
            f"{found.reference.registry} asks for a user name and password and gives no tokens, and with those "
            "KServe's own initializer cannot read from it (seen with kserve-storage 0.21): kit:// and oci+native:// can"
        )
        control.emit(Event("warning", str(found.reference), detail=detail))


def _vllm(reference: str, options: ManifestOptions, kit: StoredKit, size: int) -> list[Manifest]:
    """A server of the model as its parameters want it.

    Raises:
        InvalidInputError: A parameter has a value that its option cannot have.
    """
    arguments = option_arguments(kit.kitfile.model.parameters if kit.kitfile.model else None)
    names = [layer.entry.path.rpartition("/")[2] for layer in kit.layers]
    models = [name for name in names if name.lower().endswith(".gguf")]
    file = models[0] if len(models) == 1 and "config.json" not in names else ""
    sizes = [int(value) for flag, value in pairwise(arguments) if flag in _SPREADING and value.isdecimal()]
    return vllm(reference, options, file=file, arguments=arguments, gpus=max(1, prod(sizes)), size=size)


def _size(kit: StoredKit) -> int:
    """Bytes of the model's files; 0 where some are compressed, or belong to another kit."""
    layers = [layer for layer in kit.layers if layer.type.section in ("model", "modelpart")]
    if kit.kitfile.model_reference() or any(layer.type.compression != "none" for layer in layers):
        return 0
    return sum(layer.descriptor.size for layer in layers)
