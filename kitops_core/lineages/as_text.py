"""Lineage as a tree for the terminal."""

from __future__ import annotations

from kitops_core.lineages.graph import Edge, Graph
from kitops_core.lineages.wording import node_standing, standing, title
from kitops_core.wording import printable


def tree(lineage: Graph) -> str:
    """The tree, one line a node. What was shown already is named again, but not what is behind it."""
    lines = [_line(lineage, lineage.root)]
    _branch(lineage, lineage.root, "", (lineage.root,), {lineage.root}, lines)
    if not lineage.complete:
        lines.append("... and more, for too much is named to show it all")
    return "\n".join(lines) + "\n"


def _branch(lineage: Graph, child: str, indent: str, path: tuple[str, ...], shown: set[str], lines: list[str]) -> None:
    edges = lineage.parents(child)
    for edge in edges:
        last = edge is edges[-1]
        again = ""
        if edge.parent in path:
            again = "  (a cycle: the statement that says so cannot be right)"
        elif edge.parent in shown and lineage.parents(edge.parent):
            again = "  (see above)"
        lines.append(f"{indent}{'└── ' if last else '├── '}{_line(lineage, edge.parent, edge)}{again}")
        if not again:
            shown.add(edge.parent)
            _branch(lineage, edge.parent, indent + ("    " if last else "│   "), (*path, edge.parent), shown, lines)


def _line(lineage: Graph, identity: str, edge: Edge | None = None) -> str:
    node = lineage.node(identity)
    parts = [title(node)]
    if edge is not None:
        parts.insert(0, edge.relation)
    if node.reference and node.reference != node.name:
        parts.append(printable(node.reference))
    if node.digest and node.digest not in node.reference and node.kind != "commit":
        parts.append(node.digest)
    parts.append(node_standing(node, lineage))
    if edge is not None and edge.claim:
        parts.append(f"[said by provenance, {standing(edge, lineage)}]")
    elif edge is not None and edge.by_tag:
        parts.append(f"[{standing(edge, lineage)}]")
    if node.problem:
        parts.append(f"({printable(node.problem)})")
    return "  ".join(part for part in parts if part)
