"""Models packaged by Docker Model Runner (``application/vnd.docker.ai.*``): what its layers and its config say.

Newer ones name each file in an annotation, as ModelPacks do; older ones leave it to the reader what to call them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kitops_core.oci.manifest import Descriptor
from kitops_core.oci.media_types import LayerType

if TYPE_CHECKING:
    from kitops_core.kitfile.model import Kitfile

_PREFIX = "application/vnd.docker.ai."
_CONFIG = re.compile(r"application/vnd\.docker\.ai\.model\.config\.v\d+(?:\.\d+)*\+json")
_LAYERS: dict[str, tuple[LayerType, str]] = {
    "gguf.v3": (LayerType("model", "raw"), "model.gguf"),
    "model.file.v1+gguf": (LayerType("model", "raw"), "model.gguf"),
    "safetensors": (LayerType("model", "raw"), "model.safetensors"),
    "safetensors.v1": (LayerType("model", "raw"), "model.safetensors"),
    "dduf": (LayerType("model", "raw"), "model.dduf"),
    "mmproj": (LayerType("modelpart", "raw"), "mmproj.gguf"),
    "chat.template.jinja": (LayerType("modelpart", "raw"), "chat_template.jinja"),
    "license": (LayerType("docs", "raw"), "LICENSE"),
    "vllm.config.tar": (LayerType("modelpart", "tar"), "."),  # its files lie beside the weights
    "dir.tar": (LayerType("modelpart", "tar"), "files"),
}
_FACTS = ("architecture", "quantization", "parameters", "size", "context_size")
_FRAMEWORKS = {"gguf": "llama.cpp", "diffusers": "diffusers"}


def is_docker_config(media_type: str) -> bool:
    """Whether a config is that of Docker Model Runner."""
    return _CONFIG.fullmatch(media_type) is not None


def docker_layer_type(media_type: str) -> LayerType | None:
    """What a layer of Docker Model Runner holds; ``None`` for any other media type."""
    known = _LAYERS.get(media_type.removeprefix(_PREFIX)) if media_type.startswith(_PREFIX) else None
    return known[0] if known else None


def docker_paths(layers: Sequence[Descriptor], named: Sequence[str]) -> list[str]:
    """The path of each layer: what names it, or what its media type suggests; an empty string where nothing does.

    Several weights without names are shards, in their order.

    Args:
        layers: All layers.
        named: What annotations call each; empty where none does.
    """
    defaults = [_LAYERS.get(layer.media_type.removeprefix(_PREFIX), (None, ""))[1] for layer in layers]
    defaults = [
        path if layer.media_type.startswith(_PREFIX) else "" for path, layer in zip(defaults, layers, strict=True)
    ]
    unnamed = Counter(path for path, name in zip(defaults, named, strict=True) if not name)
    seen: Counter[str] = Counter()
    paths = []
    for layer, name, default in zip(layers, named, defaults, strict=True):
        kind = docker_layer_type(layer.media_type)
        if kind is not None and kind.format == "tar":
            paths.append(default if default == "." else (name or default).removesuffix(".tar"))
        elif name or unnamed[default] == 1:
            paths.append(name or default)
        else:
            seen[default] += 1
            paths.append(_numbered(default, seen[default], unnamed[default], kind))
    return paths


def describe_docker(kitfile: Kitfile, described: Mapping[str, Any]) -> None:
    """Put what the config says into the Kitfile."""
    config = described.get("config")
    values: Mapping[str, Any] = config if isinstance(config, Mapping) else {}
    gguf = values.get("gguf")
    general: Mapping[str, Any] = gguf if isinstance(gguf, Mapping) else {}
    kitfile.package.name = _text(general, "general.name")
    if kitfile.model is None:
        return
    kitfile.model.format = _text(values, "format")
    kitfile.model.framework = _FRAMEWORKS.get(kitfile.model.format, "")
    kitfile.model.license = _text(general, "general.license")
    facts = {key: values[key] for key in _FACTS if isinstance(values.get(key), (str, int)) and values[key]}
    kitfile.model.parameters = facts or None


def _numbered(path: str, number: int, count: int, kind: LayerType | None) -> str:
    if not path:
        return ""
    stem, dot, suffix = path.partition(".")
    if kind is not None and kind.section == "model":
        return f"{stem}-{number:05}-of-{count:05}{dot}{suffix}"
    return path if number == 1 else f"{stem}-{number}{dot}{suffix}"


def _text(values: Mapping[str, Any], key: str) -> str:
    value = values.get(key)
    return value if isinstance(value, str) else ""
