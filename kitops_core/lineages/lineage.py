"""A kit's lineage as a user holds it: the graph, and the ways to show it."""

from __future__ import annotations

from kitops_core.lineages.as_text import tree
from kitops_core.lineages.graph import Graph
from kitops_core.lineages.mermaid import flowchart


class Lineage(Graph):
    """What a kit was made from, and what stands behind it; see :class:`~kitops_core.lineages.graph.Graph`."""

    def to_text(self) -> str:
        """A tree for the terminal."""
        return tree(self)

    def to_mermaid(self) -> str:
        """A Mermaid flowchart, for Markdown."""
        return flowchart(self)

    def to_html(self) -> str:
        """One self-contained page: no script, no font, no request."""
        from kitops_core.lineages.page import page

        return page(self)
