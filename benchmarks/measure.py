"""Run commands as whole processes, in turn, and compare them pair by pair."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Command = Sequence[str]
"""What to run, without a shell."""


@dataclass(frozen=True)
class Run:
    """One finished process.

    Attributes:
        wall: Seconds from start to end.
        cpu: User and system seconds of the process and the children it waited for.
        peak: The largest resident set, in bytes, of the process itself or one of its children.
    """

    wall: float
    cpu: float
    peak: int


@dataclass
class Side:
    """One of the commands compared.

    Attributes:
        name: For the table.
        command: Makes the command of run number ``i``, so that each run can have its own repository or directory.
        before: Prepares run number ``i``; not timed.
        after: Cleans up after run number ``i``; not timed.
        needs: A program that must be on PATH for it.
        environment: Variables of its process.
        runs: What was measured.
    """

    name: str
    command: Callable[[int], Command]
    before: Callable[[int], None] = lambda _: None
    after: Callable[[int], None] = lambda _: None
    needs: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)

    @property
    def there(self) -> bool:
        """Whether the program that it needs is on PATH."""
        return not self.needs or shutil.which(self.needs) is not None

    @property
    def wall(self) -> float:
        """Median seconds."""
        return statistics.median(run.wall for run in self.runs)

    @property
    def cpu(self) -> float:
        """Median seconds of processor time."""
        return statistics.median(run.cpu for run in self.runs)

    @property
    def peak(self) -> int:
        """The largest resident set of all runs, in bytes."""
        return max(run.peak for run in self.runs)


def run(command: Command, environment: Mapping[str, str] | None = None) -> Run:
    """Run a command to its end; an exit code other than 0 ends the benchmark with what the command said."""
    # Everyone but a few containers has compiled bytecode; the unmeasured first round writes it.
    inherited = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryFile() as output:
        started = time.monotonic()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**inherited, "DO_NOT_TRACK": "1", **(environment or {})},
        )
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:  # whoever interrupts a benchmark wants no command left running
            process.kill()
            process.wait()
            raise
        wall = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            output.seek(0)
            sys.exit(
                f"{' '.join(command)[:300]}\nexited {process.returncode}:\n{output.read().decode(errors='replace')}"
            )
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def in_turn(sides: Sequence[Side], rounds: int, *, warm_up: bool = True) -> None:
    """Run all sides once unmeasured, then ``rounds`` times A B C A B C, so that a slow minute hits all alike.

    Without ``warm_up`` the first round counts too: for runs of a minute, of which start-up is no part.
    """
    for i in range(rounds + warm_up):
        for side in sides:
            side.before(i)
            measured = run(side.command(i), side.environment)
            side.after(i)
            if i or not warm_up:
                side.runs.append(measured)


def ratio(ours: Side, other: Side, figure: Callable[[Run], float] = lambda run: run.wall) -> float:
    """The median, over the rounds, of our figure (seconds) by the other's in the same round."""
    return statistics.median(figure(a) / figure(b) for a, b in zip(ours.runs, other.runs, strict=True))


def machine() -> str:
    """One line about this machine."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        "unknown processor",
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    python = ".".join(map(str, sys.version_info[:3]))
    return f"{os.cpu_count()} x {cpu}, {memory:.0f} GiB, Linux {os.uname().release}, Python {python}"
