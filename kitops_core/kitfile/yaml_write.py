"""A Kitfile as YAML for people: the format's field order, block style, authors on one line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from kitops_core.kitfile import go_json
from kitops_core.kitfile.fields import KITFILE, Fields
from kitops_core.kitfile.scalars import resolve
from kitops_core.wording import printable

_UNBROKEN = 1 << 30
# Lines of printable text without indentation or trailing spaces: what a block scalar keeps exactly.
_BLOCK = re.compile("(?:[^\\s\x00-\x1f\x7f-\xa0\ufeff\u2028\u2029][^\x00-\x1f\x7f-\xa0\ufeff\u2028\u2029]*\n+)+")


class _Flow(list[Any]):
    """A list written as ``[a, b]``."""


class _Dumper(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def write(values: Mapping[str, Any]) -> str:
    """The YAML of a Kitfile's values by attribute."""
    return write_value(_section(values, KITFILE))


def write_value(value: Any) -> str:
    """The YAML of any part of a Kitfile; what would steer a terminal or hide text is written as escapes."""
    text = yaml.dump(
        value,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=_UNBROKEN,
        default_flow_style=False,
    )
    # All such characters are in double quotes by now, and never behind a backslash of YAML's own.
    return "\n".join(map(printable, text.split("\n")))


def _section(values: Mapping[str, Any], fields: Fields) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for field in fields.own:
        value = values.get(field.attribute)
        if field.section is not None and field.kind == "section":
            written = _section(value, field.section) if value is not None else {}
            if written or (field.attribute == "model" and value is not None):
                out[field.key] = written
        elif field.section is not None:
            if value:
                out[field.key] = [_section(item, field.section) for item in value]
        elif field.kind == "texts":
            if value:
                out[field.key] = _Flow(value)
        elif field.kind == "any":
            if value is not None:
                out[field.key] = value
        elif value or field.always:
            out[field.key] = value or ""
    return out


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = None
    if "\n" in text:
        is_plain = text.replace("\n", "").isprintable()
        style = "|" if is_plain and _BLOCK.fullmatch(text.removesuffix("\n") + "\n") and " \n" not in text else '"'
    elif resolve(text).kind != "text" or not text.isprintable():
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
