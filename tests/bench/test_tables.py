"""What the benchmarks write: a row for each comparison, also for one that could not be made, into the docs."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.__main__ import ALL, MARKERS, OVERVIEW, PAGE, write
from benchmarks.bench import Bench
from benchmarks.measure import Side


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, "127.0.0.1:1", rounds=3)


def side(name: str, needs: str = "") -> Side:
    return Side(name, lambda _: ["true"], needs=needs)


def test_a_row_whose_peer_is_not_on_path_says_so(bench: Bench) -> None:
    bench.compare("work", side("ours"), [(side("other"), 1000), (side("absent", needs="no-such-peer"), 0.5)])
    measured, missing = bench.rows
    assert float(measured.measured) > 0
    assert (missing.against, missing.measured) == ("absent", "not measured: no `no-such-peer` on PATH")
    assert missing.promised == "≤ 0.5"


def test_a_figure_over_its_bound_is_marked(bench: Bench) -> None:
    bench.row("more", "", 2, 1)
    bench.row("less", "", 1, 2)
    bench.row("free", "", 3)
    assert [row.measured for row in bench.rows] == ["2.00 **over**", "1.00", "3.00"]


def test_a_command_that_fails_ends_the_run_with_what_it_said(bench: Bench) -> None:
    failing = Side("broken", lambda _: ["sh", "-c", "echo out of paper; exit 3"])
    with pytest.raises(SystemExit, match="exited 3:\nout of paper"):
        bench.compare("work", failing, [])


def test_a_table_replaces_what_stands_between_the_markers(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{MARKERS[0]}\nold\n{MARKERS[1]}\nafter\n")
    write(page, ["new"])
    assert page.read_text() == f"before\n{MARKERS[0]}\nnew\n{MARKERS[1]}\nafter\n"


@pytest.mark.parametrize("page", [PAGE, OVERVIEW], ids=lambda page: page.name)
def test_the_pages_have_a_table_to_replace(page: Path) -> None:
    text = page.read_text()
    assert [text.count(marker) for marker in MARKERS] == [1, 1]
    assert "| what | against | measured | promised |" in text


def test_the_overview_keeps_five_lines_of_the_table() -> None:
    table = OVERVIEW.read_text().partition(MARKERS[0])[2].partition(MARKERS[1])[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 5
    assert all(row in PAGE.read_text() for row in rows)


def test_every_part_is_named_in_small_letters_and_has_its_words() -> None:
    assert all(name == name.lower() and part.__doc__ for name, part in ALL.items())
