"""All that was read, looked up by the pages: who was made from whom, what is in which channel, where each page is."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from kitops_core.catalogs.board import Board, ChannelView
from kitops_core.catalogs.kits import Kit, Version
from kitops_core.lineages.graph import Edge, Graph, Node
from kitops_core.reference import parse_reference

GENERATIONS = 4
"""How far back the graph on a version's page goes; each card leads to a page with more."""
MAX_SHOWN = 80
"""How many nodes a version's graph has at most."""


@dataclass(frozen=True)
class Page:
    """A page to be written.

    Attributes:
        path: Where, below the site's folder.
        inputs: All that it is made from, as values that can be written as JSON.
        render: Makes its text.
    """

    path: str
    inputs: object
    render: Callable[[], str]


@dataclass(frozen=True)
class Placed:
    """A version and the kit it is one of."""

    kit: Kit
    version: Version


class Site:
    """What a catalogue shows.

    Args:
        kits: The kits, sorted by name.
        boards: The channels of the policies.
        graph: Gives the lineage of a version, one step deep.
        keys: Names of the keys that evidence was checked with.
        places: Places that could not be read, each with the reason.
    """

    def __init__(
        self,
        kits: Sequence[Kit],
        boards: Sequence[Board],
        graph: Callable[[Version], Graph],
        keys: Sequence[str],
        places: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.kits = tuple(kits)
        self.boards = tuple(boards)
        self.graph = graph
        self.keys = tuple(keys)
        self._places = tuple(places)

    @property
    def problems(self) -> list[tuple[str, str]]:
        """What could not be read: where, and why."""
        of_kits = [(kit.name, problem) for kit in self.kits for problem in kit.problems]
        boards = [(f"the channels of {board.kit}", board.problem) for board in self.boards if board.problem]
        return [*self._places, *of_kits, *boards]

    # --- looking up --------------------------------------------------------------------------------------------

    @cached_property
    def by_name(self) -> Mapping[str, Kit]:
        """The kits by ``registry/repository``."""
        return {kit.name: kit for kit in self.kits}

    @cached_property
    def _by_digest(self) -> Mapping[str, list[Placed]]:
        found: dict[str, list[Placed]] = {}
        for kit in self.kits:
            for version in kit.versions:
                found.setdefault(version.digest, []).append(Placed(kit, version))
        return found

    def find(self, digest: str, near: str = "") -> Placed | None:
        """A version by its digest: in the kit ``near`` where it is there, else wherever it is."""
        there = self._by_digest.get(digest, [])
        return next((one for one in there if one.kit.name == near), there[0] if there else None)

    def parent(self, reference: str) -> Placed | None:
        """The version that a reference in a kit or its provenance names, if the catalogue has it."""
        named = parse_reference(reference).whole
        if named.digest:
            return self.find(named.digest, named.name)
        kit = self.by_name.get(named.name)
        return self.find(kit.tags.get(named.target, ""), named.name) if kit is not None else None

    @cached_property
    def _children(self) -> Mapping[str, list[Placed]]:
        found: dict[str, list[Placed]] = {}
        for kit in self.kits:
            for version in kit.versions:
                parents = {one.version.digest for parent in version.parents if (one := self.parent(parent.reference))}
                for digest in parents:
                    found.setdefault(digest, []).append(Placed(kit, version))
        return found

    def children(self, digest: str) -> list[Placed]:
        """The versions that were made from one."""
        return self._children.get(digest, [])

    def boards_of(self, kit: Kit) -> Iterator[Board]:
        """The policies whose channels are in a repository."""
        for board in self.boards:
            if board.kit == kit.name or any(view.target.name == kit.name for view in board.channels):
                yield board

    @cached_property
    def _channels(self) -> Mapping[tuple[str, str], list[tuple[Board, ChannelView]]]:
        found: dict[tuple[str, str], list[tuple[Board, ChannelView]]] = {}
        for board in self.boards:
            for view in board.channels:
                found.setdefault((view.target.name, view.state.digest), []).append((board, view))
        return found

    def channels(self, kit: Kit, version: Version) -> list[tuple[Board, ChannelView]]:
        """The channels that have a version of a kit now."""
        return self._channels.get((kit.name, version.digest), [])

    @cached_property
    def _waiting(self) -> Mapping[str, list[tuple[Board, ChannelView]]]:
        found: dict[str, list[tuple[Board, ChannelView]]] = {}
        for board in self.boards:
            for view in board.channels:
                if view.state.waiting:
                    found.setdefault(view.state.waiting, []).append((board, view))
        return found

    def waits_for(self, version: Version) -> list[tuple[Board, ChannelView]]:
        """The channels that a version waits before."""
        return self._waiting.get(version.digest, [])

    @property
    def waiting(self) -> int:
        """How many channels something waits before."""
        return sum(map(len, self._waiting.values()))

    # --- lineage -----------------------------------------------------------------------------------------------

    def family(self, placed: Placed) -> tuple[Graph, dict[str, Placed]]:
        """What a version was made from, some generations back, and which of the nodes are versions with a page."""
        root = self.graph(placed.version)
        nodes: dict[str, Node] = {root.root: root.node(root.root)}
        edges: dict[tuple[str, str], Edge] = {}
        pages = {root.root: placed}
        complete = root.complete
        steps = deque([(placed, root, 0)])
        while steps:
            here, graph, level = steps.popleft()
            references = {node.id: node for node in graph.nodes}
            for edge in graph.parents(graph.root):
                node = references[edge.parent]
                parent = self.parent(node.reference) if node.kind == "kit" else None
                identity = parent.version.digest if parent is not None else node.id
                if identity not in nodes and len(nodes) >= MAX_SHOWN:
                    complete = False
                    continue
                edges.setdefault(
                    (here.version.digest, identity), replace(edge, child=here.version.digest, parent=identity)
                )
                if identity in nodes:
                    continue
                if parent is None:
                    outside = node.kind == "kit"
                    nodes[identity] = replace(node, problem="outside of this catalogue") if outside else node
                    continue
                further = self.graph(parent.version)
                nodes[identity] = further.node(further.root)
                pages[identity] = parent
                if level + 1 < GENERATIONS:
                    steps.append((parent, further, level + 1))
        return Graph(root.root, tuple(nodes.values()), tuple(edges.values()), root.keys, complete), pages

    def ancestry(self, version: Version) -> list[str]:
        """What the graph of a version depends on: the facts of all versions that may be in it."""
        seen: dict[str, str] = {version.digest: version.fact}
        row = [version]
        for _ in range(GENERATIONS):
            parents = [one.version for each in row for named in each.parents if (one := self.parent(named.reference))]
            row = [one for one in parents if one.digest not in seen]
            seen.update((one.digest, one.fact) for one in row)
        return sorted(seen.values())


def kit_path(kit: str) -> str:
    """The folder of a kit's pages: its name, made one that no other kit's can be."""
    return "kits/" + re.sub(r"[/:\[\]]", lambda sign: {"/": "~", ":": "_"}.get(sign[0], "."), kit)


def kit_page(kit: str) -> str:
    """Where a kit's page is, below the site's folder."""
    return f"{kit_path(kit)}/index.html"


def version_page(kit: str, digest: str) -> str:
    """Where a version's page is, below the site's folder."""
    return f"{kit_path(kit)}/{digest.replace(':', '-')}.html"
