"""Run benchmarks and print the table: ``python -m benchmarks [--rounds N] [--only NAME]... [--write]``."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from registry_fixture import serve_registry

from benchmarks import airflow, importing, link, loopback, promotion
from benchmarks.bench import GIB, KITOPS, MIB, Bench, Row
from benchmarks.catalog import catalog
from benchmarks.dagster import dagster
from benchmarks.measure import machine
from benchmarks.objects import objects
from benchmarks.prefect import prefect
from benchmarks.shards import shards
from benchmarks.small import small

ROOT = Path(__file__).parents[1]
PAGE, OVERVIEW = ROOT / "docs/performance.md", ROOT / "docs/index.md"
MARKERS = ("<!-- bench:begin -->", "<!-- bench:end -->")
HEAD = ["| what | against | measured | promised |", "|---|---|---|---|"]


def promote(bench: Bench) -> None:
    """Promotions: requests within a registry, memory between two."""
    costs = promotion.within(bench.work / "within", KITOPS, bench.registry, GIB)
    for where, (requests, in_a_row, sent) in costs.items():
        bench.row(f"requests of a promotion, {where}", "", requests, 12)
        bench.row(f"requests in a row of a promotion, {where}", "", in_a_row)
        bench.row(f"layer bytes sent, {where}", "", sent / MIB, 0, " MiB")
    moved = promotion.between(bench.work / "between", KITOPS, bench.registry, GIB)
    bench.row("peak memory, promotion of 1 GiB between registries", "", moved.peak / MIB, 100, " MiB")


def hub_import(bench: Bench) -> None:
    """``import`` from the Hugging Face Hub: memory, and what is written locally."""
    first, again, written = importing.import_to(bench.work, KITOPS, bench.reference("import", 0), 2 * GIB)
    bench.row(f"peak memory, import of 2 GiB ({first.wall:.2f} s)", "", first.peak / MIB, 100, " MiB")
    bench.row("written locally by import", "", written / MIB, 1, " MiB")
    bench.row(f"unchanged import ({again.wall:.2f} s)", f"the first ({first.wall:.2f} s)", again.wall / first.wall, 0.5)


ALL: dict[str, Callable[[Bench], None]] = {
    "link-layers": link.layers,
    "link-layers-back": link.layers_back,
    "link-promote": link.promote,
    "link-promote-index": link.promote_index,
    "link-files": link.files,
    "link-files-back": link.files_back,
    "link-blob": link.blob,
    "link-import": link.hub,
    "link-catalog": catalog,
    "link-shards": shards,
    "start": loopback.start,
    "small": small,
    "push": loopback.push,
    "unpack": loopback.unpack,
    "peers": loopback.peers,
    "many": loopback.many,
    "gzip": loopback.gzip,
    "memory": loopback.memory,
    "promote": promote,
    "import": hub_import,
    "objects": objects,
    "airflow-parse": airflow.parse,
    "airflow-tasks": airflow.tasks,
    "prefect": prefect,
    "dagster": dagster,
}
"""The benchmarks by name; each can be run alone."""


@contextmanager
def workplace() -> Iterator[Path]:
    """A directory in memory-backed storage where there is any, so that no disk is measured."""
    shm = Path("/dev/shm")
    parent = shm if shm.is_dir() and os.access(shm, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="kitops-bench-", dir=parent) as path:
        yield Path(path)


def write(page: Path, lines: list[str]) -> None:
    """Put lines between the markers of a page."""
    text = page.read_text()
    head, _, rest = text.partition(MARKERS[0])
    _, _, tail = rest.partition(MARKERS[1])
    page.write_text(f"{head}{MARKERS[0]}\n" + "\n".join(lines) + f"\n{MARKERS[1]}{tail}")


def table(rows: list[Row]) -> list[str]:
    """Rows as a table in Markdown."""
    return [*HEAD, *map(str, rows)]


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds of each comparison")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--only", action="append", choices=list(ALL), help="only these")
    which.add_argument("--write", action="store_true", help="write the table to the docs")
    arguments = parser.parse_args()
    with workplace() as work, serve_registry() as served:
        bench = Bench(work, served.address, arguments.rounds)
        for name in arguments.only or ALL:
            ALL[name](bench)
    measured = (
        f"Measured on {machine()}, the registry (docker-registry) and all files in memory-backed storage, "
        f"medians of {arguments.rounds} rounds in turn ({link.rounds(bench)} over the link, 1 of the import over it)."
    )
    print("\n" + "\n".join([measured, "", *table(bench.rows)]))
    if arguments.write:
        write(PAGE, [measured, "", *table(bench.rows)])
        write(OVERVIEW, table([row for row in bench.rows if row.short]))


if __name__ == "__main__":
    main()
