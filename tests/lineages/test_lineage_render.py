"""Lineage drawn: nothing that a kit's author wrote gets out of its place, and every card has one."""

from __future__ import annotations

import re

from html_reader import Reader
from hypothesis import given, settings
from hypothesis import strategies as st
from lineages import HOSTILE, churn, hostile

from kitops_core.lineages.graph import Edge, Node
from kitops_core.lineages.layout import HEIGHT, WIDTH, lay_out
from kitops_core.lineages.lineage import Lineage
from kitops_core.lineages.markup import element, lines, link
from kitops_core.lineages.mermaid import escape
from kitops_core.lineages.svg import fit
from kitops_core.wording import printable

texts = st.text() | st.just(HOSTILE) | st.text("<>\"'&/=!-[]{}()|#;` \n\\ab", min_size=1)
names = "abcdefgh"
graphs = st.lists(st.tuples(st.sampled_from(names), st.sampled_from(names)), max_size=20)


def graph(pairs: list[tuple[str, str]]) -> Lineage:
    nodes = tuple(Node(name, "kit", "found", f"r.example/{name}", name) for name in names)
    return Lineage(
        "a", nodes, tuple(Edge(child, parent, "input", "sha256:1") for child, parent in dict.fromkeys(pairs))
    )


@given(texts, texts)
def test_text_and_attributes_read_back_as_they_are_and_make_no_element(text: str, value: str) -> None:
    read = Reader(element("p", text, title=value))
    assert read.elements == [("p", {"title": printable(value)})]
    assert "".join(read.text) == printable(text)


@given(texts)
def test_lines_keep_their_breaks_and_nothing_else(text: str) -> None:
    read = Reader(element("pre", lines(text)))
    assert [tag for tag, _ in read.elements] == ["pre"]
    assert "".join(read.text) == "\n".join(map(printable, text.splitlines()))


@given(
    texts, st.sampled_from(["javascript:", "data:text/html,", "file:///", " https://", "vbscript:", "//", ""]) | texts
)
def test_only_links_to_the_web_can_be_followed(text: str, url: str) -> None:
    for tag, attributes in Reader(link(text, url)).elements:
        assert tag == "span" or re.match("https?://", attributes["href"] or "", re.IGNORECASE)


@given(texts)
def test_a_mermaid_label_has_no_character_with_a_meaning_and_reads_back(text: str) -> None:
    label = escape(text)
    assert re.fullmatch(r"(?:[A-Za-z0-9 .,:/@-]|#\d+;)*", label)
    assert re.sub(r"#(\d+);", lambda code: chr(int(code[1])), label) == printable(text)


def test_a_mermaid_chart_of_hostile_texts_keeps_its_shape() -> None:
    chart = hostile().to_mermaid().splitlines()
    assert len(chart) == len(churn().to_mermaid().splitlines()) - (7 - 3) - (7 - 3)
    for line in chart[1:7]:
        assert re.fullmatch(r'  n\d(\["[^"<>]*(<br/>[^"<>]*)*"\]:::\w+| (-->|-\.->)\|"[^"<>]*"\| n\d)', line), line


@given(texts)
def test_the_tree_has_one_line_a_node(text: str) -> None:
    node = Node("a", "kit", "missing", text, text, text, problem=text)
    assert Lineage("a", (node,), ()).to_text().count("\n") == 1


@given(graphs)
@settings(max_examples=200)
def test_no_card_covers_another_and_lines_run_from_card_to_card(pairs: list[tuple[str, str]]) -> None:
    lineage = graph(pairs)
    layout = lay_out(lineage)
    places = list(layout.places.values())
    assert len(places) == len(lineage.nodes)
    for index, (x, y) in enumerate(places):
        assert 0 <= x <= layout.width - WIDTH
        assert 0 <= y <= layout.height - HEIGHT
        assert all(abs(x - a) >= WIDTH or abs(y - b) >= HEIGHT for a, b in places[:index])
    for edge, route in zip(lineage.edges, layout.routes, strict=True):
        (parent_x, parent_y), (child_x, child_y) = layout.places[edge.parent], layout.places[edge.child]
        assert route[0] == (parent_x + WIDTH, parent_y + HEIGHT / 2)
        assert route[-1] == (child_x, child_y + HEIGHT / 2)


@given(graphs)
def test_what_a_kit_was_made_from_stands_to_its_left_unless_it_goes_in_circles(pairs: list[tuple[str, str]]) -> None:
    forward = [(child, parent) for child, parent in pairs if child < parent]
    lineage = graph(forward)
    places = lay_out(lineage).places
    assert all(places[edge.parent][0] < places[edge.child][0] for edge in lineage.edges)


@given(graphs)
def test_the_tree_ends_and_names_every_parent_that_is_reached(pairs: list[tuple[str, str]]) -> None:
    lineage = graph(pairs)
    tree = lineage.to_text()
    reached, todo = {"a"}, ["a"]
    while todo:
        for edge in lineage.parents(todo.pop()):
            if edge.parent not in reached:
                reached.add(edge.parent)
                todo.append(edge.parent)
    assert {name for name in names if f"r.example/{name}" in tree} == reached


@given(st.text(), st.integers(2, 30))
def test_text_is_cut_to_its_cells(text: str, cells: int) -> None:
    assert len(fit(text, cells)) <= cells
    assert fit("short", 30) == "short"


def test_names_that_begin_alike_are_told_apart_by_their_ends() -> None:
    assert fit("customer-churn-base-model-1", 15) == "custome…model-1"
    assert fit("顧客離反予測モデル一", 9) == "顧客…ル一"


def test_the_kit_stands_near_the_top_beside_many_parents() -> None:
    ids = ["a", *(f"p{number}" for number in range(30))]
    nodes = tuple(Node(name, "kit", "found", f"r.example/{name}", name) for name in ids)
    layout = lay_out(Lineage("a", nodes, tuple(Edge("a", name, "input") for name in ids[1:])))
    assert layout.places["a"][1] < 200 < layout.height / 4


def test_the_page_is_the_same_for_the_same_lineage() -> None:
    assert churn().to_html() == churn().to_html()


def test_hostile_texts_add_no_element_to_the_page() -> None:
    tags = {tag for tag, _ in Reader(hostile().to_html()).elements}
    assert tags <= {tag for tag, _ in Reader(churn().to_html()).elements}
    assert not tags & {"script", "img", "iframe", "object", "link"}
