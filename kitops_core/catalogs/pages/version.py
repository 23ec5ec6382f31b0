"""The page of one version: its lineage page, with where it is, what waits, what changed, and what was made from it."""

from __future__ import annotations

from kitops_core.catalogs.kits import Kit, Version
from kitops_core.catalogs.pages.changes import changes
from kitops_core.catalogs.pages.channel_parts import view_inputs, waits
from kitops_core.catalogs.pages.frame import CHANNELS, frame, kit_link, section, up_from, version_link
from kitops_core.catalogs.pages.kit import Compare
from kitops_core.catalogs.site import Page, Placed, Site, version_page
from kitops_core.lineages.markup import Child, Markup, element, join
from kitops_core.lineages.page import graph_section, header, others_section
from kitops_core.lineages.sections import badge, facts_list, kit_sections, table

_USED = ("Kit", "Version", "Signed")


def page_of_version(site: Site, kit: Kit, index: int, compare: Compare) -> Page:
    """The page of the version that stands at ``index`` of its kit, newest first."""
    version = kit.versions[index]
    before = kit.versions[index + 1] if index + 1 < len(kit.versions) else None
    used = site.children(version.digest)
    inputs = [
        kit.name,
        version.digest,
        version.tags,
        site.ancestry(version),
        before.fact if before else "",
        [[one.kit.name, one.version.fact] for one in used],
        [view_inputs(view) for _, view in (*site.channels(kit, version), *site.waits_for(version))],
        len(site.boards) > 0,
    ]
    return Page(
        version_page(kit.name, version.digest),
        inputs,
        lambda: _render(site, Placed(kit, version), before, used, compare),
    )


def _render(site: Site, placed: Placed, before: Version | None, used: list[Placed], compare: Compare) -> str:
    kit, version = placed.kit, placed.version
    path = version_page(kit.name, version.digest)
    up = up_from(path)
    graph, pages = site.family(placed)
    root = graph.node(graph.root)
    inputs = [node for node in graph.nodes if node.id not in pages]
    anchors = {node.id: f"node-{number}" for number, node in enumerate(inputs)}
    links = {node.id: f"#{anchors[node.id]}" for node in inputs}
    links |= {identity: up + version_page(one.kit.name, one.version.digest) for identity, one in pages.items()}
    links[root.id] = "#kit"
    return frame(
        site,
        path,
        f"{kit.reference.repository} {version.title}",
        header(root, graph, "ModelKit index" if version.variants else "ModelKit"),
        _where(site, placed, up),
        *_waiting(site, version, up),
        graph_section(graph, links),
        _since(kit, version, before, up, compare),
        *kit_sections(root, graph),
        _used(used, up),
        others_section("Inputs", inputs, graph, anchors),
    )


def _where(site: Site, placed: Placed, up: str) -> Markup:
    kit, version = placed.kit, placed.version
    channels = [
        element("a", badge(f"{view.state.name} of {board.kit.partition('/')[2]}", "good"), href=up + CHANNELS)
        for board, view in site.channels(kit, version)
    ]
    tags = [join(badge(tag), " ") for tag in version.tags]
    rows: list[tuple[str, Child]] = [
        ("Kit", kit_link(up, kit.name)),
        ("Tags", join(*tags) if tags else "none; kept since it was handed out"),
        ("In channels", join(*channels) if channels else None),
        ("Digest", element("code", version.digest)),
        ("Use it", element("code", f"kitops unpack {kit.name}@{version.digest}")),
    ]
    return section("Where it is", facts_list(rows))


def _waiting(site: Site, version: Version, up: str) -> list[Markup]:
    found = site.waits_for(version)
    return [section("Waits", *(waits(site, view, up) for _, view in found))] if found else []


def _since(kit: Kit, version: Version, before: Version | None, up: str, compare: Compare) -> Markup | None:
    if before is None:
        return None
    diff = compare(kit.name, before.digest, version.digest)
    if diff is None:
        return None
    told = element("p", "Since ", version_link(up, kit, before), f": {diff.summary()}", class_="quiet")
    return section("What changed", told, changes(diff))


def _used(used: list[Placed], up: str) -> Markup | None:
    if not used:
        return None
    rows: list[list[Child]] = [
        [
            kit_link(up, one.kit.name),
            version_link(up, one.kit, one.version),
            badge(one.version.standing, one.version.tone),
        ]
        for one in used
    ]
    return section("What was made from it", table(_USED, rows))
