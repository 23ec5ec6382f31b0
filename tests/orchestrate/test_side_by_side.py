"""Several operations at a time: in order, in the caller's context, and none goes on when one has failed."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from pathlib import Path

import pytest
from fault_proxy import FaultProxy, answer

import kitops_core as kitops
from kitops_core.errors import DeniedError
from kitops_core.events import Cancel
from kitops_core.lanes import MOST_LANES, Lanes
from kitops_core.orchestrate.side_by_side import AT_A_TIME, side_by_side

caller: ContextVar[str] = ContextVar("caller")


def test_what_came_of_each_is_in_order_and_was_made_in_the_callers_context() -> None:
    met = threading.Barrier(AT_A_TIME)

    def work(number: int) -> str:
        met.wait(30)  # so many are under way at a time
        return f"{caller.get()} {number}"

    caller.set("step")
    assert side_by_side(work, range(AT_A_TIME), Cancel()) == [f"step {number}" for number in range(AT_A_TIME)]


def test_together_they_have_the_connections_of_one() -> None:
    assert side_by_side(lambda _: Lanes().most, range(3), Cancel()) == [MOST_LANES // AT_A_TIME] * 3
    assert side_by_side(lambda _: Lanes().most, [1], Cancel()) == [MOST_LANES]
    assert side_by_side(lambda _: Lanes().most, [], Cancel()) == []


def test_when_one_fails_the_others_stop_and_no_further_begins(faults: FaultProxy, tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(b"w")
    began: list[int] = []
    faults.fault("PUT", "/denied/manifests/", answer(403))
    cancel = Cancel()
    with kitops.Client(store=tmp_path / "kits", cancel=cancel) as client:

        def pack(number: int) -> None:
            began.append(number)
            name = "denied" if number == 0 else f"fine-{number}"
            client.pack(kitops.Contents(model=tmp_path / "w.bin"), f"{faults.address}/{name}:1", push=True)
            if number:
                cancel.wait(30)  # a long push

        with pytest.raises(DeniedError):
            side_by_side(pack, range(40), cancel)
    assert cancel.cancelled
    assert len(began) < 40
