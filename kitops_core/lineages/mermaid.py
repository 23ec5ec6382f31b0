"""Lineage as a Mermaid flowchart, which Markdown readers draw."""

from __future__ import annotations

from kitops_core.lineages.graph import Graph, Node
from kitops_core.lineages.wording import node_standing, short, standing, title, tone
from kitops_core.wording import printable

_SHAPES = {"kit": ("[", "]"), "data": ("[(", ")]"), "commit": ("([", "])"), "pipeline": ("[[", "]]")}
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,:/@-")


def flowchart(lineage: Graph) -> str:
    """The chart: what a kit was made from points to it; a line is broken where nobody trusted says so."""
    names = {node.id: f"n{index}" for index, node in enumerate(lineage.nodes)}
    lines = ["flowchart LR"]
    for node in lineage.nodes:
        start, end = _SHAPES[node.kind]
        lines.append(f'  {names[node.id]}{start}"{_label(node, lineage)}"{end}:::{tone(node, lineage)}')
    for edge in lineage.edges:
        arrow = "-->" if edge.vouched else "-.->"
        text = escape(f"{edge.relation}, {standing(edge, lineage)}")
        lines.append(f'  {names[edge.parent]} {arrow}|"{text}"| {names[edge.child]}')
    lines += [
        "  classDef good stroke:#1a7f45,stroke-width:2px",
        "  classDef warn stroke:#9a6700,stroke-width:2px",
        "  classDef bad stroke:#b42318,stroke-width:2px,stroke-dasharray:4 3",
        "  classDef plain stroke:#6b7280",
    ]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """``text`` for the inside of a quoted label: all but plain characters as Mermaid's ``#<code point>;``."""
    return "".join(c if c in _PLAIN else f"#{ord(c)};" for c in printable(text))


def _label(node: Node, lineage: Graph) -> str:
    lines = [title(node), short(node.digest) if node.kind != "commit" else "", node_standing(node, lineage)]
    return "<br/>".join(escape(line) for line in lines if line)
