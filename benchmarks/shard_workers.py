"""What one measurement of :mod:`benchmarks.shards` runs: workers that pack shards, and the step that assembles them.

Each worker is a process with a local store of its own, and packs its shards one after the other, as mapped tasks do:
``python -m benchmarks.shard_workers DIRECTORY REFERENCE WORKERS STORES``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import kitops_core


def pack(directory: str, reference: str, store: str, paths: list[str]) -> None:
    """One worker: pack some shards, and print their layers as JSON."""
    with kitops_core.Client(store=store) as client:
        layers = [client.pack_layers(directory, reference, [path], push=True)[0].to_dict() for path in paths]
    print(json.dumps(layers))


def main(directory: str, reference: str, workers: int, stores: str) -> None:
    """Start the workers, wait for all, and assemble."""
    paths = sorted(path.name for path in Path(directory).glob("*.bin"))
    command = [sys.executable, "-m", "benchmarks.shard_workers", directory, reference]
    running = [
        subprocess.Popen([*command, f"{stores}/{number}", *paths[number::workers]], stdout=subprocess.PIPE)
        for number in range(workers)
    ]
    layers = [layer for worker in running for layer in json.loads(worker.communicate()[0])]
    with kitops_core.Client(store=f"{stores}/assemble") as client:
        client.assemble(reference, layers, kitfile=Path(directory, "Kitfile"), push=True)


if __name__ == "__main__":
    given = sys.argv[1:]
    if given[2].isdecimal():
        main(given[0], given[1], int(given[2]), given[3])
    else:
        pack(given[0], given[1], given[2], given[3:])
