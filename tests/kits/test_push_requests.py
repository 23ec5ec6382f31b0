"""Packing to a registry: what does not depend on each other does not wait for each other."""

from __future__ import annotations

import os
import threading
import uuid
from pathlib import Path
from typing import Any

import pytest
from clients import client
from fault_proxy import FaultProxy, Handler, Reply, Seen, delay
from request_chain import in_a_row

from kitops_core.errors import KitOpsError

LONG = 20.0
"""Seconds after which what waits for each other is taken for a deadlock."""


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    root = tmp_path / "bundle"
    root.mkdir()
    names = [f"part-{number}.bin" for number in range(4)]
    for name in names:
        (root / name).write_bytes(os.urandom(600_000))
    parts = "".join(f"  - path: {name}\n" for name in names[1:])
    (root / "Kitfile").write_text(
        f"manifestVersion: 1.0.0\npackage: {{name: parts}}\nmodel:\n  path: {names[0]}\n  parts:\n{parts}"
    )
    return root


@pytest.fixture
def reference(faults: FaultProxy) -> str:
    return f"{faults.address}/push/{uuid.uuid4().hex}:1"


@pytest.mark.usefixtures("quiet_processor")
def test_a_kit_is_there_after_few_requests_in_a_row(faults: FaultProxy, bundle: Path, reference: str) -> None:
    """On a quiet machine 6: the tag, the session, the bytes, their digest, the kept tag, the tag."""
    faults.every = delay(0.1)
    with client() as packer:
        packer.pack(bundle, reference, push=True, tags=["2", "3"])
    faults.every = None
    looks = [seen for seen in faults.seen if seen.method == "HEAD"]
    assert len(looks) == 6  # each tag, before anything is sent and before it is written
    assert in_a_row(looks[:3]) == in_a_row(looks[3:]) == 1
    assert 5 < in_a_row(faults.seen) <= 11  # two tags more than one


def test_the_config_is_sent_while_the_last_layer_is_not_answered_yet(
    faults: FaultProxy, bundle: Path, reference: str
) -> None:
    """It names the layers, whose digests are known as soon as their bytes were read."""
    config_came = threading.Event()
    in_time: list[bool] = []

    def wait_for_config(handler: Handler, seen: Seen) -> Reply | None:
        if seen.method == "PATCH":
            reply = handler.forward(seen)
            in_time.append(config_came.wait(LONG))
            return reply
        if seen.method == "PUT" and "/blobs/uploads/" in seen.path and int(seen.headers["Content-Length"]):
            config_came.set()
        return None

    faults.every = wait_for_config
    with client() as packer:
        record = packer.pack(bundle, reference, push=True)
    faults.every = None
    assert in_time == [True] * 4
    assert record.changed


def test_files_that_cannot_be_packed_are_told_though_the_registry_does_not_answer(
    faults: FaultProxy, bundle: Path, reference: str
) -> None:
    """The tag is asked for while the files are looked at."""
    told = threading.Event()
    in_time: list[bool] = []

    def silent(handler: Handler, seen: Seen) -> Any:
        in_time.append(told.wait(LONG))

    (bundle / "part-2.bin").unlink()
    faults.every = silent
    with client() as packer, pytest.raises(KitOpsError, match=r"part-2\.bin"):
        packer.pack(bundle, reference, push=True)
    told.set()
    faults.every = None
    assert False not in in_time
    assert {seen.method for seen in faults.seen} <= {"HEAD"}
