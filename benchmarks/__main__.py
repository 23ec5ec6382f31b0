"""Run every benchmark and print the table: ``python -m benchmarks [--rounds N] [--only NAME] [--readme README.md]``."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from registry_fixture import serve_registry

from benchmarks import floor, importing, promotion, workloads
from benchmarks.measure import Command, Side, in_turn, machine, ratio, run

GIB = 1024**3
MIB = 1024**2
KITOPS = str(Path(sys.executable).with_name("kitops"))
KIT = shutil.which("kit")
MARKERS = ("<!-- bench:begin -->", "<!-- bench:end -->")


class Bench:
    """One run of all benchmarks: where files go, which registry is used, and the rows of the table.

    Attributes:
        work: A directory in memory-backed storage.
        registry: ``host:port``.
        rounds: Measured rounds of each comparison.
        rows: The table so far: what, figure, bound.
    """

    def __init__(self, work: Path, registry: str, rounds: int) -> None:
        self.work = work
        self.registry = registry
        self.rounds = rounds
        self.rows: list[tuple[str, str, str, str]] = []

    def row(self, what: str, against: str, measured: float, bound: float, unit: str = "") -> None:
        """Add a figure, and print it at once."""
        verdict = "" if measured <= bound else " **over**"
        self.rows.append((what, against, f"{measured:.2f}{unit}{verdict}", f"≤ {bound:g}{unit}"))
        print("  ".join(self.rows[-1]), flush=True)

    def compare(self, what: str, ours: Side, others: list[tuple[Side, float]], rounds: int | None = None) -> None:
        """Measure ours and the others in turn, and add a row for each of them."""
        in_turn([ours, *(side for side, _ in others)], rounds or self.rounds)
        for side, bound in others:
            self.row(f"{what} ({ours.wall:.2f} s)", f"{side.name} ({side.wall:.2f} s)", ratio(ours, side), bound)

    def home(self, name: str) -> Path:
        """An empty store directory."""
        path = self.work / "homes" / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        return path

    def reference(self, name: str, i: int) -> str:
        """A repository of its own for run ``i``, so that nothing is there already."""
        return f"{self.registry}/{name}-{i}:1"


def kitops(home: Path, *arguments: str) -> Command:
    """Our command with a store directory of its own."""
    return [KITOPS, "--config", str(home), *arguments]


def kit(home: Path, *scripts: str) -> Command:
    """The reference CLI, one or several commands in a row."""
    commands = " && ".join(f"{KIT} --config {home} {script}" for script in scripts)
    return ["sh", "-c", commands]


def push(bench: Bench) -> None:
    """``pack --push``: big files and small ones."""
    source = workloads.big_and_small(bench.work / "big")
    floor_home = bench.home("floor")
    subprocess.run(kitops(floor_home, "pack", str(source), "-t", "big:1"), check=True, stdout=subprocess.DEVNULL)
    blobs, manifest = exported(bench, floor_home, "big:1")
    home = bench.work / "homes" / "push"
    ours = Side(
        "kitops pack --push",
        lambda i: kitops(home, "pack", str(source), "-t", bench.reference("ours", i), "--push"),
        before=lambda _: bench.home("push") and None,
    )
    curl = Side(
        "curl, digests known, two at a time",
        lambda i: ["sh", "-c", floor.push_script(bench.registry, f"floor-{i}", blobs, manifest)],
    )
    others = [(curl, 1.15)]
    if KIT:
        kit_home = bench.work / "homes" / "kit"
        reference = kit_side(bench, kit_home, source)
        others.append((reference, 0.70))
    bench.compare("pack --push, 1 GiB in 8 files + 2,000 small", ours, others)
    bench.row("written locally by pack --push", "", size_of(home) / MIB, 1, " MiB")
    first = Side("first push", ours.command, before=ours.before)
    again = Side(
        "unchanged push", lambda _: kitops(home, "pack", str(source), "-t", bench.reference("same", 0), "--push")
    )
    run(again.command(0))
    in_turn([again], bench.rounds)
    first.runs = ours.runs
    bench.row(
        f"unchanged pack --push ({again.wall:.2f} s)", f"the first ({first.wall:.2f} s)", ratio(again, first), 0.15
    )
    bench.row("peak memory, pack --push of 1 GiB", "", ours.peak / MIB, 100, " MiB")


def many(bench: Bench) -> None:
    """``pack --push``: 50,000 small files; and their way back."""
    source = workloads.many_small(bench.work / "many", 50_000)
    home = bench.work / "homes" / "many"
    ours = Side(
        "kitops pack --push",
        lambda i: kitops(home, "pack", str(source), "-t", bench.reference("many", i), "--push"),
        before=lambda _: bench.home("many") and None,
    )
    script = Side(
        "tar, sha256sum, curl",
        lambda i: [
            "bash",
            "-c",
            floor.tar_and_push_script(bench.registry, f"many-floor-{i}", source, bench.work / "many-floor"),
        ],
    )
    others = [(script, 1.3)]
    if KIT:
        others.append((kit_side(bench, bench.work / "homes" / "kit-many", source), 0.5))
    bench.compare("pack --push, 50,000 small files", ours, others)
    unpack_from(bench, "50,000 small files", bench.reference("many", 0), f"many-{0}", kit_bound=0.75, floor_bound=None)


def unpack(bench: Bench) -> None:
    """``unpack`` from the registry, verified."""
    unpack_from(bench, "1 GiB", bench.reference("ours", 0), "ours-0", kit_bound=0.60, floor_bound=1.1)


def unpack_from(
    bench: Bench, what: str, reference: str, repository: str, *, kit_bound: float, floor_bound: float | None
) -> None:
    """Unpack one kit by us, by curl with sha256sum and tar, and by the reference CLI."""
    shown = subprocess.run(
        kitops(bench.home("inspect"), "inspect", "--remote", "--json", reference), check=True, capture_output=True
    )
    digests = [layer["digest"] for layer in json.loads(shown.stdout)["manifest"]["layers"]]
    out = bench.work / "out"
    home = bench.home("unpack")

    def clean(_: int) -> None:
        shutil.rmtree(out, ignore_errors=True)

    ours = Side("kitops unpack", lambda _: kitops(home, "unpack", "--remote", reference, "-d", str(out)), clean, clean)
    script = Side(
        "curl, sha256sum, tar x",
        lambda _: ["sh", "-c", floor.pull_script(bench.registry, repository, digests, out)],
        clean,
        clean,
    )
    others = [(script, floor_bound or 1.1)]
    if KIT:
        kit_home = bench.work / "homes" / "kit-unpack"

        def fresh(i: int) -> None:
            clean(i)
            shutil.rmtree(kit_home, ignore_errors=True)

        steps = (f"pull {reference} --plain-http", f"unpack {reference} -d {out} --plain-http")
        others.append((Side("kit pull + kit unpack", lambda _: kit(kit_home, *steps), fresh, fresh), kit_bound))
    bench.compare(f"unpack, verified, {what}", ours, others)


def gzip(bench: Bench) -> None:
    """Compression of JSON lines."""
    source = workloads.json_lines(bench.work / "lines", 300 * 1000 * 1000)
    home = bench.work / "homes" / "gzip"
    ours = Side(
        "kitops pack --compression gzip",
        lambda i: kitops(home, "pack", str(source), "-t", f"lines:{i}", "--compression", "gzip"),
        before=lambda _: bench.home("gzip") and None,
    )
    target = bench.work / "lines.gz"
    plain = Side("gzip -6", lambda _: ["sh", "-c", f"gzip -6 -c {source}/train.jsonl > {target}"])
    others = [(plain, 0.2)]
    if KIT:
        kit_home = bench.work / "homes" / "kit-gzip"
        command = f"pack {source} -t lines:1 --compression gzip"
        others.append((Side("kit pack --compression gzip", lambda _: kit(kit_home, command)), 0.2))
    bench.compare("gzip of 300 MB of JSON lines", ours, others, rounds=min(3, bench.rounds))
    target.unlink()
    shutil.rmtree(source)


def memory(bench: Bench) -> None:
    """Peak memory where size and count grow."""
    holes = workloads.sparse(bench.work / "sparse", 8 * GIB)
    pushed = run(kitops(bench.home("sparse"), "pack", str(holes), "-t", bench.reference("sparse", 0), "--push"))
    bench.row("peak memory, pack --push of 8 GiB", "", pushed.peak / MIB, 100, " MiB")
    files = workloads.many_small(bench.work / "files", 100_000)
    pushed = run(kitops(bench.home("files"), "pack", str(files), "-t", bench.reference("files", 0), "--push"))
    bench.row("peak memory, pack --push of 100,000 files", "", pushed.peak / MIB, 150, " MiB")
    out = bench.work / "out"
    fetched = run(kitops(bench.home("f2"), "unpack", "--remote", bench.reference("files", 0), "-d", str(out)))
    bench.row("peak memory, unpack of 100,000 files", "", fetched.peak / MIB, 150, " MiB")
    shutil.rmtree(out)
    shutil.rmtree(files)


def start(bench: Bench) -> None:
    """Start-up."""
    ours = Side("kitops --help", lambda _: [KITOPS, "--help"])
    bench.compare("kitops --help", ours, [(Side("python -c pass", lambda _: [sys.executable, "-c", "pass"]), 5.0)], 15)


def peers(bench: Bench) -> None:
    """Other tools sending the same files, for orientation: no bound is promised against them."""
    source = bench.work / "big"
    home = bench.work / "homes" / "peers"
    ours = Side(
        "kitops pack --push",
        lambda i: kitops(home, "pack", str(source), "-t", bench.reference("peer", i), "--push"),
        before=lambda _: bench.home("peers") and None,
    )
    script = (
        "import oras.client, sys; "
        "c = oras.client.OrasClient(insecure=True); "
        "c.push(target=sys.argv[1], files=['weights', 'src'], disable_path_validation=True)"
    )
    others = [
        Side(
            "oras-py push, which compresses directories",
            lambda i: ["sh", "-c", f'cd {source} && {sys.executable} -c "{script}" {bench.reference("oraspy", i)}'],
        )
    ]
    if oras := shutil.which("oras"):
        send = f"cd {source} && {oras} push --plain-http"
        others.append(
            Side(
                "oras push, which compresses directories",
                lambda i: ["sh", "-c", f"{send} {bench.reference('oras', i)} weights src"],
            )
        )
    if modctl := shutil.which("modctl"):
        (source / "Modelfile").write_text("NAME big\nMODEL weights/*\nCODE src/*\n")
        build = [modctl, "build", "--output-remote", "--plain-http", str(source), "-t"]
        others.append(Side("modctl build to the registry", lambda i: [*build, bench.reference("modctl", i)]))
    in_turn([ours, *others], 1)  # oras-py compresses whole directories, which takes half a minute
    for side in others:
        print(f"pack --push against {side.name}: {ratio(ours, side):.2f} ({ours.wall:.2f} s, {side.wall:.2f} s)")
        bench.rows.append(
            (
                f"pack --push, 1 GiB ({ours.wall:.2f} s)",
                f"{side.name} ({side.wall:.2f} s)",
                f"{ratio(ours, side):.2f}",
                "",
            )
        )


def promote(bench: Bench) -> None:
    """Promotions: requests within a registry, memory between two."""
    for where, (requests, sent) in promotion.within(bench.work / "within", KITOPS, bench.registry, GIB).items():
        bench.row(f"requests of a promotion, {where}", "", requests, 12)
        bench.row(f"layer bytes sent, {where}", "", sent / MIB, 0, " MiB")
    moved = promotion.between(bench.work / "between", KITOPS, bench.registry, GIB)
    bench.row("peak memory, promotion of 1 GiB between registries", "", moved.peak / MIB, 100, " MiB")


def hub_import(bench: Bench) -> None:
    """``import`` from the Hugging Face Hub: memory, and what is written locally."""
    first, again, written = importing.import_to(bench.work, KITOPS, bench.reference("import", 0), 2 * GIB)
    bench.row(f"peak memory, import of 2 GiB ({first.wall:.2f} s)", "", first.peak / MIB, 100, " MiB")
    bench.row("written locally by import", "", written / MIB, 1, " MiB")
    bench.row(f"unchanged import ({again.wall:.2f} s)", f"the first ({first.wall:.2f} s)", again.wall / first.wall, 0.5)


def airflow(bench: Bench) -> None:
    """What the Airflow provider adds to the reading of a DAG file, in Airflow's own environment."""
    root = Path(__file__).parents[1]
    script = root / "integrations/airflow/benchmarks/parse_time.py"
    command = [str(root / ".venv-airflow/bin/python"), str(script), "--rounds", str(bench.rounds)]
    added = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    bench.row("processor time the Airflow provider adds to reading a DAG file", "", float(added), 60, " ms")


def kit_side(bench: Bench, home: Path, source: Path) -> Side:
    """``kit pack`` and ``kit push``, from an empty store."""

    def steps(i: int) -> Command:
        reference = bench.reference(home.name, i)
        return kit(home, f"pack {source} -t {reference}", f"push {reference} --plain-http")

    return Side("kit pack + kit push", steps, before=lambda _: shutil.rmtree(home, ignore_errors=True))


def exported(bench: Bench, home: Path, reference: str) -> tuple[list[tuple[str, Path]], Path]:
    """The blobs and the manifest of a kit in a store, as files."""
    shown = subprocess.run(kitops(home, "inspect", "--json", reference), check=True, capture_output=True)
    return floor.export_blobs(home, json.loads(shown.stdout)["manifest"], bench.work)


def size_of(directory: Path) -> int:
    """Bytes of all files below a directory."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


ALL: dict[str, Callable[[Bench], None]] = {
    "start": start,
    "push": push,
    "unpack": unpack,
    "peers": peers,
    "many": many,
    "gzip": gzip,
    "memory": memory,
    "promote": promote,
    "import": hub_import,
    "airflow": airflow,
}


@contextmanager
def workplace() -> Iterator[Path]:
    """A directory in memory-backed storage where there is any, so that no disk is measured."""
    shm = Path("/dev/shm")
    parent = shm if shm.is_dir() and os.access(shm, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="kitops-bench-", dir=parent) as path:
        yield Path(path)


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds of each comparison")
    parser.add_argument(
        "--only", action="append", choices=list(ALL), help="only these (push comes before unpack, peers)"
    )
    parser.add_argument("--readme", type=Path, help="write the table between the markers of this file")
    arguments = parser.parse_args()
    with workplace() as work, serve_registry() as served:
        bench = Bench(work, served.address, arguments.rounds)
        for name in arguments.only or ALL:
            ALL[name](bench)
    lines = [
        f"Measured on {machine()}, the registry (docker-registry) and all files in memory-backed storage, "
        f"medians of {arguments.rounds} rounds in turn.",
        "",
        "| what | against | measured | promised |",
        "|---|---|---|---|",
        *("| " + " | ".join(row) + " |" for row in bench.rows),
    ]
    print("\n" + "\n".join(lines))
    if arguments.readme:
        text = arguments.readme.read_text()
        head, _, rest = text.partition(MARKERS[0])
        _, _, tail = rest.partition(MARKERS[1])
        arguments.readme.write_text(f"{head}{MARKERS[0]}\n" + "\n".join(lines) + f"\n{MARKERS[1]}{tail}")


if __name__ == "__main__":
    main()
