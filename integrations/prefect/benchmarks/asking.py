"""Pushes a kit with the tag ``dev``, or emits an event, and prints when that was done.

``python asking.py push VERSION`` or ``python asking.py event``.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from prefect import flow
from prefect.events import emit_event

from prefect_kitops import pack_modelkit


@flow(name="push")
def push(version: str) -> None:
    """Pack and push what differs only in its version."""
    source = Path(os.environ["BENCH_SOURCE"])
    (source / "weights.txt").write_text(version)
    pack_modelkit(source, f"{os.environ['BENCH_KIT']}:dev", card=False)


if sys.argv[1] == "push":
    push(sys.argv[2])
    print(time.time())
else:
    print(time.time())
    emit_event("bench.asked", {"prefect.resource.id": "bench"})
