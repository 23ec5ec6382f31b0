"""A Kitfile as YAML for people: the format's field order, block style, authors on one line."""

from __future__ import annotations

import re
from typing import Any

import yaml
from pydantic import BaseModel

from kitops_core.kitfile import go_json
from kitops_core.kitfile.fields import own_fields
from kitops_core.kitfile.scalars import resolve

_UNBROKEN = 1 << 30
# Lines of printable text without indentation or trailing spaces: what a block scalar keeps exactly.
_BLOCK = re.compile("(?:[^\\s\x00-\x1f\x7f-\xa0\ufeff\u2028\u2029][^\x00-\x1f\x7f-\xa0\ufeff\u2028\u2029]*\n+)+")
# Unicode line breaks, which YAML 1.1 folds like newlines where they are not escaped.
_BREAKS = re.compile("[\r\x85\u2028\u2029]")


class _Flow(list[Any]):
    """A list written as ``[a, b]``."""


class _Dumper(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def write(kitfile: BaseModel) -> str:
    """A Kitfile's YAML."""
    return yaml.dump(
        _section(kitfile),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=_UNBROKEN,
        default_flow_style=False,
    )


def _section(section: BaseModel) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for field in own_fields(type(section)):
        value = getattr(section, field.attribute)
        if field.kind == "section" and value is not None:
            written = _section(value)
            if written or field.attribute == "model":
                out[field.key] = written
        elif field.kind == "sections" and value:
            out[field.key] = [_section(item) for item in value]
        elif field.kind == "texts" and value:
            out[field.key] = _Flow(value)
        elif (field.kind == "text" and (value or field.always)) or (field.kind == "any" and value is not None):
            out[field.key] = value
    return out


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = None
    if "\n" in text:
        style = "|" if _BLOCK.fullmatch(text.removesuffix("\n") + "\n") and " \n" not in text else '"'
    elif resolve(text).kind != "text" or _BREAKS.search(text):
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _represent_float(dumper: yaml.SafeDumper, value: float) -> yaml.Node:
    digits, exponent, power = go_json.number(value).partition("e")
    text = digits + ("" if "." in digits else ".0") + exponent + power  # YAML 1.1 readers need the point
    return dumper.represent_scalar("tag:yaml.org,2002:float", text)


def _represent_flow(dumper: yaml.SafeDumper, items: _Flow) -> yaml.Node:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=True)


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(float, _represent_float)
_Dumper.add_representer(_Flow, _represent_flow)
