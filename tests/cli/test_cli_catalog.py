"""``kitops catalog`` and ``kitops channels --watch`` as a user runs them."""

from __future__ import annotations

import json
import os
import pty
import re
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest
from catalogs import Namespace, new_namespace
from cli_runner import kit, ok, run, start

CLEARED = b"\x1b[2J"


@pytest.fixture
def kits(registry: str, tmp_path: Path) -> Namespace:
    kits = new_namespace(tmp_path / "kits", registry)
    kits.push("churn", "1.0")
    return kits


def test_it_says_what_it_wrote(kits: Namespace, tmp_path: Path) -> None:
    site = tmp_path / "site"
    assert ok("catalog", f"{kits.name}/", "-o", site).out == (
        f"wrote  {site / 'index.html'}  (1 kit, 1 version; 4 of 4 pages new)\n"
    )
    answered = ok("catalog", f"{kits.name}/", "-o", site, "--json").json
    assert (answered["kits"], answered["versions"], answered["problems"]) == (1, 1, [])
    assert answered["index"] == str(site / "index.html")


def test_what_is_missing_is_wrong_usage_or_unusable_input(kits: Namespace, tmp_path: Path) -> None:
    assert kit("catalog", f"{kits.name}/").code == 2
    ran = kit("catalog", "-o", tmp_path / "site")
    assert (ran.code, "nothing is named" in ran.err) == (3, True)
    ran = kit("catalog", f"{kits.name}/", "-o", tmp_path / "site", "-p", tmp_path / "none.yaml")
    assert (ran.code, "none.yaml" in ran.err) == (4, True)
    assert not (tmp_path / "site").exists()


def test_a_full_disk_is_an_error_that_names_the_file(kits: Namespace, tmp_path: Path) -> None:
    def almost_full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    ran = run("catalog", f"{kits.name}/", "-o", tmp_path / "site", preexec_fn=almost_full)
    assert ran.code == 1
    assert re.match(f"error: '{tmp_path / 'site'}/.* cannot be written: .*\n", ran.err)
    assert not (tmp_path / "site" / "index.html").exists()


def test_channels_are_shown_again_when_something_changed(kits: Namespace) -> None:
    policy = kits.policy("churn", "channels: {dev: {}, prod: {from: dev}}\n")
    kits.client().tag(f"{kits.name}/churn:1.0", ["dev"], where="registry")
    process = start("channels", "--watch", "--every", "0.1s", "--json", "--policy", policy)
    try:
        assert process.stdout is not None
        before = _document(process)
        promoted = kits.client().promote("dev", "prod", policy=policy)
        after = _document(process)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert [state["digest"] for state in before] == [promoted.digest, ""]
    assert [state["digest"] for state in after] == [promoted.digest, promoted.digest]
    assert process.returncode == 130


def test_a_terminal_shows_them_in_one_place(kits: Namespace) -> None:
    policy = kits.policy("churn", "channels: {dev: {}}\n")
    ours, theirs = pty.openpty()
    with start("channels", "--watch", "--every", "0.1s", "--policy", policy, stdout=theirs) as process:
        os.close(theirs)
        shown = b""
        while shown.count(CLEARED) < 3:
            shown += os.read(ours, 4096)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    os.close(ours)
    assert b"Ctrl-C ends it" in shown.split(CLEARED)[1]
    assert b"(empty)" in shown.split(CLEARED)[2]


def test_what_is_wrong_with_a_policy_is_told_at_once(tmp_path: Path) -> None:
    began = time.monotonic()
    assert kit("channels", "--watch", "--policy", tmp_path / "none.yaml").code == 4
    assert kit("channels", "--watch", "--every", "soon").code == 3
    assert time.monotonic() - began < 10


def _document(process: subprocess.Popen[str]) -> list[dict[str, str]]:
    """The next JSON document that a process writes."""
    lines: list[str] = []
    assert process.stdout is not None
    while not lines or lines[-1] != "]\n":
        line = process.stdout.readline()
        assert line, process.stderr.read() if process.stderr else ""
        lines.append(line)
    return json.loads("".join(lines))
