"""Small commands: how much a person, or a step of a pipeline, waits for one that has little to do."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

from registry_fixture import HTPASSWD, PASSWORD, USERNAME, serve_registry

from benchmarks.bench import Bench, kitops
from benchmarks.measure import Side, in_turn, run
from benchmarks.workloads import small_kit

AUTH = "auth: {htpasswd: {realm: bench, path: '{root}/htpasswd'}}\n"
ROUNDS = 15


def small(bench: Bench) -> None:
    """Processor time of small commands, as multiples of an interpreter that does nothing."""
    source = bench.source("small", small_kit)
    home = bench.home("small")
    reference = bench.reference("small", 0)
    run(kitops(home, "pack", str(source), "-t", reference))
    run(kitops(home, "push", reference))

    def fresh(name: str) -> None:
        bench.home(name)

    def elsewhere(name: str, *arguments: str) -> Side:
        """A command with an empty store each time."""
        place = bench.work / "homes" / name
        return Side(name, lambda _: kitops(place, *arguments), before=lambda _: fresh(name))

    out = bench.work / "small-out"
    nothing = Side("python -c pass", lambda _: [sys.executable, "-c", "pass"])
    with serve_registry(AUTH, files={"htpasswd": HTPASSWD}) as closed:
        login = ("login", closed.address, "-u", USERNAME, "-p", PASSWORD, "--plain-http")
        light = [
            Side("list", lambda _: kitops(home, "list")),
            Side("tag", lambda _: kitops(home, "tag", reference, "small:2")),
            Side("inspect", lambda _: kitops(home, "inspect", reference)),
            Side("push", lambda _: kitops(home, "push", reference)),
            elsewhere("pull", "pull", reference),
            Side("login", lambda _: kitops(home, *login), environment={"HOME": str(bench.home("login"))}),
            Side(
                "remove",
                lambda _: kitops(home, "remove", "small:3"),
                before=lambda _: run(kitops(home, "tag", reference, "small:3")) and None,
            ),
        ]
        heavy = [
            elsewhere("pack", "pack", str(source), "-t", "small:1"),
            Side("unpack", lambda i: kitops(home, "unpack", reference, "-d", str(out / str(i)))),
        ]
        in_turn([nothing, *light, *heavy], max(ROUNDS, bench.rounds))
    for side in light:
        bench.processor(f"processor time, {side.name} of a small kit", side, nothing, 10)
    for side in heavy:
        bench.processor(f"processor time, {side.name} of a small kit", side, nothing, 22)
    seconds = sorted(first_request(home) for _ in range(max(ROUNDS, bench.rounds)))
    bench.row("a pull's first request leaves after", "", seconds[len(seconds) // 2] * 1000, 60, " ms")


def first_request(home: Path) -> float:
    """Seconds from the start of a ``pull`` until a listener, which then hangs up, has its first bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        reference = f"127.0.0.1:{listener.getsockname()[1]}/small:1"
        started = time.monotonic()
        with subprocess.Popen(
            kitops(home, "pull", reference), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            listener.settimeout(30)
            connection, _ = listener.accept()
            with connection:
                connection.recv(1)
                taken = time.monotonic() - started
                process.kill()
    return taken
