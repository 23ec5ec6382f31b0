"""The model card that a kit gets where no documentation is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kitops_core import Contents


def model_card(contents: Contents, parameters: Mapping[str, Any]) -> str:
    """A README in Markdown: what the kit says of itself, its metrics and its parameters.

    Args:
        contents: The kit's contents.
        parameters: Its parameters as the Kitfile holds them, metrics under ``metrics``.
    """
    facts = {
        "version": contents.version,
        "framework": contents.framework,
        "format": contents.format,
        "license": contents.license,
        "authors": ", ".join(contents.authors),
    }
    sections = [
        f"# {contents.name}\n",
        f"{contents.description}\n" if contents.description else "",
        "".join(f"- {name}: {value}\n" for name, value in facts.items() if value),
        _table("Metrics", parameters.get("metrics", {})),
        _table("Parameters", {name: value for name, value in parameters.items() if name != "metrics"}),
    ]
    return "\n".join(section for section in sections if section)


def _table(title: str, rows: Mapping[str, Any]) -> str:
    if not rows:
        return ""
    lines = "".join(f"| {_cell(name)} | {_cell(value)} |\n" for name, value in sorted(rows.items()))
    return f"## {title}\n\n| name | value |\n|---|---|\n{lines}"


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
