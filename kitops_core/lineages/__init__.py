"""Lineage: what a kit was made from, as a graph, a tree, a Mermaid diagram and a page."""
