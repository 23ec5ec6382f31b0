"""Packs and pushes models by ``.map`` on threads, beside plain tasks that only wait as long as their upload takes.

``python mapped.py REPOSITORY DIRECTORY COUNT``: prints both times in seconds.
"""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

from prefect import flow, task
from prefect.futures import wait
from prefect.task_runners import ThreadPoolTaskRunner

import kitops_core as kitops
from prefect_kitops import pack_modelkit

SIZE = 8 * 1024**2
AT_ONCE = 5


def bundle(directory: Path, number: int) -> Path:
    """A model of random bytes, so that no two kits share a layer."""
    source = directory / f"model-{number}"
    source.mkdir(parents=True)
    (source / "model.safetensors").write_bytes(b"\2\0\0\0\0\0\0\0{}" + random.Random(number).randbytes(SIZE))  # noqa: S311
    return source


@task
def plain(seconds: float) -> None:
    """What a task costs whose upload is nothing but waiting."""
    time.sleep(seconds)


@flow(name="plain", task_runner=ThreadPoolTaskRunner(max_workers=AT_ONCE))
def all_plain(seconds: float, count: int) -> None:
    """Each as long as an upload."""
    wait(plain.map([seconds] * count))


@flow(name="packed", task_runner=ThreadPoolTaskRunner(max_workers=AT_ONCE))
def all_packed(bundles: list[Path], references: list[str]) -> None:
    """Each a kit of its own."""
    for done in pack_modelkit.map(bundles, references):
        done.result()


def seconds_of(call: object, *arguments: object) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    call(*arguments)  # type: ignore[operator]
    return time.perf_counter() - start


if __name__ == "__main__":
    repository, directory, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    how = kitops.Provenance(parameters={"number": 1})
    for number in (-2, -1):  # the first one also pays for what is imported
        alone = seconds_of(
            lambda at: kitops.pack(bundle(directory, at), f"{repository}:alone{at}", push=True, provenance=how), number
        )
    all_plain(0, 1)
    bundles = [bundle(directory, number) for number in range(count)]
    waited = seconds_of(all_plain, alone, count)
    packed = seconds_of(all_packed, bundles, [f"{repository}:model-{number}" for number in range(count)])
    print(alone, waited, packed)
