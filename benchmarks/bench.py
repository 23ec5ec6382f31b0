"""One run of benchmarks: its directory, its registry, its rows; and the commands that are compared."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Command, Side, in_turn, ratio, run

GIB = 1024**3
MIB = 1024**2
KITOPS = str(Path(sys.executable).with_name("kitops"))


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        what: Our work, with its time.
        against: What it is compared with, with its time; empty for a figure that is no ratio.
        measured: The figure with its unit, or why there is none.
        promised: The bound, empty where nothing is promised.
        short: Whether it also stands on the overview.
    """

    what: str
    against: str
    measured: str
    promised: str
    short: bool = False

    def __str__(self) -> str:
        """As a line of a Markdown table."""
        return f"| {self.what} | {self.against} | {self.measured} | {self.promised} |"


class Bench:
    """One run of all benchmarks: where files go, which registry is used, and the rows of the table.

    Attributes:
        work: A directory in memory-backed storage.
        registry: ``host:port``.
        rounds: Measured rounds of each comparison.
        rows: The table so far.
    """

    def __init__(self, work: Path, registry: str, rounds: int) -> None:
        self.work = work
        self.registry = registry
        self.rounds = rounds
        self.rows: list[Row] = []
        self._made: dict[str, Path] = {}
        self._pushed: set[str] = set()

    def source(self, name: str, make: Callable[[Path], Path]) -> Path:
        """A directory to pack, made when it is first asked for, so that each benchmark can run alone."""
        if name not in self._made:
            self._made[name] = make(self.work / name)
        return self._made[name]

    def pushed(self, name: str, source: Path) -> str:
        """A kit in the registry, pushed when it is first asked for; its repository and tag without the registry."""
        if name not in self._pushed:
            run(kitops(self.home("pushed"), "pack", str(source), "-t", f"{self.registry}/{name}:1", "--push"))
            self._pushed.add(name)
        return f"{name}:1"

    def row(
        self,
        what: str,
        against: str,
        measured: float,
        bound: float | None = None,
        unit: str = "",
        *,
        short: bool = False,
    ) -> None:
        """Add a figure, and print it at once."""
        verdict = " **over**" if bound is not None and measured > bound else ""
        promised = "" if bound is None else f"≤ {bound:g}{unit}"
        self._add(Row(what, against, f"{measured:.2f}{unit}{verdict}", promised, short))

    def missing(self, what: str, side: Side, bound: float | None = None, *, short: bool = False) -> None:
        """Say that a comparison was left out, for the program it needs is not on PATH."""
        promised = "" if bound is None else f"≤ {bound:g}"
        self._add(Row(what, side.name, f"not measured: no `{side.needs}` on PATH", promised, short))

    def _add(self, row: Row) -> None:
        self.rows.append(row)
        print(row, flush=True)

    def compare(
        self,
        what: str,
        ours: Side,
        others: list[tuple[Side, float | None]],
        rounds: int | None = None,
        *,
        warm_up: bool = True,
        short: bool = False,
    ) -> None:
        """Measure ours and the others in turn, and add a row for each of them.

        Args:
            what: What is done.
            ours: Our command.
            others: What it is compared with, each with the most that our time by its time may be.
            rounds: Other than all the rounds.
            warm_up: Whether to run each once unmeasured.
            short: Whether the first row also stands on the overview.
        """
        in_turn([ours, *(side for side, _ in others if side.there)], rounds or self.rounds, warm_up=warm_up)
        for side, bound in others:
            self.against(f"{what} ({ours.wall:.2f} s)", ours, side, bound, short=short and side is others[0][0])

    def against(self, what: str, ours: Side, other: Side, bound: float | None, *, short: bool = False) -> None:
        """Add the row of two sides that were measured in turn."""
        if other.there:
            self.row(what, f"{other.name} ({other.wall:.2f} s)", ratio(ours, other), bound, short=short)
        else:
            self.missing(what, other, bound, short=short)

    def processor(self, what: str, ours: Side, other: Side, bound: float) -> None:
        """Add the row of two sides' processor times."""
        times = ratio(ours, other, lambda run: run.cpu)
        self.row(f"{what} ({ours.cpu * 1000:.0f} ms)", f"{other.name} ({other.cpu * 1000:.0f} ms)", times, bound)

    def home(self, name: str) -> Path:
        """An empty store directory."""
        path = self.work / "homes" / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        return path

    def reference(self, name: str, i: int, registry: str = "") -> str:
        """A repository of its own for run ``i``, so that nothing is there already."""
        return f"{registry or self.registry}/{name}-{i}:1"

    def kit(self, name: str, work: str, steps: Callable[[int], tuple[str, ...]], clean: Path | None = None) -> Side:
        """The reference CLI with an empty store for each run: some commands in a row.

        Args:
            name: Of its store directory.
            work: What the commands are called in the table.
            steps: Makes the commands of run number ``i``, each without the program's name.
            clean: A directory to remove before and after each run.
        """
        home = self.work / "homes" / name

        def command(i: int) -> Command:
            return ["sh", "-c", " && ".join(f"kit --progress none --config {home} {step}" for step in steps(i))]

        def before(_: int) -> None:
            self.home(name)
            remove(clean)
            run(["kit", "--config", str(home), "version", "--show-update-notifications=false"])

        return Side(work, command, before, lambda _: remove(clean), needs="kit")


def kitops(home: Path, *arguments: str) -> Command:
    """Our command with a store directory of its own."""
    return [KITOPS, "--config", str(home), *arguments]


def remove(directory: Path | None) -> None:
    """Remove a directory where there is one."""
    if directory is not None:
        shutil.rmtree(directory, ignore_errors=True)


def size_of(directory: Path) -> int:
    """Bytes of all files below a directory."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
