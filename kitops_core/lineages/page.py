"""The page: everything about a kit's lineage in one file that needs nothing else, and can run nothing."""

from __future__ import annotations

import base64
import hashlib

from kitops_core.lineages.graph import Graph, Node
from kitops_core.lineages.markup import Markup, element, join, raw
from kitops_core.lineages.sections import badge, details_of, kit_sections
from kitops_core.lineages.style import STYLE
from kitops_core.lineages.svg import drawing
from kitops_core.lineages.wording import node_standing, title, tone
from kitops_core.wording import count_text, printable, size_text


def page(lineage: Graph) -> str:
    """The page as text. The same lineage gives the same page."""
    root = lineage.node(lineage.root)
    anchors = {node.id: "kit" if node is root else f"node-{index}" for index, node in enumerate(lineage.nodes)}
    others = [node for node in lineage.nodes if node is not root]
    body = element(
        "body",
        _header(root, lineage),
        element(
            "main",
            _graph(lineage, anchors),
            *kit_sections(root, lineage),
            _others(others, lineage, anchors),
        ),
        element("footer", "Written by kitops lineage from what is stored with the kit. ", _trust(lineage)),
    )
    return "<!doctype html>\n" + element("html", _head(title(root)), body, lang="en") + "\n"


def _head(name: str) -> Markup:
    style = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    # Should anything ever slip through the escaping, the browser still neither runs nor fetches it.
    policy = f"default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'"
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", f"{name}: lineage"),
        element("style", raw(STYLE)),
    )


def _header(root: Node, lineage: Graph) -> Markup:
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
        element("p", "ModelKit lineage", class_="over"),
        element(
            "h1", printable(root.name), " ", element("span", root.version, class_="version") if root.version else None
        ),
        element("p", str(package["description"])) if package.get("description") else None,
        element("p", element("code", root.reference), class_="quiet"),
        element("p", "by ", authors, class_="quiet") if authors else None,
        element("ul", *(element("li", fact) for fact in facts if fact), class_="badges"),
        id="kit",
    )


def _graph(lineage: Graph, anchors: dict[str, str]) -> Markup:
    said = "" if lineage.edges else "Nothing says what it was made from."
    said = said if lineage.complete else "More is named than can be shown."
    graph = element(
        "div", drawing(lineage, anchors), class_="scroll", tabindex=0, role="region", aria_label="Lineage graph"
    )
    checked = "no key given verifies" if lineage.keys else "was not checked"
    unsure = f"said by a statement that {checked}, or by a tag that may have moved"
    legend = element(
        "ul",
        element("li", _sample("edge"), "vouched for by the kit's digest or by a key given"),
        element("li", _sample("edge unsure"), unsure),
        class_="legend",
    )
    return element(
        "section",
        element("h2", "Made from"),
        element("p", said, class_="quiet") if said else None,
        graph,
        legend if lineage.edges else None,
        aria_label="Made from",
    )


def _sample(kind: str) -> Markup:
    line = element("path", d="M0 4H34", class_=kind)
    return element("svg", line, width=34, height=8, aria_hidden="true")


def _others(nodes: list[Node], lineage: Graph, anchors: dict[str, str]) -> Markup | None:
    if not nodes:
        return None
    return join(element("h2", "Parents and inputs"), *(details_of(node, lineage, anchors[node.id]) for node in nodes))


def _trust(lineage: Graph) -> str:
    if lineage.keys:
        return f"Signatures were checked with {', '.join(lineage.keys)}."
    return "No key was given, so no signature was checked."
