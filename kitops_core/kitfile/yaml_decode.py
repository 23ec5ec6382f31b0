"""YAML to the values of a Kitfile, with every problem and its line.

Typed fields take scalars as they are written, so ``version: 1.10`` is the text ``1.10``; free-form values are resolved
(see :mod:`kitops_core.kitfile.scalars`). This is what go-yaml v3 does for the reference.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Sequence
from typing import Any

from kitops_core.errors import KitfileError
from kitops_core.kitfile.fields import Fields, FieldSpec
from kitops_core.kitfile.plain_values import MAX_DEPTH
from kitops_core.kitfile.scalars import Scalar, resolve
from kitops_core.kitfile.yaml_document import read_document, with_lines
from kitops_core.kitfile.yaml_nodes import ListNode, MapNode, Node, ScalarNode, YamlError, parse_document

_MAX_VALUES = 250_000
_TAG = "tag:yaml.org,2002:"


def decode_document(text: str | bytes, section: Fields, where: str) -> dict[str, Any]:
    """The values of a section, by attribute, in YAML ``text``; ``where`` names the text in errors.

    Raises:
        KitfileError: Names every problem, with its line where known.
    """
    root = read_document(text, where, KitfileError, hint="a Kitfile starts with 'manifestVersion: 1.0.0'")
    decoder = Decoder()
    values = decoder.section(root, section, "")
    if decoder.problems:
        raise KitfileError(where, with_lines(decoder.problems))
    return values


def decode_mapping(text: str) -> dict[str, Any]:
    """A free-form YAML mapping, such as a README's front matter; empty where ``text`` is not a clean one."""
    decoder = Decoder()
    try:
        root = parse_document(text)
        value = decoder.free(root, "") if isinstance(root, MapNode) else None
    except YamlError:
        return {}
    return value if isinstance(value, dict) and not decoder.problems else {}


class Decoder:
    """Decodes nodes and collects ``(line, problem)`` instead of stopping at the first; ``what`` names the document."""

    def __init__(self, what: str = "the Kitfile") -> None:
        self._what = what
        self.problems: list[tuple[int, str]] = []
        self._count = 0

    def section(self, node: Node, known: Fields, path: str) -> dict[str, Any]:
        """The fields of a section; ``path`` names it in problems, empty for the Kitfile itself."""
        if not isinstance(node, MapNode):
            self._problem(node, f"{path or self._what} must have named fields, not {_describe(node)}")
            return {}
        fields = {field.key: field for field in known.own}
        values = {}
        for key, value in self._pairs(node, path):
            field = fields.get(key.text)
            if field is None:
                self._unknown(key, path, list(fields))
            elif not _is_null(value):
                values[field.attribute] = self._field(value, field, f"{path}.{key.text}" if path else key.text)
        return values

    def _field(self, node: Node, field: FieldSpec, path: str) -> Any:
        if field.kind == "text":
            return self._text(node, path)
        if field.kind == "any":
            return self.free(node, path)
        if field.kind == "section" and field.section is not None:
            return self.section(node, field.section, path)
        if not isinstance(node, ListNode):
            self._problem(node, f"{path} must be a list, not {_describe(node)}")
            return []
        items = [item for item in node.items if not _is_null(item)]
        if field.section is None:
            return [self._text(item, f"{path}[{index}]") for index, item in enumerate(items)]
        return [self.section(item, field.section, f"{path}[{index}]") for index, item in enumerate(items)]

    def _text(self, node: Node, path: str) -> str:
        if not isinstance(node, ScalarNode):
            self._problem(node, f"{path} must be text, not {_describe(node)}")
            return ""
        if node.tag == _TAG + "binary":
            return str(self._binary(node, path))
        return node.text

    def free(self, node: Node, path: str, depth: int = 0) -> Any:
        """A free-form value. Aliases are expanded, up to a limit on how many values come of it."""
        self._count += 1
        if self._count > _MAX_VALUES or depth > MAX_DEPTH:
            # Said once: where nested aliases multiply, each of millions of values would say it again.
            if self._count == _MAX_VALUES + 1 or depth > MAX_DEPTH:
                self._problem(node, f"{path} has too many values or levels once its aliases are expanded")
            return None
        if isinstance(node, ListNode):
            return [self.free(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(node.items)]
        if isinstance(node, MapNode):
            pairs = self._pairs(node, path)
            return {key.text: self.free(value, f"{path}.{key.text}", depth + 1) for key, value in pairs}
        return self._scalar(node, path) if isinstance(node, ScalarNode) else None

    def _scalar(self, node: ScalarNode, path: str) -> Any:
        if node.tag == _TAG + "binary":
            return self._binary(node, path)
        scalar = self._resolve(node)
        if scalar.kind == "float" and not math.isfinite(scalar.value):
            self._problem(node, f"{path} is {node.text}, which JSON cannot hold")
        return node.text if scalar.kind == "merge" else scalar.value

    def _resolve(self, node: ScalarNode) -> Scalar:
        if node.tag in ("", "!"):
            return Scalar("text", node.text) if node.quoted or node.tag == "!" else resolve(node.text)
        kind = node.tag.removeprefix(_TAG)
        if kind == "str":
            return Scalar("text", node.text)
        scalar = resolve(node.text)
        if kind == "float" and scalar.kind == "int":
            return Scalar("float", float(scalar.value))
        if kind != scalar.kind:
            self._problem(node, f"'{node.text}' is not a {node.tag.replace(_TAG, '!!')}")
        return scalar

    def _binary(self, node: ScalarNode, path: str) -> str:
        try:
            # A Go string holds any bytes; its JSON has the replacement character for those that are not UTF-8.
            return base64.b64decode("".join(node.text.split()), validate=True).decode("utf-8", "replace")
        except (binascii.Error, ValueError):
            self._problem(node, f"{path} is not valid base64")
            return ""

    def _pairs(self, node: MapNode, path: str, depth: int = 0) -> list[tuple[ScalarNode, Node]]:
        """A mapping's pairs with text keys, merge keys resolved: own keys win, then the first merged mapping."""
        own: dict[str, tuple[ScalarNode, Node]] = {}
        merges: list[Node] = []
        for key, value in node.pairs:
            if not isinstance(key, ScalarNode):
                self._problem(key, f"{path or self._what} has a key that is {_describe(key)}, not text")
                continue
            kind = self._resolve(key).kind
            if kind == "merge":
                merges.extend(value.items if isinstance(value, ListNode) else [value])
            elif kind != "text":
                self._problem(key, f"the key {key.text} is not text; write '{key.text}' in quotes")
            elif key.text in own:
                self._problem(key, f"'{key.text}' is there already, at line {own[key.text][0].line}")
            else:
                own[key.text] = (key, value)
        for merged in merges:
            self._count += 1
            if not isinstance(merged, MapNode):
                self._problem(merged, f"'<<' merges mappings, not {_describe(merged)}")
            elif depth >= MAX_DEPTH or self._count > _MAX_VALUES:
                self._problem(merged, f"'<<' merges more than {MAX_DEPTH} levels or {_MAX_VALUES} mappings")
                break
            else:
                for key, value in self._pairs(merged, path, depth + 1):
                    own.setdefault(key.text, (key, value))
        return list(own.values())

    def _unknown(self, key: ScalarNode, path: str, known: Sequence[str]) -> None:
        place = f" in {path}" if path else ""
        folded = {name.lower(): name for name in known}
        from difflib import get_close_matches

        close = get_close_matches(key.text.lower().replace("_", ""), list(folded), 1, 0.6)
        guess = f"; did you mean '{folded[close[0]]}'?" if close else f"; there are {', '.join(known)}"
        self._problem(key, f"unknown field '{key.text}'{place}{guess}")

    def _problem(self, node: Node, text: str) -> None:
        self.problems.append((node.line, text))


def _is_null(node: Node) -> bool:
    if not isinstance(node, ScalarNode) or node.quoted:
        return False
    return node.tag == _TAG + "null" or (not node.tag and resolve(node.text).kind == "null")


def _describe(node: Node) -> str:
    if isinstance(node, ListNode):
        return "a list"
    return "a mapping" if isinstance(node, MapNode) else "a single value"
