"""YAML text to a tree of nodes that know their lines.

libyaml scans and parses; the tree is built from its events so that nesting is bounded, duplicate keys are seen, and a
scalar keeps its text until something knows what type it should have.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from kitops_core.kitfile.plain_values import MAX_DEPTH

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YamlError(Exception):
    """Text that is not one YAML document of a form a Kitfile can have; ``line`` counts from 1, 0 is unknown."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line
        self.problem = problem


@dataclass(eq=False)
class Node:
    """What all nodes have: the line they start at, and their explicit tag or an empty string."""

    line: int
    tag: str


@dataclass(eq=False)
class ScalarNode(Node):
    """A scalar's text. ``quoted`` also holds for block scalars: they are text whatever they look like."""

    text: str
    quoted: bool


@dataclass(eq=False)
class ListNode(Node):
    """A sequence."""

    items: list[Node] = field(default_factory=list)


@dataclass(eq=False)
class MapNode(Node):
    """A mapping, in the order it was written."""

    pairs: list[tuple[Node, Node]] = field(default_factory=list)


def parse_document(text: str) -> Node | None:
    """The one document in ``text``, or ``None`` where there is nothing.

    Raises:
        YamlError: It is not YAML, has a second document, is nested too deep, or an alias has no anchor.
    """
    try:
        return _Builder().build(yaml.parse(text, Loader=_LOADER))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = ", ".join(part for part in (error.context, error.problem) if part)
        raise YamlError(mark.line + 1 if mark else 0, f"not YAML: {what}") from None
    except yaml.YAMLError as error:
        raise YamlError(0, f"not YAML: {str(error).splitlines()[0]}") from None


class _Builder:
    def __init__(self) -> None:
        self._root: Node | None = None
        self._open: list[Node] = []
        self._keys: list[Node | None] = []
        self._anchors: dict[str, Node] = {}  # an alias is the node itself: whoever expands it counts what comes of it

    def build(self, events: Any) -> Node | None:
        for event in events:
            line = event.start_mark.line + 1
            if isinstance(event, yaml.DocumentStartEvent) and self._root is not None:
                raise YamlError(line, "a second document starts here; there must be only one")
            if isinstance(event, yaml.AliasEvent):
                self._add(self._alias(event.anchor, line))
            elif isinstance(event, yaml.ScalarEvent):
                node = ScalarNode(line, event.tag or "", event.value, bool(event.style))
                self._anchor(event, node)
                self._add(node)
            elif isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
                self._start(event, line)
            elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
                self._keys.pop()
                self._add(self._open.pop())
        return self._root

    def _start(self, event: Any, line: int) -> None:
        if len(self._open) >= MAX_DEPTH:
            raise YamlError(line, f"nested more than {MAX_DEPTH} levels deep")
        kind = ListNode if isinstance(event, yaml.SequenceStartEvent) else MapNode
        node = kind(line, event.tag or "")
        self._anchor(event, node)
        self._open.append(node)
        self._keys.append(None)

    def _anchor(self, event: Any, node: Node) -> None:
        if event.anchor:
            self._anchors[event.anchor] = node

    def _alias(self, name: str | None, line: int) -> Node:
        node = self._anchors.get(name or "")
        if node is None:
            raise YamlError(line, f"the alias '*{name}' has no anchor")
        if any(node is parent for parent in self._open):
            raise YamlError(line, f"the anchor '&{name}' contains itself")
        return node

    def _add(self, node: Node) -> None:
        if not self._open:
            self._root = node
            return
        parent = self._open[-1]
        if isinstance(parent, ListNode):
            parent.items.append(node)
        elif isinstance(parent, MapNode):
            key = self._keys[-1]
            if key is None:
                self._keys[-1] = node
            else:
                parent.pairs.append((key, node))
                self._keys[-1] = None
