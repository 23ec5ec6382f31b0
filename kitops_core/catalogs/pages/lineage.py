"""The page of all kits' lineage: which kits are made from which, and by what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from kitops_core.catalogs.kits import Kit
from kitops_core.catalogs.pages.frame import LINEAGE, badges, frame, kit_link, section
from kitops_core.catalogs.site import Page, Site, kit_page
from kitops_core.lineages.graph import Edge, Graph, Node
from kitops_core.lineages.markup import Child, Markup, element, join
from kitops_core.lineages.page import legend, scroll
from kitops_core.lineages.sections import table
from kitops_core.lineages.svg import drawing
from kitops_core.wording import count_text

_MOST = 1000
"""How many nodes one drawing has at most; more cannot be looked at."""


def lineage_page(site: Site) -> Page:
    """The page."""
    return Page(LINEAGE, [[one.name, [each.fact for each in one.versions]] for one in site.kits], lambda: _render(site))


def _render(site: Site) -> str:
    whole = _whole(site)
    groups = sorted(_groups(whole), key=lambda one: (-len(one.nodes), one.nodes[0].id))
    drawn = [one for one in groups if sum(node.kind == "kit" for node in one.nodes) > 1]
    alone = [node.id for one in groups if one not in drawn for node in one.nodes if node.id in site.by_name]
    pipelines = sum(node.kind == "pipeline" for node in whole.nodes)
    header = element(
        "header",
        element("p", "All kits", class_="over"),
        element("h1", "Lineage"),
        badges((count_text(len(site.kits), "kit"), "plain"), (count_text(pipelines, "pipeline"), "plain")),
    )
    return frame(
        site,
        LINEAGE,
        "Lineage",
        header,
        element("p", "What any version of a kit was made from, and by what, as its evidence says it.", class_="quiet"),
        *(_drawn(site, group, number) for number, group in enumerate(drawn)),
        legend(whole) if drawn else None,
        _alone(site, alone),
    )


def _whole(site: Site) -> Graph:
    """All kits as one graph, a node for each repository, each kit from elsewhere, and each pipeline."""
    nodes: dict[str, Node] = {}
    edges: dict[tuple[str, str], Edge] = {}
    for kit in site.kits:
        if kit.newest is None:
            continue
        newest = site.graph(kit.newest)
        root = newest.node(newest.root)
        nodes[kit.name] = replace(
            root,
            id=kit.name,
            name=kit.reference.repository.rpartition("/")[2],
            version=kit.newest.title,
            reference=kit.name,
            digest="",
        )
        for edge, parent in _edges(site, kit):
            nodes.setdefault(parent.id, parent)
            if parent.id != kit.name:
                best = edges.get((kit.name, parent.id), edge)
                edges[kit.name, parent.id] = max(best, edge, key=lambda one: one.vouched)
    order = sorted(nodes.values(), key=lambda node: node.id not in site.by_name)
    return Graph("", tuple(order), tuple(edges.values()), site.keys)


def _edges(site: Site, kit: Kit) -> Iterator[tuple[Edge, Node]]:
    for version in kit.versions:
        for parent in version.parents:
            found = site.parent(parent.reference)
            name = found.kit.name if found else parent.reference.partition("@")[0]
            node = Node(name, "kit", "not followed", name, name.rpartition("/")[2] or name)
            if found is None or found.kit.newest is not None:
                yield replace(parent.edge, child=kit.name, parent=name), node
        for orchestrator, pipeline in version.pipelines:
            identity = f"pipeline {orchestrator} {pipeline}"
            node = Node(identity, "pipeline", "found", orchestrator, pipeline or orchestrator)
            signed = version.tone == "good"
            yield Edge(kit.name, identity, "build", "provenance", signed, version.standing if signed else ""), node


def _groups(whole: Graph) -> list[Graph]:
    """The parts of a graph that nothing joins, each as a graph."""
    group = {node.id: node.id for node in whole.nodes}

    def top(identity: str) -> str:
        while group[identity] != identity:
            group[identity] = group[group[identity]]
            identity = group[identity]
        return identity

    for edge in whole.edges:
        group[top(edge.parent)] = top(edge.child)
    nodes: dict[str, list[Node]] = {}
    for node in whole.nodes:
        nodes.setdefault(top(node.id), []).append(node)
    edges: dict[str, list[Edge]] = {}
    for edge in whole.edges:
        edges.setdefault(top(edge.child), []).append(edge)
    return [Graph("", tuple(members), tuple(edges.get(name, ())), whole.keys) for name, members in nodes.items()]


def _drawn(site: Site, group: Graph, number: int) -> Markup:
    kits = [node.id for node in group.nodes if node.id in site.by_name]
    names = ", ".join(name.rpartition("/")[2] for name in kits[:3]) + (", …" if len(kits) > 3 else "")
    links = {node.id: kit_page(node.id) if node.id in site.by_name else "" for node in group.nodes}
    if len(group.nodes) > _MOST:
        listed = [join(kit_link("", name), " ") for name in kits]
        return section(names, element("p", f"{len(group.nodes)} nodes are too many to draw."), element("p", *listed))
    says = f"What {names} and their relatives were made from"
    return section(names, scroll(drawing(group, links, says, name=f"graph-{number}"), says))


def _alone(site: Site, names: list[str]) -> Markup | None:
    """The kits that are made from no other, nor any from them: a table says as much as a drawing."""
    if not names:
        return None
    rows: list[list[Child]] = [[kit_link("", name), _makers(site.by_name[name])] for name in sorted(names)]
    return section("Made from no other kit", table(("Kit", "Made by"), rows))


def _makers(kit: Kit) -> Child:
    pipelines = dict.fromkeys(pair for version in kit.versions for pair in version.pipelines)
    if not pipelines:
        return element("span", "nothing says", class_="quiet")
    return join(*(element("p", " ".join(pair).strip()) for pair in pipelines))
