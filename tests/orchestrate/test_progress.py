"""Progress in a log that people read while a task runs."""

from __future__ import annotations

import logging

import pytest

from kitops_core.events import Event
from kitops_core.orchestrate.progress import logged

MIB = 1024 * 1024


def test_a_large_blob_says_every_few_seconds_how_far_it_is_how_fast_and_how_long_it_takes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = 0.0
    caplog.set_level(logging.INFO)
    on_event = logged(logging.getLogger("kits"), clock=lambda: now)
    on_event(Event("start", "model.bin", 0, 100 * MIB))
    for now in range(26):
        on_event(Event("advance", "model.bin", now * 2 * MIB, 100 * MIB))
        on_event(Event("advance", "docs.tar", now * MIB))  # compressed: nobody knows its size
    on_event(Event("retry", "model.bin", detail="503, again in 1 s"))
    on_event(Event("finish", "model.bin", 100 * MIB, 100 * MIB, "written"))
    assert [record.getMessage() for record in caplog.records] == [
        "model.bin: 20.0 MiB of 100 MiB, 2.0 MiB/s, 40 s left",
        "docs.tar: 10.0 MiB, 1.0 MiB/s",
        "model.bin: 40.0 MiB of 100 MiB, 2.0 MiB/s, 30 s left",
        "docs.tar: 20.0 MiB, 1.0 MiB/s",
        "model.bin: 503, again in 1 s",
        "model.bin written, 100 MiB",
    ]


def test_a_blob_that_begins_again_is_not_faster_than_it_is(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    caplog.set_level(logging.INFO)
    on_event = logged(logging.getLogger("kits"), clock=lambda: now)
    for seconds, done in ((0.0, 50 * MIB), (5.0, 90 * MIB), (6.0, 0), (16.0, 10 * MIB)):
        now = seconds
        on_event(Event("advance", "model.bin", done, 100 * MIB))
    assert [record.getMessage() for record in caplog.records] == [
        "model.bin: 10.0 MiB of 100 MiB, 1.0 MiB/s, 90 s left"
    ]
