"""The parts of the page that tell about one node."""

from __future__ import annotations

from collections.abc import Sequence

from kitops_core.lineages.graph import Claim, Graph, Node
from kitops_core.lineages.markup import Child, Markup, element, join, lines, link
from kitops_core.lineages.wording import moment, node_standing, short, standing, title, tone
from kitops_core.wording import size_text

Part = tuple[str, Markup]
"""A heading, and what stands under it."""

_KINDS = {"kit": "ModelKit", "data": "Data", "commit": "Commit", "pipeline": "Pipeline"}
_METRIC, _PARAMETER = "metric ", "parameter "
_LABELS = {
    "builder": "Builder",
    "orchestrator": "Orchestrator",
    "pipeline": "Pipeline",
    "deployment": "Deployment",
    "task": "Task",
    "run": "Run",
    "url": "Run page",
    "user": "User",
    "started": "Started",
    "finished": "Finished",
    "repository": "Repository",
    "commit": "Commit",
    "dirty": "Uncommitted changes",
}
_TIMES = ("started", "finished")


def badge(text: str, mood: str = "plain") -> Markup:
    """A word or two in a coloured box."""
    return element("span", text, class_=f"badge {mood}")


def kit_sections(node: Node, lineage: Graph, heading: str = "h2") -> list[Markup]:
    """All that is known of a kit that was read, each part under a heading."""
    parts = [
        _metrics(node, lineage),
        _builds(node, lineage),
        _promotions(node, lineage),
        _evidence(node, lineage),
        _layers(node),
        ("Kitfile", element("pre", lines(node.kitfile))) if node.kitfile else None,
    ]
    return [
        element("section", element(heading, name), content, aria_label=name)
        for name, content in (part for part in parts if part is not None)
    ]


def details_of(node: Node, lineage: Graph, anchor: str) -> Markup:
    """A parent or an input, folded up until somebody asks."""
    state = node_standing(node, lineage)
    summary = element(
        "summary",
        element("h3", title(node)),
        element("span", _KINDS[node.kind], class_="quiet"),
        badge(state, tone(node, lineage)) if state else None,
    )
    rows: list[tuple[str, Child]] = [("Where", link(node.reference, node.reference) if node.reference else None)]
    if node.kind == "commit":
        rows.append(("Commit", element("code", node.version)))
    elif node.digest:
        rows.append(("Digest", element("code", node.digest)))
    rows += [("Why", node.problem), ("Description", str(node.package.get("description", "")))]
    rows += [("Licence", str(node.package.get("license", "")))]
    inside = [facts_list(rows), *(kit_sections(node, lineage, "h4") if node.kind == "kit" else [])]
    # A link to what is inside unfolds it; a link to the whole would not.
    return element("details", summary, element("div", *inside, class_="inside", id=anchor))


def _metrics(node: Node, lineage: Graph) -> Part | None:
    items = [
        element(
            "li",
            element("b", value),
            element("span", name.removeprefix(_METRIC)),
            element("br"),
            element("span", standing(claim, lineage)),
        )
        for claim in node.claims
        for name, value in claim.facts.items()
        if name.startswith(_METRIC)
    ]
    return ("Metrics", element("ul", *items, class_="metrics")) if items else None


def _builds(node: Node, lineage: Graph) -> Part | None:
    lists = []
    for claim in node.claims:
        if claim.kind != "provenance" or not claim.facts:
            continue
        rows: list[tuple[str, Child]] = [("Standing", badge(standing(claim, lineage), _mood(claim)))]
        for name, value in claim.facts.items():
            shown = moment(value) if name in _TIMES else link(value, value)
            rows.append((_LABELS.get(name, name.removeprefix(_PARAMETER)), shown))
        lists.append(facts_list(rows))
    return ("How it was made", join(*lists)) if lists else None


def _promotions(node: Node, lineage: Graph) -> Part | None:
    claims = [claim for claim in node.claims if claim.kind == "promotion"]
    claims.sort(key=lambda claim: claim.facts.get("time", claim.created))
    header = ("When", "Action", "Channel", "To", "By", "Before", "Standing")
    rows: list[list[Child]] = []
    for claim in claims:
        facts = claim.facts
        rows.append(
            [
                when(facts.get("time", "")),
                facts.get("action", ""),
                facts.get("channel", ""),
                element("span", facts.get("to", ""), class_="digest"),
                element("span", facts.get("actor", ""), class_="who"),
                short_code(facts.get("previousDigest", "")),
                badge(standing(claim, lineage), _mood(claim)),
            ]
        )
    return ("Promotions", table(header, rows)) if rows else None


def _evidence(node: Node, lineage: Graph) -> Part | None:
    rows: list[list[Child]] = []
    for claim in node.claims:
        what = claim.predicate_type or claim.artifact_type
        mood = "bad" if claim.problem else _mood(claim)
        rows.append(
            [
                join(claim.kind, element("br"), element("span", what, class_="digest")),
                badge(claim.problem or standing(claim, lineage), mood),
                when(claim.created),
                short_code(claim.digest),
            ]
        )
    return ("Evidence", table(("What", "Standing", "Made", "Referrer"), rows)) if rows else None


def _layers(node: Node) -> Part | None:
    rows: list[list[Child]] = [
        [
            layer.section,
            element("code", layer.path),
            element("span", size_text(layer.size), class_="number"),
            element("code", layer.digest, class_="digest"),
        ]
        for layer in node.layers
    ]
    return ("Layers", table(("Section", "Path", "Size", "Digest"), rows)) if rows else None


def when(time: str) -> Child:
    """A time that is not broken into lines."""
    return element("span", moment(time), class_="whole") if time else ""


def short_code(digest: str) -> Child:
    """The first digits of a digest, with all of them for those who point at it."""
    return element("code", short(digest), title=digest, class_="whole") if digest else ""


def facts_list(rows: Sequence[tuple[str, Child]]) -> Markup:
    """Names and values; what is empty is left out."""
    return element("dl", *(join(element("dt", name), element("dd", value)) for name, value in rows if value))


def table(header: Sequence[str], rows: Sequence[Sequence[Child]]) -> Markup:
    """A table; each cell also has its column's name, for narrow screens that show rows as blocks."""
    return element(
        "table",
        element("thead", element("tr", *(element("th", name, scope="col") for name in header))),
        element(
            "tbody",
            *(
                element(
                    "tr",
                    *(element("td", cell, data_label=name) for name, cell in zip(header, row, strict=True)),
                )
                for row in rows
            ),
        ),
    )


def _mood(claim: Claim) -> str:
    return "good" if claim.signer else "warn"
