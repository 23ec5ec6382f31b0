"""One large object through the IO manager, in a process of its own that looks at its memory.

``python large.py store|load arrays|frame STORE`` prints how many times the size of the object the memory grew at most,
beyond what a small object had taken before.
"""

from __future__ import annotations

import sys
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd

from dagster_kitops import KitOpsResource, ModelKitIOManager

sizes = dg.StaticPartitionsDefinition(["1", "200"])


@dg.asset(io_manager_key="modelkit", partitions_def=sizes)
def arrays(context) -> dict[str, np.ndarray]:
    each = int(context.partition_key) * 2**20 // 8 // 4
    return {f"part {number}": np.full(each, float(number)) for number in range(4)}


@dg.asset(partitions_def=sizes)
def total(arrays: dict[str, np.ndarray]) -> float:
    return float(sum(part.sum() for part in arrays.values()))


@dg.asset(io_manager_key="modelkit", partitions_def=sizes)
def frame(context) -> pd.DataFrame:
    rows = int(context.partition_key) * 2**20 // 8 // 8
    return pd.DataFrame(np.random.default_rng(0).random((8, rows)).T, columns=[*"abcdefgh"], copy=False)


@dg.asset(partitions_def=sizes)
def sums(frame: pd.DataFrame) -> float:
    return float(frame["h"].sum())


def peak() -> int:
    """The most bytes that this program ever had in memory; getrusage would also count what ran here before exec."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def main(what: str, kind: str, store: str) -> None:
    """Materialize the small one, then the large one."""
    made, used = {"arrays": (arrays, total), "frame": (frame, sums)}[kind]
    resources = {"modelkit": ModelKitIOManager(kitops=KitOpsResource(store=store)), "io_manager": dg.mem_io_manager}
    peaks = []
    for size in sizes.get_partition_keys():
        dg.materialize(
            [made, used],
            selection=[made] if what == "store" else [used],
            resources=resources,
            partition_key=size,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        peaks.append(peak())
    print((peaks[1] - peaks[0]) / (int(size) * 2**20))


if __name__ == "__main__":
    main(*sys.argv[1:])
