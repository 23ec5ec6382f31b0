"""What the engine itself costs: a registry on the loopback interface, which has no bandwidth and no round trip."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks import floor, workloads
from benchmarks.bench import GIB, KITOPS, MIB, Bench, kitops, remove, size_of
from benchmarks.measure import Side, in_turn, run


def start(bench: Bench) -> None:
    """Start-up."""
    ours = Side("kitops --help", lambda _: [KITOPS, "--help"])
    bench.compare("kitops --help", ours, [(Side("python -c pass", lambda _: [sys.executable, "-c", "pass"]), 5.0)], 15)


def push(bench: Bench) -> None:
    """``pack --push``: big files and small ones."""
    source = bench.source("big", workloads.big_and_small)
    floor_home = bench.home("floor")
    run(kitops(floor_home, "pack", str(source), "-t", "big:1"))
    blobs, manifest = exported(bench, floor_home, "big:1")
    ours = pack_push(bench, "ours", source)
    curl = Side(
        "curl, digests known, two at a time",
        lambda i: ["sh", "-c", floor.push_script(bench.registry, f"floor-{i}", blobs, manifest)],
    )
    others = [(kit_pack_push(bench, "kit", source), 0.70), (curl, 1.12)]
    bench.compare("pack --push, 1 GiB in 8 files + 2,000 small", ours, others, short=True)
    home = bench.work / "homes" / "ours"
    bench.row("written locally by pack --push", "", size_of(home) / MIB, 1, " MiB")
    first = Side("the first", ours.command, runs=ours.runs)
    again = Side("unchanged", lambda _: kitops(home, "pack", str(source), "-t", bench.reference("same", 0), "--push"))
    run(again.command(0))
    in_turn([again], bench.rounds)
    bench.against(f"unchanged pack --push ({again.wall:.2f} s)", again, first, 0.15)
    bench.row("peak memory, pack --push of 1 GiB", "", ours.peak / MIB, 100, " MiB")
    remove(floor_home)


def unpack(bench: Bench) -> None:
    """``unpack`` from the registry, verified."""
    kit = bench.pushed("big", bench.source("big", workloads.big_and_small))
    ours = unpack_from(bench, "1 GiB", kit, kit_bound=0.60, short=True)
    bench.row("peak memory, unpack of 1 GiB", "", ours.peak / MIB, 150, " MiB")


def many(bench: Bench) -> None:
    """``pack --push``: 50,000 small files; and their way back."""
    source = bench.source("many", lambda root: workloads.many_small(root, 50_000))
    tar = floor.tar_and_push_script
    script = Side(
        "tar, sha256sum, curl",
        lambda i: ["bash", "-c", tar(bench.registry, f"many-floor-{i}", source, bench.work / "many-floor")],
    )
    ours = pack_push(bench, "many", source)
    bench.compare(
        "pack --push, 50,000 small files", ours, [(script, 1.3), (kit_pack_push(bench, "kit-many", source), 0.5)]
    )
    unpack_from(bench, "50,000 small files", bench.pushed("many", source), kit_bound=0.75)


def pack_push(bench: Bench, name: str, source: Path) -> Side:
    """``kitops pack --push`` from an empty store, to a repository of its own each time."""
    home = bench.work / "homes" / name
    return Side(
        "kitops pack --push",
        lambda i: kitops(home, "pack", str(source), "-t", bench.reference(name, i), "--push"),
        before=lambda _: bench.home(name) and None,
    )


def kit_pack_push(bench: Bench, name: str, source: Path) -> Side:
    """``kit pack`` and ``kit push`` from an empty store, to a repository of its own each time."""

    def steps(i: int) -> tuple[str, ...]:
        reference = bench.reference(name, i)
        return f"pack {source} -t {reference}", f"push {reference} --plain-http"

    return bench.kit(name, "kit pack + kit push", steps)


def unpack_from(bench: Bench, what: str, kit: str, *, kit_bound: float, short: bool = False) -> Side:
    """Unpack one kit by us, by curl with sha256sum and tar, and by the reference CLI."""
    reference = f"{bench.registry}/{kit}"
    shown = subprocess.run(
        kitops(bench.home("inspect"), "inspect", "--remote", "--json", reference), check=True, capture_output=True
    )
    digests = [layer["digest"] for layer in json.loads(shown.stdout)["manifest"]["layers"]]
    out = bench.work / "out"
    home = bench.home("unpack")

    def clean(_: int) -> None:
        remove(out)

    ours = Side("kitops unpack", lambda _: kitops(home, "unpack", "--remote", reference, "-d", str(out)), clean, clean)
    repository = kit.partition(":")[0]
    script = Side(
        "curl, sha256sum, tar x",
        lambda _: ["sh", "-c", floor.pull_script(bench.registry, repository, digests, out)],
        clean,
        clean,
    )
    steps = (f"pull {reference} --plain-http", f"unpack {reference} -d {out} --plain-http")
    reference_cli = bench.kit("kit-unpack", "kit pull + kit unpack", lambda _: steps, out)
    bench.compare(f"unpack, verified, {what}", ours, [(reference_cli, kit_bound), (script, 1.1)], short=short)
    return ours


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
    steps = (f"pack {source} -t lines:1 --compression gzip",)
    reference_cli = bench.kit("kit-gzip", "kit pack --compression gzip", lambda _: steps)
    bench.compare("gzip of 300 MB of JSON lines", ours, [(plain, 0.2), (reference_cli, 0.2)], min(3, bench.rounds))
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


def peers(bench: Bench) -> None:
    """Other tools sending the same files, for orientation: no bound is promised against them."""
    source = bench.source("big", workloads.big_and_small)
    script = (
        "import oras.client, sys; "
        "c = oras.client.OrasClient(insecure=True); "
        "c.push(target=sys.argv[1], files=['weights', 'src'], disable_path_validation=True)"
    )
    send = f"cd {source} && oras push --plain-http"
    (source / "Modelfile").write_text("NAME big\nMODEL weights/*\nCODE src/*\n")
    build = ["modctl", "build", "--output-remote", "--plain-http", str(source), "-t"]
    others: list[tuple[Side, float | None]] = [
        (
            Side(
                "oras-py push, which compresses directories",
                lambda i: ["sh", "-c", f'cd {source} && {sys.executable} -c "{script}" {bench.reference("oraspy", i)}'],
            ),
            None,
        ),
        (
            Side(
                "oras push, which compresses directories",
                lambda i: ["sh", "-c", f"{send} {bench.reference('oras', i)} weights src"],
                needs="oras",
            ),
            None,
        ),
        (
            Side("modctl build to the registry", lambda i: [*build, bench.reference("modctl", i)], needs="modctl"),
            None,
        ),
    ]
    ours = pack_push(bench, "peers", source)
    bench.compare("pack --push, 1 GiB", ours, others, 1)  # compressing whole directories takes half a minute
    (source / "Modelfile").unlink()


def exported(bench: Bench, home: Path, reference: str) -> tuple[list[tuple[str, Path]], Path]:
    """The blobs and the manifest of a kit in a store, as files."""
    shown = subprocess.run(kitops(home, "inspect", "--json", reference), check=True, capture_output=True)
    return floor.export_blobs(home, json.loads(shown.stdout)["manifest"], bench.work)
