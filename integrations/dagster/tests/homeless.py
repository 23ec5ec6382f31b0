"""Packs and loads assets, and packs in ops, as a container without a home, a known user or a writable root does."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import dagster as dg
import numpy as np
from runs import QUIET

from dagster_kitops import KitOpsResource, ModelKitContents, ModelKitIOManager
from kitops_core import Contents


@dg.asset(io_manager_key="modelkit")
def churn():
    return ModelKitContents(model=f"packed by {os.getuid()}".encode())


@dg.asset(io_manager_key="modelkit")
def scores(churn: bytes) -> dict[str, np.ndarray]:
    return {"bytes": np.frombuffer(churn, np.uint8)}


@dg.asset
def report(scores: dict[str, np.ndarray]) -> str:
    return bytes(scores["bytes"]).decode()


@dg.op(out=dg.Out(io_manager_key="modelkit"))
def packed(context):
    return ModelKitContents(model=b"of an op")


@dg.op
def by_client(context, kitops: KitOpsResource, kit: bytes) -> str:
    with kitops.client() as client:
        packed = client.pack(Contents(model=Path(__file__)), kitops.reference("by-client", tag="1"), push=True)
    return f"{packed.digest} beside {len(kit)} bytes"


@dg.job
def ops():
    by_client(packed())


def pack() -> None:
    kitops = KitOpsResource(registry=sys.argv[1])
    resources = {"modelkit": ModelKitIOManager(kitops=kitops), "kitops": kitops, "io_manager": dg.mem_io_manager}
    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize([churn, scores, report], instance=instance, resources=resources, run_config=QUIET)
        assert done.output_for_node("report") == f"packed by {os.getuid()}"
        ops.execute_in_process(instance=instance, resources=resources, run_config=QUIET)


pack()
if len(sys.argv) > 2:
    os.setuid(int(sys.argv[2]))  # Python's own files may be closed to that user, so what it imports is imported
    pack()
