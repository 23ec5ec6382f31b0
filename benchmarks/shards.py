"""A kit packed in parts by several workers, each over a connection of its own, and put together by one step."""

from __future__ import annotations

import sys
from pathlib import Path

import kitops_core
from benchmarks.bench import MIB, Bench
from benchmarks.link import kit_pack_push, rounds
from benchmarks.link_proxy import slow_link
from benchmarks.measure import Side, in_turn

SHARDS, SIZE = 16, 8 * MIB
WORKERS = (1, 2, 4)
OF_LINEAR = 0.9


def shards(bench: Bench) -> None:
    """Shards packed by 1, 2 and 4 workers: by how much each further worker shortens it, beside one machine's `kit`."""
    source = bench.source("shards", _make)
    with slow_link(bench.registry) as link:
        sides = [_side(bench, source, link, workers) for workers in WORKERS]
        reference_cli = kit_pack_push(bench, "kit-shards", source, link)
        in_turn([side for side in (*sides, reference_cli) if side.there], rounds(bench))
    what = f"{SHARDS} shards of {SIZE / MIB:g} MiB by"
    for workers, side in zip(WORKERS[1:], sides[1:], strict=True):
        times = side.wall * workers / sides[0].wall
        one = f"1 worker's time ({sides[0].wall:.2f} s) by {workers}"
        bench.row(f"{what} {workers} workers ({side.wall:.2f} s)", one, times, round(1 / OF_LINEAR, 2))
    bench.against(f"{what} {WORKERS[-1]} workers ({sides[-1].wall:.2f} s)", sides[-1], reference_cli, None)


def _make(root: Path) -> Path:
    root.mkdir(parents=True)
    block = kitops_core.__doc__.encode() if kitops_core.__doc__ else b"shard"
    entries = ""
    for number in range(SHARDS):
        name = f"shard-{number:03}.bin"
        with (root / name).open("wb") as file:
            for piece in range(SIZE // MIB or 1):
                line = b"%d %d " % (number, piece) + block
                file.write((line * (MIB // len(line) + 1))[: min(MIB, SIZE)])
        entries += f"  - {{name: shard {number}, path: {name}}}\n"
    (root / "Kitfile").write_text(f"manifestVersion: 1.0.0\npackage: {{name: shards}}\ndatasets:\n{entries}")
    return root


def _side(bench: Bench, source: Path, link: str, workers: int) -> Side:
    def command(i: int) -> list[str]:
        name, stores = bench.reference(f"shards-{workers}", i, link), bench.home(f"shards-{workers}")
        return [sys.executable, "-m", "benchmarks.shard_workers", str(source), name, str(workers), str(stores)]

    return Side(f"{workers} workers", command)
