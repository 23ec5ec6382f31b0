"""What the IO manager adds to packing, in seconds: prints JSON.

``python io_manager.py REGISTRY LINK DIRECTORY`` wants a registry, the same one behind a slow link, and a directory for
files and local stores. All runs are in this process, where Dagster is imported already; each time is from the call of
``dg.materialize`` to its end, Dagster's own work included.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg

import kitops_core
from dagster_kitops import KitOpsResource, ModelKitContents, ModelKitIOManager

MIB = 1024**2
FILES, FILE_MIB = 16, 4
PARTITIONS = 30
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
instance = dg.DagsterInstance.ephemeral()
regions = dg.StaticPartitionsDefinition([f"region-{number:02}" for number in range(PARTITIONS)])


@dg.asset(io_manager_key="modelkit")
def files(context) -> Path:  # noqa: ANN001
    """The directory that the run names."""
    return Path(context.run.tags["files"])


@dg.asset(io_manager_key="modelkit", partitions_def=regions, backfill_policy=dg.BackfillPolicy.single_run())
def regional(context) -> dict[str, ModelKitContents]:  # noqa: ANN001
    """A kit for each partition."""
    salt = context.run.tags["salt"]
    return {key: small(key, salt) for key in context.partition_keys}


def small(key: str, salt: str) -> ModelKitContents:
    """A small kit, with what is the same in all and what is not."""
    return ModelKitContents(model=f"{key} {salt}".encode() * 100, docs={"README.md": b"# Regional\n"})


def seconds(work: Callable[[], Any]) -> float:
    """How long it takes."""
    begun = time.monotonic()
    work()
    return time.monotonic() - begun


def materialize(asset: Any, registry: str, store: Path, **tags: str) -> None:
    """One run."""
    resources = {"modelkit": ModelKitIOManager(kitops=KitOpsResource(registry=registry, store=str(store)))}
    dg.materialize([asset], instance=instance, resources=resources, run_config=QUIET, tags=tags)


def directory_of(path: Path, count: int, size: int) -> Path:
    """A directory of files that compress to nothing smaller."""
    path.mkdir(parents=True)
    for number in range(count):
        (path / f"part-{number:03}.bin").write_bytes(os.urandom(size))
    return path


def added(registry: str, work: Path, rounds: int) -> dict[str, float]:
    """A materialization of files beside ``pack`` with ``push=True`` of them; both with provenance, of empty stores."""
    ours, plain = [], []
    for number in range(rounds + 1):
        source = directory_of(work / f"files-{number}", FILES, FILE_MIB * MIB)
        name = f"{registry}/added-{number}"
        ours.append(seconds(lambda: materialize(files, f"{name}/a", work / f"a-{number}", files=str(source))))  # noqa: B023
        with kitops_core.Client(store=work / f"b-{number}") as client:
            provenance = kitops_core.Provenance()
            plain.append(seconds(lambda: client.pack(source, f"{name}/b:1", push=True, provenance=provenance)))  # noqa: B023
    pairs = zip(ours[1:], plain[1:], strict=True)
    return {
        "materialized": statistics.median(ours[1:]),
        "packed": statistics.median(plain[1:]),
        "added": statistics.median(one - other for one, other in pairs),
    }


def unchanged(registry: str, work: Path, rounds: int) -> dict[str, float]:
    """A materialization of 1 GiB that was packed before."""
    source = directory_of(work / "large", 4, 256 * MIB)

    def again() -> None:
        materialize(files, f"{registry}/unchanged", work / "large-store", files=str(source))

    again()
    return {"unchanged": statistics.median(seconds(again) for _ in range(rounds))}


def backfill(link: str, work: Path, rounds: int) -> dict[str, float]:
    """One run for all partitions beside one ``pack`` after the other, by one client."""
    ours, one_by_one = [], []
    first, *_, last = regions.get_partition_keys()
    ends = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    for number in range(rounds + 1):
        salt, store = f"{os.getpid()}-{number}", work / f"link-{number}"
        ours.append(seconds(lambda: materialize(regional, f"{link}/backfill-{salt}", store, salt=salt, **ends)))  # noqa: B023

        def plain(salt: str = salt, store: Path = store) -> None:
            with kitops_core.Client(store=store / "plain") as client:
                for key in regions.get_partition_keys():
                    (work / "model.bin").write_bytes(f"{key} plain {salt}".encode() * 100)
                    (work / "README.md").write_bytes(b"# Regional\n")
                    contents = kitops_core.Contents(model=work / "model.bin", docs=[work / "README.md"])
                    name = f"{link}/plain-{salt}/regional:{key}"
                    client.pack(contents, name, push=True, provenance=kitops_core.Provenance())

        one_by_one.append(seconds(plain))
    pairs = zip(ours[1:], one_by_one[1:], strict=True)
    return {
        "backfill": statistics.median(ours[1:]),
        "one_by_one": statistics.median(one_by_one[1:]),
        "ratio": statistics.median(one / other for one, other in pairs),
    }


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("registry", help="host:port")
    parser.add_argument("link", help="host:port of the same registry behind a slow link")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds of each")
    given = parser.parse_args()
    registry, work = f"{given.registry}/{os.getpid()}", given.directory / "dagster"
    found = {
        **added(registry, work, given.rounds),
        **unchanged(registry, work, given.rounds),
        **backfill(f"{given.link}/{os.getpid()}", work, min(given.rounds, 3)),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
