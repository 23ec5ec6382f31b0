"""Packs and pushes an asset as a container does that has neither a home nor a user whom the system knows."""

from __future__ import annotations

import os
import sys

import dagster as dg
from runs import QUIET

from dagster_kitops import KitOpsResource, ModelKitContents, ModelKitIOManager


@dg.asset(io_manager_key="modelkit")
def churn():
    return ModelKitContents(model=f"packed by {os.getuid()}".encode())


def pack() -> None:
    manager = ModelKitIOManager(kitops=KitOpsResource(registry=sys.argv[1]))
    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize([churn], instance=instance, resources={"modelkit": manager}, run_config=QUIET)


pack()
if len(sys.argv) > 2:
    os.setuid(int(sys.argv[2]))  # Python's own files may be closed to that user, so what it imports is imported
    pack()
