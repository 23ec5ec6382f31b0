"""The JSON schema of ``promotion.yaml``, for editors: ``# yaml-language-server: $schema=promotion.schema.json``.

``python -m kitops_core.promotion.schema`` writes it anew from the models.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SCHEMA_FILE = Path(__file__).with_name("promotion.schema.json")
"""The schema as it is shipped."""


def policy_schema() -> dict[str, Any]:
    """The schema of :class:`~kitops_core.promotion.policy.PromotionPolicy` (JSON Schema draft 2020-12)."""
    from kitops_core.promotion.policy import PromotionPolicy

    schema = PromotionPolicy.model_json_schema(by_alias=True)
    schema["description"] = "The channels a ModelKit goes through, where they are, and what each asks for."
    schema["oneOf"] = [{"required": ["kit"]}, {"required": ["kits"]}]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **{key: _plain(value, key) for key, value in schema.items()},
    }


def schema_text() -> str:
    """The schema as the file has it."""
    return json.dumps(policy_schema(), indent=2, ensure_ascii=False) + "\n"


def _plain(value: Any, key: str = "") -> Any:
    """Without what only Python has: ``None`` where nothing was said, titles made from names, and line breaks."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    if key not in ("properties", "$defs"):
        value = {name: item for name, item in value.items() if name != "title" and not _says_nothing(name, item)}
        if isinstance(value.get("description"), str):
            value["description"] = " ".join(value["description"].split())
        kinds = value.get("anyOf")
        if isinstance(kinds, list) and {"type": "null"} in kinds:
            said = [kind for kind in kinds if kind != {"type": "null"}]
            del value["anyOf"]
            value = {**(said[0] if len(said) == 1 else {"anyOf": said}), **value}
    return {name: _plain(item, name) for name, item in value.items()}


def _says_nothing(key: str, value: Any) -> bool:
    return key == "default" and value in (None, "")


if __name__ == "__main__":
    SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")
