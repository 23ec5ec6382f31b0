"""The page: everything about a kit's lineage in one file that needs nothing else, and can run nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kitops_core.lineages.document import document
from kitops_core.lineages.graph import Graph, Node
from kitops_core.lineages.markup import Markup, element, join
from kitops_core.lineages.sections import badge, details_of, kit_sections
from kitops_core.lineages.svg import drawing
from kitops_core.lineages.wording import node_standing, title, tone
from kitops_core.wording import count_text, printable, size_text


def page(lineage: Graph) -> str:
    """The page as text. The same lineage gives the same page."""
    root = lineage.node(lineage.root)
    anchors = {node.id: "kit" if node is root else f"node-{index}" for index, node in enumerate(lineage.nodes)}
    others = [node for node in lineage.nodes if node is not root]
    body = join(
        header(root, lineage, "ModelKit lineage"),
        element(
            "main",
            graph_section(lineage, {identity: f"#{anchor}" for identity, anchor in anchors.items()}),
            *kit_sections(root, lineage),
            others_section("Parents and inputs", others, lineage, anchors),
        ),
        element("footer", "Written by kitops lineage from what is stored with the kit. ", trust(lineage.keys)),
    )
    return document(f"{title(root)}: lineage", body)


def header(root: Node, lineage: Graph, over: str) -> Markup:
    """Who the page is about; ``over`` says what kind of page it is."""
    kits = sum(node.kind == "kit" for node in lineage.nodes) - 1
    data = sum(node.kind == "data" for node in lineage.nodes)
    package = root.package
    facts = [
        badge(node_standing(root, lineage), tone(root, lineage)),
        badge(str(package["license"])) if package.get("license") else None,
        badge(f"{count_text(len(root.layers), 'layer')}, {size_text(root.size)}"),
        badge(count_text(kits, "parent kit")) if kits else None,
        badge(count_text(data, "data input")) if data else None,
    ]
    authors = ", ".join(str(author) for author in package.get("authors", ()))
    return element(
        "header",
        element("p", over, class_="over"),
        element(
            "h1", printable(root.name), " ", element("span", root.version, class_="version") if root.version else None
        ),
        element("p", str(package["description"])) if package.get("description") else None,
        element("p", element("code", root.reference), class_="quiet"),
        element("p", "by ", authors, class_="quiet") if authors else None,
        element("ul", *(element("li", fact) for fact in facts if fact), class_="badges"),
        id="kit",
    )


def graph_section(lineage: Graph, links: Mapping[str, str]) -> Markup:
    """The drawing, with what its lines mean; ``links`` says where each node leads to."""
    said = "" if lineage.edges else "Nothing says what it was made from."
    said = said if lineage.complete else "More is named than can be shown."
    says = f"What {title(lineage.node(lineage.root))} was made from"
    return element(
        "section",
        element("h2", "Made from"),
        element("p", said, class_="quiet") if said else None,
        scroll(drawing(lineage, links, says), "Lineage graph"),
        legend(lineage) if lineage.edges else None,
        aria_label="Made from",
    )


def scroll(graph: Markup, name: str) -> Markup:
    """A drawing that may be wider than the page, and is moved by itself."""
    return element("div", graph, class_="scroll", tabindex=0, role="region", aria_label=name)


def legend(lineage: Graph) -> Markup:
    """What the lines of a drawing mean."""
    checked = "no key given verifies" if lineage.keys else "was not checked"
    unsure = f"said by a statement that {checked}, or by a tag that may have moved"
    return element(
        "ul",
        element("li", _sample("edge"), "vouched for by the kit's digest or by a key given"),
        element("li", _sample("edge unsure"), unsure),
        class_="legend",
    )


def _sample(kind: str) -> Markup:
    line = element("path", d="M0 4H34", class_=kind)
    return element("svg", line, width=34, height=8, aria_hidden="true")


def others_section(name: str, nodes: Sequence[Node], lineage: Graph, anchors: Mapping[str, str]) -> Markup | None:
    """What else is in a lineage, each folded up; ``None`` where there is nothing."""
    if not nodes:
        return None
    return join(element("h2", name), *(details_of(node, lineage, anchors[node.id]) for node in nodes))


def trust(keys: Sequence[str]) -> str:
    """What signatures were checked with."""
    if keys:
        return f"Signatures were checked with {', '.join(keys)}."
    return "No key was given, so no signature was checked."
