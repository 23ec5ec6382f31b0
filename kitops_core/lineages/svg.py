"""The lineage drawn: cards and lines, as SVG inside the page."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Mapping

from kitops_core.lineages.graph import Edge, Graph, Node
from kitops_core.lineages.layout import HEIGHT, WIDTH, Layout, Point, lay_out
from kitops_core.lineages.markup import Markup, element, join
from kitops_core.lineages.wording import node_standing, short, standing, title, tone

_KINDS = {"kit": "ModelKit", "data": "Data", "commit": "Commit", "pipeline": "Pipeline"}
_SIGNS = {"good": "✓", "warn": "!", "bad": "✕", "plain": "·"}
_TITLE_CELLS, _DIGEST_CELLS, _STATE_CELLS = 25, 34, 29


def drawing(lineage: Graph, links: Mapping[str, str], says: str, *, name: str = "graph") -> Markup:
    """The graph.

    Args:
        lineage: What to draw.
        links: Where the card of each node leads to; empty where nothing is to be seen.
        says: What the graph shows, for those who do not see it.
        name: Tells it from other drawings on the same page.
    """
    layout = lay_out(lineage)
    tip = f"{name}-tip"
    arrow = element(
        "marker",
        element("path", d="M0 0 8 4 0 8z", class_="tip"),
        id=tip,
        viewBox="0 0 8 8",
        refX=7,
        refY=4,
        markerWidth=8,
        markerHeight=8,
        orient="auto",
    )
    return element(
        "svg",
        element("title", says),
        element("defs", arrow),
        *(_line(edge, layout.routes[index], lineage, tip) for index, edge in enumerate(lineage.edges)),
        *(_card(node, layout, lineage, links[node.id]) for node in lineage.nodes),
        viewBox=f"0 0 {layout.width:g} {layout.height:g}",
        width=f"{layout.width:g}",
        height=f"{layout.height:g}",
        role="group",
        aria_label=says,
    )


def _line(edge: Edge, route: tuple[Point, ...], lineage: Graph, tip: str) -> Markup:
    start = route[0]
    steps = [f"M{start[0]:g} {start[1]:g}"]
    for before, after in itertools.pairwise(route):
        middle = (before[0] + after[0]) / 2
        steps.append(f"C{middle:g} {before[1]:g} {middle:g} {after[1]:g} {after[0]:g} {after[1]:g}")
    said = f"{edge.relation}, {standing(edge, lineage)}"
    return element(
        "g",
        element("title", said),
        element("path", d=" ".join(steps), class_="edge" if edge.vouched else "edge unsure", marker_end=f"url(#{tip})"),
    )


def _card(node: Node, layout: Layout, lineage: Graph, href: str) -> Markup:
    x, y = layout.places[node.id]
    mood = tone(node, lineage)
    state = node_standing(node, lineage)
    what = short(node.digest) if node.kind == "kit" and node.digest else node.reference.removeprefix("https://")
    if what in ("", node.name):
        what = short(node.digest)
    root = " root" if node.id == lineage.root else ""
    text = join(
        element("rect", x=1, y=1, width=WIDTH - 2, height=HEIGHT - 2, rx=10, class_="card"),
        element("rect", x=1, y=14, width=4, height=HEIGHT - 28, rx=2, class_=f"bar {node.kind}"),
        element("text", _KINDS[node.kind], x=16, y=20, class_="kind"),
        element("text", fit(title(node), _TITLE_CELLS), x=16, y=39, class_="name"),
        element("text", fit(what, _DIGEST_CELLS), x=16, y=55, class_="digest"),
        element("text", f"{_SIGNS[mood]} {fit(state, _STATE_CELLS)}", x=16, y=73, class_=f"state {mood}")
        if state
        else None,
    )
    # A nested drawing clips what is in it, whatever the reader's fonts make of its width.
    card = element("svg", text, x=f"{x:g}", y=f"{y:g}", width=WIDTH, height=HEIGHT)
    said = ", ".join(part for part in (_KINDS[node.kind], title(node), state) if part)
    return element("a", element("title", said), card, href=href or None, class_=f"node{root}")


def fit(text: str, cells: int) -> str:
    """``text`` cut to a number of cells, in which wide characters take two.

    It is cut in the middle: names that begin alike differ at their ends.
    """
    if _cells(text) <= cells:
        return text
    end = _start(text[::-1], (cells - 1) // 2)[::-1]
    return f"{_start(text, cells - 1 - _cells(end))}…{end}"


def _start(text: str, cells: int) -> str:
    """As much of the beginning as there is room for."""
    used = 0
    for index, character in enumerate(text):
        used += _cells(character)
        if used > cells:
            return text[:index]
    return text


def _cells(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
