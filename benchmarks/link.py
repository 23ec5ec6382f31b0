"""What a user waits for: a registry behind a link where each connection has 20 MB/s and a round trip of 30 ms.

Other tools run from PATH, with their own defaults and their own kind of artifact of the same files.
"""

from __future__ import annotations

import os
import shlex
import sys
from functools import partial
from pathlib import Path

import kitops_core
from benchmarks import importing, workloads
from benchmarks.bench import GIB, MIB, Bench, kitops, remove
from benchmarks.link_proxy import slow_link
from benchmarks.measure import Side, in_turn, run

LAYERS, VARIANTS = 200, 20
ROUNDS = 3
"""The link is the same each time, and a round takes half a minute."""


def rounds(bench: Bench) -> int:
    """How many rounds to measure."""
    return min(ROUNDS, bench.rounds)


def layers(bench: Bench) -> None:
    """Many small layers: what counts is how many requests wait for each other."""
    source = bench.source("layers", lambda root: workloads.small_layers(root, LAYERS))
    with slow_link(bench.registry) as link:
        first = pack_push(bench, "link-layers", source, link)
        again = Side(
            "kitops pack --push on a fresh machine",
            lambda i: kitops(bench.home("link-fresh"), *first.command(i)[3:]),
        )
        reference_cli = kit_pack_push(bench, "link-kit-layers", source, link)
        in_turn([side for side in (first, again, reference_cli) if side.there], rounds(bench))
    what = f"pack --push, {LAYERS} small layers"
    bench.against(f"{what} ({first.wall:.2f} s)", first, reference_cli, 0.30, short=True)
    bench.against(f"{what}, nothing changed, from a fresh machine ({again.wall:.2f} s)", again, reference_cli, 0.20)
    bench.row(f"peak memory, {what}", "", first.peak / MIB, 150, " MiB")


def layers_back(bench: Bench) -> None:
    """The way back of many small layers."""
    kit = bench.pushed("layers", bench.source("layers", lambda root: workloads.small_layers(root, LAYERS)))
    with slow_link(bench.registry) as link:
        unpack_over(bench, f"unpack, {LAYERS} small layers", kit, link, bound=0.5)


def promote(bench: Bench) -> None:
    """Promotion into another repository of the same registry: nothing is sent, much is asked."""
    kit = bench.pushed("layers", bench.source("layers", lambda root: workloads.small_layers(root, LAYERS)))
    home = bench.home("link-promote")
    channels = bench.work / "promotion.yaml"
    with slow_link(bench.registry) as link:

        def declare(target: str) -> None:
            channels.write_text(
                f"kit: {link}/layers\nchannels:\n  dev: {{}}\n  prod: {{from: dev, target: '{target}'}}\n"
            )

        declare(f"{link}/prod")
        run(kitops(home, "promote", f"{link}/{kit}", "--to", "dev", "--policy", str(channels)))
        ours = Side(
            "kitops promote",
            lambda _: kitops(home, "promote", "dev", "--to", "prod", "--policy", str(channels)),
            before=lambda i: declare(f"{link}/prod-{i}"),
        )
        plain = ["--from-plain-http", "--to-plain-http"]
        oras = Side(
            "oras cp -r",
            lambda i: ["oras", "cp", "-r", *plain, f"{link}/{kit}", f"{link}/oras-{i}:1"],
            needs="oras",
        )
        crane = Side(
            "crane copy, without referrers",
            lambda i: ["crane", "copy", "--insecure", f"{link}/{kit}", f"{link}/crane-{i}:1"],
            needs="crane",
        )
        what = f"promote, {LAYERS} small layers into another repository"
        bench.compare(what, ours, [(oras, 0.35), (crane, None)], rounds(bench), short=True)


def promote_index(bench: Bench) -> None:
    """Promotion of an index of 20 variants that share 9 of 10 layers, within one repository and into another."""
    source = bench.source("variants", lambda root: workloads.small_layers(root, 10))
    name, home = f"{bench.registry}/variants", bench.home("link-promote-index")
    with kitops_core.Client(store=home) as client:
        kits = []
        for number in range(VARIANTS):
            (source / "part-000.csv").write_bytes(os.urandom(2000))
            client.pack(source, f"{name}:v{number}", push=True)
            kits.append(kitops_core.Variant(f"{name}:v{number}", {"number": number}))
        client.index_kits(f"{name}:1", kits, push=True)
    channels = bench.work / "promotion-index.yaml"
    with slow_link(bench.registry) as link:

        def declare(target: str) -> None:
            channels.write_text(
                f"kit: {link}/variants\nchannels:\n  dev: {{}}\n  prod: {{from: dev, target: '{link}/{target}'}}\n"
            )

        declare("variants:prod")
        run(kitops(home, "promote", f"{link}/variants:1", "--to", "dev", "--policy", str(channels)))
        for what, target in (("within one repository", "variants:{}"), ("into another", "variants-{}:1")):
            ours = Side(
                "kitops promote",
                lambda _: kitops(home, "promote", "dev", "--to", "prod", "--policy", str(channels)),
                before=lambda i, target=target: declare(target.format(f"ours-{i}")),  # type: ignore[misc]
            )
            oras = Side("oras cp -r", partial(_oras_copy, f"{link}/variants:1", f"{link}/{target}"), needs="oras")
            bench.compare(f"promote, an index of {VARIANTS} variants {what}", ours, [(oras, 0.5)], rounds(bench))


def _oras_copy(source: str, target: str, i: int) -> list[str]:
    plain = ["--from-plain-http", "--to-plain-http"]
    return ["oras", "cp", "-r", *plain, source, target.format(f"oras-{i}")]


def files(bench: Bench) -> None:
    """Eight files of some size: pack and push."""
    source = bench.source("files", lambda root: workloads.weights(root, 8, 16 * MIB))
    with slow_link(bench.registry) as link:
        ours = pack_push(bench, "link-files", source, link)
        others = [(kit_pack_push(bench, "link-kit-files", source, link), 0.6), (oras_push(bench, source, link), None)]
        bench.compare("pack --push, 8 x 16 MiB", ours, others, rounds(bench))
    bench.row("peak memory, pack --push, 8 x 16 MiB", "", ours.peak / MIB, 150, " MiB")


def files_back(bench: Bench) -> None:
    """The way back of eight files."""
    source = bench.source("files", lambda root: workloads.weights(root, 8, 16 * MIB))
    kit = bench.pushed("files", source)
    with slow_link(bench.registry) as link:
        oras = oras_pull(bench, source, link)
        unpack_over(bench, "unpack, 8 x 16 MiB", kit, link, bound=0.6, others=[(oras, None)])


def blob(bench: Bench) -> None:
    """One large file, of which one connection gives no more than it can."""
    source = bench.source("blob", lambda root: workloads.weights(root, 1, 128 * MIB))
    kit = bench.pushed("blob", source)
    with slow_link(bench.registry) as link:
        others = [(oras_pull(bench, source, link), 0.2), (modctl_pull(bench, source, link), 0.2)]
        unpack_over(bench, "unpack, 1 x 128 MiB", kit, link, bound=0.2, others=others, short=True)


def hub(bench: Bench) -> None:
    """Import of one large file from a stand-in for the Hub behind the link, into a registry that has none."""
    size = GIB
    kit_home, home = bench.work / "homes" / "link-hf", bench.home("link-import")
    out = bench.work / "hf"

    def clean(_: int) -> None:
        remove(out)

    with importing.serve_hub(size, files=1) as served, slow_link(served.removeprefix("http://")) as link:
        settings = importing.settings(home, f"http://{link}")
        ours = Side(
            "kitops import",
            lambda i: kitops(home, "import", "acme/large", "--push", bench.reference("link-import", i)),
            environment=settings,
        )
        path = f"acme/large/resolve/{importing.commit(served)}/model-00001-of-00001.safetensors"
        curl = Side(
            "curl of the file by one connection",
            lambda _: ["curl", "-sS", "-f", "-L", "-o", str(out), f"http://{link}/{path}"],
            lambda _: out.unlink(missing_ok=True),
            lambda _: out.unlink(missing_ok=True),
        )
        reference = bench.reference("link-hf", 0)
        hf = str(Path(sys.executable).with_name("hf"))
        steps = (
            f"{hf} download acme/large --local-dir {out}",
            f"printf 'manifestVersion: 1.0.0\\nmodel: {{path: .}}\\n' > {out}/Kitfile",
            f"kit --config {kit_home} pack {out} -t {reference}",
            f"kit --config {kit_home} push {reference} --plain-http",
        )
        by_hand = Side(
            "hf download, kit pack, kit push",
            lambda _: ["sh", "-c", " && ".join(steps)],
            lambda i: clean(i) or (bench.home("link-hf") and None),
            clean,
            needs="kit",
            environment=settings,
        )
        others = [(by_hand, 0.25), (curl, 0.25)]
        bench.compare("import of 1 GiB in one file from the Hub", ours, others, 1, warm_up=False)
    bench.row("peak memory, import of 1 GiB in one file", "", ours.peak / MIB, 150, " MiB")


def pack_push(bench: Bench, name: str, source: Path, link: str) -> Side:
    """``kitops pack --push`` from an empty store, to a repository of its own each time."""
    home = bench.work / "homes" / name
    return Side(
        "kitops pack --push",
        lambda i: kitops(home, "pack", str(source), "-t", bench.reference(name, i, link), "--push"),
        before=lambda _: bench.home(name) and None,
    )


def kit_pack_push(bench: Bench, name: str, source: Path, link: str) -> Side:
    """``kit pack`` and ``kit push`` from an empty store, to a repository of its own each time."""

    def steps(i: int) -> tuple[str, ...]:
        reference = bench.reference(name, i, link)
        return f"pack {source} -t {reference}", f"push {reference} --plain-http"

    return bench.kit(name, "kit pack + kit push", steps)


def oras_push(bench: Bench, source: Path, link: str) -> Side:
    """``oras push`` of the same files."""
    names = " ".join(path.name for path in sorted(source.glob("*.bin")))
    return Side(
        "oras push",
        lambda i: [
            "sh",
            "-c",
            f"cd {source} && oras push --plain-http {bench.reference('link-oras', i, link)} {names}",
        ],
        needs="oras",
    )


def unpack_over(
    bench: Bench,
    what: str,
    kit: str,
    link: str,
    *,
    bound: float,
    others: list[tuple[Side, float | None]] | None = None,
    short: bool = False,
) -> None:
    """Unpack a kit over the link by us, by the reference CLI, and by others."""
    reference = f"{link}/{kit}"
    out, home = bench.work / "link-out", bench.home("link-unpack")

    def clean(_: int) -> None:
        remove(out)

    ours = Side("kitops unpack", lambda _: kitops(home, "unpack", "--remote", reference, "-d", str(out)), clean, clean)
    steps = (f"pull {reference} --plain-http", f"unpack {reference} -d {out} --plain-http")
    reference_cli = bench.kit("link-kit-unpack", "kit pull + kit unpack", lambda _: steps, out)
    bench.compare(what, ours, [(reference_cli, bound), *(others or [])], rounds(bench), short=short)
    bench.row(f"peak memory, {what}", "", ours.peak / MIB, 150, " MiB")


def oras_pull(bench: Bench, source: Path, link: str) -> Side:
    """``oras pull`` of an artifact that ``oras push`` made of the same files."""
    out = bench.work / "link-oras-out"
    name = f"oras-{source.name}:1"
    side = Side(
        "oras pull",
        lambda _: ["oras", "pull", "--plain-http", "-o", str(out), f"{link}/{name}"],
        lambda _: remove(out),
        lambda _: remove(out),
        needs="oras",
    )
    if side.there:
        names = shlex.join(path.name for path in sorted(source.glob("*.bin")))
        run(["sh", "-c", f"cd {source} && oras push --plain-http {bench.registry}/{name} {names}"])
    return side


def modctl_pull(bench: Bench, source: Path, link: str) -> Side:
    """``modctl pull`` to files of an artifact that ``modctl build`` made of the same files."""
    out, store = bench.work / "link-modctl-out", bench.work / "homes" / "modctl"
    name = f"modctl-{source.name}:1"
    modctl = ["modctl", "--storage-dir", str(store)]
    pull = [*modctl, "pull", "--plain-http", "--extract-from-remote", "--extract-dir", str(out)]
    side = Side(
        "modctl pull",
        lambda _: [*pull, f"{link}/{name}"],
        lambda _: remove(out),
        lambda _: remove(out),
        needs="modctl",
    )
    if side.there:
        modelfile = bench.work / "Modelfile"
        modelfile.write_text("NAME weights\nMODEL *.bin\n")
        build = [*modctl, "build", "--output-remote", "--plain-http", "-f", str(modelfile)]
        run([*build, "-t", f"{bench.registry}/{name}", str(source)])
    return side
