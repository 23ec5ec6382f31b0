"""Where the nodes of a lineage stand: in columns, the kit rightmost, what it was made from to its left.

The usual four steps (Sugiyama's): break cycles, give each node the column of its longest way to the kit, order each
column by where its neighbours stand so that few lines cross, place. Lines over several columns get a place in each.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kitops_core.lineages.graph import Edge, Graph

WIDTH, HEIGHT = 256, 84
"""Size of a node's card, in pixels."""
_GAP_X, _GAP_Y, _MARGIN = 84, 22, 16
_MANY, _GAP_OF_MANY = 12, 10
"""From so many in a column on they stand closer together."""
_LOWEST_START = 180
"""How far down a column starts beside a taller one: the kit is to be seen without scrolling down to it."""
_PASSING_HEIGHT = 14
_SWEEPS = 8

Point = tuple[float, float]


@dataclass(frozen=True)
class Layout:
    """A drawing, in pixels.

    Attributes:
        width: Its width.
        height: Its height.
        places: A node's id to the left upper corner of its card.
        routes: An edge's points, from the parent's right side to the child's left side, by position in the edges.
    """

    width: float
    height: float
    places: Mapping[str, Point]
    routes: tuple[tuple[Point, ...], ...]


def lay_out(lineage: Graph) -> Layout:
    """Place a lineage's nodes and route its edges."""
    backward = _backward(lineage)
    columns_of = _columns(lineage, backward)
    slots: dict[str, int] = dict(columns_of)
    links: list[tuple[str, str]] = []  # (slot in column n, slot in column n + 1), to the left
    passing: dict[int, list[str]] = {}
    for index, edge in enumerate(lineage.edges):
        if index in backward:
            continue
        chain = [edge.child]
        for column in range(columns_of[edge.child] + 1, columns_of[edge.parent]):
            slots[f"line {index} {column}"] = column
            chain.append(f"line {index} {column}")
        passing[index] = chain[1:]
        chain.append(edge.parent)
        links += itertools.pairwise(chain)
    columns: list[list[str]] = [[] for _ in range(max(slots.values(), default=0) + 1)]
    for slot, column in slots.items():
        columns[column].append(slot)
    _order(columns, links)
    return _place(lineage, columns, set(columns_of), passing)


def _backward(lineage: Graph) -> set[int]:
    """Positions of the edges that close a cycle, found depth first without recursion."""
    outgoing: dict[str, list[tuple[int, str]]] = {node.id: [] for node in lineage.nodes}
    for index, edge in enumerate(lineage.edges):
        outgoing[edge.child].append((index, edge.parent))
    backward: set[int] = set()
    done: set[str] = set()
    for start in sorted(outgoing, key=lambda identity: identity != lineage.root):
        if start in done:
            continue
        path, stack = {start}, [(start, iter(outgoing[start]))]
        while stack:
            identity, rest = stack[-1]
            for index, parent in rest:
                if parent in path:
                    backward.add(index)
                elif parent not in done:
                    path.add(parent)
                    stack.append((parent, iter(outgoing[parent])))
                    break
            else:
                done.add(identity)
                path.discard(identity)
                stack.pop()
    return backward


def _columns(lineage: Graph, backward: set[int]) -> dict[str, int]:
    """A node's column: the length of the longest way from the kit."""
    edges = [edge for index, edge in enumerate(lineage.edges) if index not in backward]
    columns = {node.id: 0 for node in lineage.nodes}
    for _ in lineage.nodes:
        moved = False
        for edge in edges:
            if columns[edge.parent] <= columns[edge.child]:
                columns[edge.parent] = columns[edge.child] + 1
                moved = True
        if not moved:
            break
    return columns


def _order(columns: Sequence[list[str]], links: Sequence[tuple[str, str]]) -> None:
    """Sort each column by the mean place of its neighbours, back and forth."""
    right: dict[str, list[str]] = {}
    left: dict[str, list[str]] = {}
    for near, far in links:
        right.setdefault(far, []).append(near)
        left.setdefault(near, []).append(far)
    spots = {slot: index / len(column) for column in columns for index, slot in enumerate(column)}
    for sweep in range(_SWEEPS):
        neighbours = left if sweep % 2 else right

        def middle(slot: str, near: dict[str, list[str]] = neighbours) -> float:
            around = near.get(slot, [])
            return sum(spots[other] for other in around) / len(around) if around else spots[slot]

        for column in reversed(columns) if sweep % 2 else columns:
            column.sort(key=middle)
            spots.update((slot, index / len(column)) for index, slot in enumerate(column))


def _place(
    lineage: Graph, columns: Sequence[list[str]], cards: set[str], passing: Mapping[int, Sequence[str]]
) -> Layout:
    gaps = [_GAP_OF_MANY if len(column) > _MANY else _GAP_Y for column in columns]
    heights = [
        sum(_height(slot, cards) for slot in column) + gap * (len(column) - 1)
        for column, gap in zip(columns, gaps, strict=True)
    ]
    tallest = max(heights)
    places: dict[str, Point] = {}
    for index, (column, height, gap) in enumerate(zip(columns, heights, gaps, strict=True)):
        x = _MARGIN + (len(columns) - 1 - index) * (WIDTH + _GAP_X)
        y = _MARGIN + min((tallest - height) / 2, _LOWEST_START)
        for slot in column:
            places[slot] = (x, y)
            y += _height(slot, cards) + gap
    width = 2 * _MARGIN + len(columns) * WIDTH + (len(columns) - 1) * _GAP_X
    routes = tuple(_route(edge, places, passing.get(index)) for index, edge in enumerate(lineage.edges))
    return Layout(width, tallest + 2 * _MARGIN, {card: places[card] for card in cards}, routes)


def _route(edge: Edge, places: Mapping[str, Point], passing: Sequence[str] | None) -> tuple[Point, ...]:
    start, end = places[edge.parent], places[edge.child]
    first, last = (start[0] + WIDTH, start[1] + HEIGHT / 2), (end[0], end[1] + HEIGHT / 2)
    between: list[Point] = []
    for slot in reversed(passing or ()):
        x, y = places[slot]
        between += [(x, y + _PASSING_HEIGHT / 2), (x + WIDTH, y + _PASSING_HEIGHT / 2)]
    return (first, *between, last)


def _height(slot: str, cards: set[str]) -> float:
    return HEIGHT if slot in cards else _PASSING_HEIGHT
