"""ModelPack configs, and Kitfiles for artifacts that have none: ModelPacks, Docker's models, files pushed by oras."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, cast

from kitops_core.errors import IntegrityError
from kitops_core.kitfile import go_json
from kitops_core.kitfile.data import KitfileData
from kitops_core.kitfile.docker_model import describe_docker, docker_layer_type, docker_paths, is_docker_config
from kitops_core.kitfile.entries import clean_path, is_modelkit_reference
from kitops_core.kitfile.file_kinds import FileKind, file_kind
from kitops_core.kitfile.match import KitView, check_path
from kitops_core.kitfile.model import Code, Dataset, Docs, Kitfile, Model, ModelPart, Package, Prompt
from kitops_core.oci import media_types
from kitops_core.oci.manifest import Descriptor, Manifest
from kitops_core.oci.media_types import Compression, LayerType, Section, parse_layer_type
from kitops_core.reference import is_digest

_OLD_FILEPATH = "org.cnai.model.filepath"
_ORAS_UNPACK = "io.deis.oras.content.unpack"
_FROM_FILE: dict[FileKind, Section] = {
    "model": "model",
    "metadata": "modelpart",
    "dataset": "dataset",
    "docs": "docs",
    "prompt": "prompt",
    "code": "code",
    "unknown": "code",
}


def to_modelpack_config(kitfile: KitfileData, layers_diff_ids: Sequence[str], *, created: str = "") -> bytes:
    """The config of a ModelPack (model-spec v1): descriptor, modelfs, and the model's format.

    Args:
        kitfile: Where name, version, authors, licences and format come from.
        layers_diff_ids: Digests of the layers' uncompressed bytes, in layer order.
        created: RFC 3339 time; left out when empty, so that equal inputs give equal bytes.
    """
    package = kitfile.package
    licenses = {package.get("license", ""), *(entry.get("license", "") for _, _, entry in kitfile.all_entries())} - {""}
    descriptor = {
        "createdAt": created,
        "authors": package.get("authors"),
        "name": package.get("name"),
        "version": package.get("version"),
        "title": package.get("name"),
        "description": package.get("description"),
        "licenses": sorted(licenses),
    }
    config = {
        "descriptor": {key: value for key, value in descriptor.items() if value},
        "modelfs": {"type": "layers", "diffIds": list(layers_diff_ids)},
        "config": {"format": kitfile.model["format"]} if kitfile.model.get("format") else {},
    }
    return go_json.dumps(config).encode()


def view_foreign(manifest: Manifest, config: bytes, where: str) -> KitView:
    """Like :func:`kitops_core.kitfile.view.view`, where there is no Kitfile.

    That is a ModelPack of another tool, a model of Docker Model Runner, or files with titles.

    The first weight is the model, other weights and configs are its parts. A layer's path is its annotation
    ``org.cncf.model.filepath``, or ``org.opencontainers.image.title``; layers with neither are left out.

    Raises:
        IntegrityError: No layer has a path, two have the same, or the config contradicts the manifest.
        UnsafeLayerError: A path is absolute or leads out of the kit.
    """
    is_docker = is_docker_config(manifest.config.media_type)
    is_modelpack = manifest.config.media_type == media_types.MODELPACK_CONFIG
    described = _read_config(config, where) if (is_modelpack or is_docker) and config else {}
    diff_ids = _diff_ids(described, len(manifest.layers), where)
    kitfile = Kitfile(package=_package(described))
    layers: dict[str, Descriptor] = {}
    types: dict[str, LayerType] = {}
    paths: set[str] = set()
    # Read twice, as it is cheap: whether a config is a part or data depends on the weights that may come after it.
    has_weights = any(kind.section == "model" for _, _, _, kind in _named_layers(manifest))
    for index, layer, path, layer_type in _named_layers(manifest):
        check_path(path, f"{where}: layer {index}")
        if path in paths:
            raise IntegrityError(f"{where}: two layers have the path '{path}'")
        paths.add(path)
        section = layer_type.section
        if section == "modelpart" and not (has_weights or is_modelpack or is_docker):
            section = "dataset"
        address, section = _add(kitfile, section, path, layer.digest, diff_ids[index] if diff_ids else "")
        layers[address] = layer
        types[address] = LayerType(section, layer_type.format, layer_type.compression)
    if not layers:
        hint = "a ModelKit, a ModelPack, a model of Docker Model Runner, or files pushed by oras can be read"
        if manifest.subject:
            hint = f"it is attached to {manifest.subject.digest}: name that"
        raise IntegrityError(
            f"{where} is not a ModelKit: its config is {manifest.config.media_type} and its layers have no file names",
            hint=hint,
        )
    if is_docker:
        describe_docker(kitfile, described)
    elif kitfile.model is not None:
        kitfile.model.format = _text(described, "config", "format")
    return KitView(kitfile.data(), layers, types)


def _add(kitfile: Kitfile, section: Section, path: str, digest: str, diff_id: str) -> tuple[str, Section]:
    if section in ("model", "modelpart"):
        if kitfile.model is None:
            kitfile.model = Model()
        # A weight whose name reads as a reference cannot be the model: nobody would look for its layer.
        if section == "model" and not kitfile.model.path and not is_modelkit_reference(path):
            kitfile.model.path, kitfile.model.digest, kitfile.model.diff_id = path, digest, diff_id
            return "model", "model"
        kitfile.model.parts.append(ModelPart(path=path, digest=digest, diff_id=diff_id))
        return f"model.parts[{len(kitfile.model.parts) - 1}]", "modelpart"
    if section == "dataset":
        kitfile.datasets.append(Dataset(path=path, digest=digest, diff_id=diff_id))
        return f"datasets[{len(kitfile.datasets) - 1}]", section
    if section == "docs":
        kitfile.docs.append(Docs(path=path, digest=digest, diff_id=diff_id))
        return f"docs[{len(kitfile.docs) - 1}]", section
    if section == "prompt":
        kitfile.prompts.append(Prompt(path=path, digest=digest, diff_id=diff_id))
        return f"prompts[{len(kitfile.prompts) - 1}]", section
    kitfile.code.append(Code(path=path, digest=digest, diff_id=diff_id))
    return f"code[{len(kitfile.code) - 1}]", "code"


def _named_layers(manifest: Manifest) -> Iterator[tuple[int, Descriptor, str, LayerType]]:
    keys = (media_types.ANNOTATION_FILEPATH, _OLD_FILEPATH, media_types.ANNOTATION_TITLE)
    named = [next(filter(None, map(layer.annotations.get, keys)), "") for layer in manifest.layers]
    for index, (layer, path) in enumerate(zip(manifest.layers, docker_paths(manifest.layers, named), strict=True)):
        if path:
            yield index, layer, clean_path(path), _layer_type(layer, path)


def _layer_type(layer: Descriptor, path: str) -> LayerType:
    known = parse_layer_type(layer.media_type, dict(layer.annotations)) or docker_layer_type(layer.media_type)
    if known is not None:
        return known
    # oras gives plain files any media type, a tar one among them; only a directory it packed says so in an annotation.
    if layer.annotations.get(_ORAS_UNPACK) == "true":
        suffix = layer.media_type.rpartition("+")[2]
        compression = cast(Compression, suffix if suffix in ("gzip", "zstd") else "none")
        if layer.media_type.endswith(".gzip"):
            compression = "gzip"
        return LayerType(_FROM_FILE[file_kind(path)], "tar", compression)
    return LayerType(_FROM_FILE[file_kind(path)], "raw")


def _read_config(config: bytes, where: str) -> dict[str, Any]:
    try:
        data = json.loads(config)
    except (ValueError, RecursionError) as error:
        raise IntegrityError(f"{where}: its config is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise IntegrityError(f"{where}: its config is not a JSON object")
    return data


def _diff_ids(described: dict[str, Any], count: int, where: str) -> list[str]:
    modelfs = described.get("modelfs")
    diff_ids = modelfs.get("diffIds") if isinstance(modelfs, dict) else None
    if diff_ids is None:
        return []
    if not isinstance(diff_ids, list) or not all(isinstance(d, str) and is_digest(d) for d in diff_ids):
        raise IntegrityError(f"{where}: the ModelPack config's diffIds are not digests")
    if len(diff_ids) != count:
        raise IntegrityError(f"{where}: the ModelPack config has {len(diff_ids)} diffIds, the manifest {count} layers")
    return diff_ids


def _package(described: dict[str, Any]) -> Package:
    descriptor = described.get("descriptor")
    values = descriptor if isinstance(descriptor, dict) else {}
    licenses = _texts(values.get("licenses"))
    return Package(
        name=_text(described, "descriptor", "name"),
        version=_text(described, "descriptor", "version"),
        description=_text(described, "descriptor", "description"),
        license=licenses[0] if len(licenses) == 1 else "",
        authors=_texts(values.get("authors")),
    )


def _text(described: dict[str, Any], section: str, key: str) -> str:
    values = described.get(section)
    value = values.get(key) if isinstance(values, dict) else None
    return value if isinstance(value, str) else ""


def _texts(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
