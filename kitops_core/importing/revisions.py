"""A repository of the Hub with a quantisation in each branch or tag: which of them are variants, and their labels."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from kitops_core.events import Control
from kitops_core.importing.hub import HubRepository
from kitops_core.importing.hub_kitfile import RemoteStarts
from kitops_core.importing.variants import WEIGHTS, HubVariant, tag_of

OpenRevision = Callable[[str], HubRepository]
"""Opens the repository at a branch or tag; whoever supplies it closes what it opened."""

_FORMATS = ("gptq", "awq", "exl2", "exl3", "aqlm", "hqq", "bnb", "mlx")
_SHORT = ("exl2", "exl3")
"""Formats whose branches are mostly called by the bits alone: ``6_5``, ``4.25``."""

_BITS = re.compile(r"(?<![a-z0-9.])(\d+(?:[._]\d+)?)[-_]?(?:bits?|bpw)(?![a-z0-9])")
_TYPE = re.compile(r"(?<![a-z0-9])(?:int|fp|nf|bf|f|w)([234568]|16|32)(?:a\d+)?(?![a-z0-9])")
_BARE = re.compile(r"(\d)[._](\d{1,2})")
_GROUP = re.compile(r"(?<![a-z0-9])(?:(-1|\d+)g|gs?(\d+))(?![a-z0-9])")
_DEFAULT = "main"
_TYPES = {"bfloat16": "bf16", "float16": "f16", "float32": "f32"}
_CONFIG_BYTES = 1024 * 1024


def revisions_of(hub: HubRepository, open_revision: OpenRevision, control: Control) -> list[HubVariant]:
    """The branches and tags of a repository that are quantisations by their names, and the default branch beside them.

    ``gptq-4bit-32g-actorder_True``, ``4.65bpw-h6``, ``8_0`` in a repository called ``…-exl2``, ``w4a16``, ``fp8``: the
    name is the label ``quantization``, and what it tells of them the labels ``format``, ``bits`` and ``group_size``. Of
    the default branch ``config.json`` tells them. A revision without weights is none, and of several names of one
    commit the first by name counts.

    Args:
        hub: The repository at its default branch.
        open_revision: Opens it at another.
        control: Progress and cancelling.

    Returns:
        The variants, sorted by tag; fewer than two where the names tell no quantisations.

    Raises:
        DeniedError, NotFoundError, RegistryError: The Hub refused or failed.
    """
    named: dict[str, tuple[str, dict[str, Any]]] = {}
    for revision, commit in sorted(hub.revisions(control).items()):
        labels = labels_of(revision, hub.hub_name.name)
        if labels is not None:
            named.setdefault(commit, (revision, labels))
    opened = [(revision, labels, open_revision(revision)) for revision, labels in named.values()]
    if opened and hub.commit not in named:
        opened.append((_DEFAULT, _labels_of_config(hub, control), hub))
    variants = [HubVariant(tag_of(revision), labels, at) for revision, labels, at in opened if _has_weights(at)]
    return sorted(variants, key=lambda one: one.tag)


def labels_of(revision: str, repository: str) -> dict[str, Any] | None:
    """What the name of a branch or tag tells of a quantisation, ``None`` where it tells none.

    Args:
        revision: The branch or tag.
        repository: The name of its repository, which may tell the format.
    """
    text = revision.lower()
    words = {*re.split(r"[^a-z0-9]+", text), *re.split(r"[^a-z0-9]+", repository.lower())}
    kind = next((one for one in _FORMATS if one in words), "")
    found = _BITS.search(text) or _TYPE.search(text)
    bits = found[1].replace("_", ".") if found else ""
    if not bits and kind in _SHORT and (bare := _BARE.fullmatch(text)):
        bits = f"{bare[1]}.{bare[2]}"
    if not bits:
        return None
    group = _GROUP.search(text)
    size = int(group[1] or group[2]) if group else None
    return _labels(text, kind, float(bits), size)


def _labels_of_config(hub: HubRepository, control: Control) -> dict[str, Any]:
    """What the configuration of a revision tells, whose name does not."""
    read = RemoteStarts(hub, control)
    config = _object(read("config.json", _CONFIG_BYTES))
    said = config.get("quantization_config")
    said = said if isinstance(said, dict) else _object(read("quantize_config.json", _CONFIG_BYTES))
    bits, size, kind = said.get("bits"), said.get("group_size"), said.get("quant_method")
    if not isinstance(bits, (int, float)) or isinstance(bits, bool):
        dtype = config.get("dtype") or config.get("torch_dtype")
        return {"quantization": _TYPES.get(dtype, _DEFAULT) if isinstance(dtype, str) else _DEFAULT}
    group = size if isinstance(size, int) else None
    kind = kind if isinstance(kind, str) else next((one for one in _FORMATS if one in hub.hub_name.name.lower()), "")
    return _labels(f"{bits:g}bit" + (f"-{group}g" if group else ""), kind, float(bits), group)


def _labels(quantization: str, kind: str, bits: float, group: int | None) -> dict[str, Any]:
    return {
        **({"format": kind} if kind else {}),
        "quantization": quantization,
        "bits": int(bits) if bits.is_integer() else bits,
        **({"group_size": group} if group is not None else {}),
    }


def _object(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _has_weights(hub: HubRepository) -> bool:
    return any(file.path.endswith(WEIGHTS) for file in hub.files)
