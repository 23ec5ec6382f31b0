"""A kit as a CycloneDX 1.6 document (https://cyclonedx.org/docs/1.6/json/): no serial number and no time in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from kitops_core.evidence.inputs import Input
from kitops_core.evidence.metrics import read_metrics
from kitops_core.evidence.secrets import redact, redact_text
from kitops_core.evidence.slsa_read import read_build
from kitops_core.kits.stored_kit import StoredKit, StoredLayer
from kitops_core.reference import Reference, parse_reference
from kitops_core.sbom.licensing import license_choices

if TYPE_CHECKING:
    from kitops_core.kitfile import Kitfile

_ALGORITHMS = {"sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512", "sha1": "SHA-1", "md5": "MD5"}
_HEX = re.compile(r"[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128}")
_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:[^\s<>\"{}|\\^`]+")
_TASKS = ("pipeline_tag", "task")


def build_bom(
    kit: StoredKit,
    reference: Reference,
    builds: Sequence[Mapping[str, Any]],
    results: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """The document.

    Args:
        kit: The kit.
        reference: Where it is.
        builds: Predicates of the provenance statements that count.
        results: Predicates of the test results that count.
    """
    inputs = [item for predicate in builds for item in read_build(predicate).inputs]
    if named := kit.kitfile.model_reference():
        inputs.append(_kit_of(parse_reference(named)))
    unique = {(item.uri, tuple(sorted(item.digest.items()))): item for item in inputs}
    parents = [item for _, item in sorted(unique.items()) if item.kit is not None]
    data = [item for _, item in sorted(unique.items()) if item.kit is None]
    root = _root(kit, reference)
    layers = [_layer(layer, kit.kitfile) for layer in kit.layers]
    components = [*layers, *_remote_datasets(kit.kitfile), *map(_data_input, data), *map(_parent, parents)]
    if parents:
        root["pedigree"] = {"ancestors": [_without_ref(_parent(parent)) for parent in parents]}
    datasets = [item["bom-ref"] for item in components if item["type"] == "data"]
    if card := _model_card(kit.kitfile, datasets, results):
        root["modelCard"] = card
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": root},
        "components": components,
        "dependencies": [
            {"ref": root["bom-ref"], "dependsOn": sorted({component["bom-ref"] for component in components})},
        ],
    }


def _root(kit: StoredKit, reference: Reference) -> dict[str, Any]:
    package = kit.kitfile.package
    model = kit.kitfile.model
    root: dict[str, Any] = {
        "type": "machine-learning-model" if model is not None else "data",
        "bom-ref": "kit",
        "name": package.name or (model.name if model else "") or _last(reference),
        "version": package.version or (model.version if model else ""),
        "description": package.description or (model.description if model else ""),
        "authors": [{"name": author} for author in package.authors],
        "hashes": _hashes(kit.manifest.digest),
        "licenses": license_choices(package.license or (model.license if model else "")),
        "purl": _purl(reference.with_digest(kit.manifest.digest)),
    }
    facts = {"framework": model.framework, "format": model.format} if model else {}
    root["properties"] = [{"name": f"kitops:{key}", "value": value} for key, value in facts.items() if value]
    return _said_only(root)


def _layer(layer: StoredLayer, kitfile: Kitfile) -> dict[str, Any]:
    """A layer. Its hash is that of the layer as stored, which for most is an archive of the files."""
    entry = layer.entry
    dataset = entry.section == "dataset"
    component: dict[str, Any] = {
        "type": "data" if dataset else "file",
        "bom-ref": entry.address,
        "mime-type": layer.descriptor.media_type,
        "name": entry.path,
        "hashes": _hashes(layer.descriptor.digest),
        "licenses": license_choices(entry.license),
        "properties": [
            {"name": "kitops:section", "value": entry.section},
            {"name": "kitops:size", "value": str(layer.descriptor.size)},
        ],
    }
    if dataset:
        described = kitfile.datasets[int(entry.address.partition("[")[2].rstrip("]"))]
        component["data"] = [_said_only({"type": "dataset", "name": entry.name, "description": described.description})]
    return _said_only(component)


def _remote_datasets(kitfile: Kitfile) -> list[dict[str, Any]]:
    """Datasets that stay where they are."""
    found = []
    for index, dataset in enumerate(kitfile.datasets):
        if not dataset.remote_path:
            continue
        algorithm, _, value = dataset.remote_hash.rpartition(":")
        digest = {algorithm or "sha256": value} if value else {}
        component = _data_component(
            f"datasets[{index}]", dataset.name or dataset.path, Input(dataset.remote_path, digest), dataset.description
        )
        component["licenses"] = license_choices(dataset.license)
        found.append(_said_only(component))
    return found


def _data_input(item: Input) -> dict[str, Any]:
    digest = next(iter(sorted(item.digest.values())), "")
    return _data_component(f"input {redact_text(item.uri)} {digest}".strip(), item.name or item.uri, item)


def _data_component(ref: str, name: str, item: Input, description: str = "") -> dict[str, Any]:
    uri = redact_text(item.uri)
    component: dict[str, Any] = {
        "type": "data",
        "bom-ref": ref,
        "name": redact_text(name),
        "hashes": _digests(item.digest),
        "externalReferences": [{"type": "distribution", "url": uri}] if _URL.fullmatch(uri) else [],
        "data": [_said_only({"type": "dataset", "name": redact_text(name), "description": description})],
    }
    return _said_only(component)


def _parent(item: Input) -> dict[str, Any]:
    reference = item.kit or parse_reference("unknown")
    return _said_only(
        {
            "type": "machine-learning-model",
            "bom-ref": item.uri,
            "name": _last(reference),
            "version": reference.tag,
            "hashes": _hashes(reference.digest) if reference.digest else [],
            "purl": _purl(reference),
        }
    )


def _without_ref(component: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in component.items() if key != "bom-ref"}


def _model_card(kitfile: Kitfile, datasets: Sequence[str], results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What is known of the model; empty where there is none."""
    model = kitfile.model
    if model is None:
        return {}
    parameters = redact(model.parameters) if isinstance(model.parameters, Mapping) else {}
    architectures = parameters.get("architectures")
    about = {
        "task": next((parameters[key] for key in _TASKS if isinstance(parameters.get(key), str)), ""),
        "architectureFamily": parameters.get("model_type") if isinstance(parameters.get("model_type"), str) else "",
        "modelArchitecture": architectures[0]
        if isinstance(architectures, list) and architectures and isinstance(architectures[0], str)
        else "",
        "datasets": [{"ref": ref} for ref in datasets],
    }
    metrics: dict[str, float] = {}
    for predicate in sorted(results, key=lambda predicate: str(predicate.get("time"))):
        metrics |= read_metrics(predicate)  # the latest figure of a name counts
    figures = [{"type": name, "value": f"{value:.12g}"} for name, value in sorted(metrics.items())]
    card = {
        "modelParameters": _said_only(about),
        "quantitativeAnalysis": {"performanceMetrics": figures} if figures else {},
        "properties": [
            {"name": f"kitops:parameter:{name}", "value": value if isinstance(value, str) else _json(value)}
            for name, value in sorted(parameters.items())
        ],
    }
    return _said_only(card)


def _kit_of(reference: Reference) -> Input:
    from kitops_core.evidence.inputs import kit_input

    return kit_input(reference)


def _purl(reference: Reference) -> str:
    """The package URL of an OCI artifact; one of the local store has no place in one."""
    if reference.layout or reference.is_local_name:
        return ""
    name = _last(reference)
    version = f"@{quote(reference.digest, safe='')}" if reference.digest else ""
    where = quote(f"{reference.registry.lower()}/{reference.repository}", safe="")
    tag = f"&tag={quote(reference.tag, safe='')}" if reference.tag else ""
    return f"pkg:oci/{name}{version}?repository_url={where}{tag}"


def _last(reference: Reference) -> str:
    return (reference.repository or reference.layout).rstrip("/").rpartition("/")[2]


def _hashes(digest: str) -> list[dict[str, str]]:
    algorithm, _, value = digest.partition(":")
    return _digests({algorithm: value})


def _digests(digest: Mapping[str, str]) -> list[dict[str, str]]:
    return [
        {"alg": _ALGORITHMS[algorithm], "content": value}
        for algorithm, value in sorted(digest.items())
        if algorithm in _ALGORITHMS and _HEX.fullmatch(value)
    ]


def _json(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _said_only(data: dict[str, Any]) -> dict[str, Any]:
    """Without what is not said: the schema knows no empty texts or lists."""
    return {key: value for key, value in data.items() if value not in ("", [], {}, None)}
