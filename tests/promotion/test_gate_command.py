"""Gate ``command``: a program of the user's decides, within a time limit."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from promotion_world import World

from kitops_core.errors import CancelledError
from kitops_core.events import Cancel, Control
from kitops_core.promotion.gates.configured import gates_of
from kitops_core.promotion.gates.evaluate import evaluate


def shell(line: str, timeout: str = "30s") -> str:
    return f"command: {{shell: {json.dumps(line)}, timeout: {timeout}}}"


def test_exit_code_0_passes_with_the_last_line_as_detail(world: World) -> None:
    result = world.ask(shell("echo first; echo all 12 checks passed; echo; echo"))
    assert (result.passed, result.detail) == (True, "all 12 checks passed")


def test_any_other_exit_code_refuses(world: World) -> None:
    result = world.ask(shell("echo 3 checks failed >&2; exit 3"))
    assert (result.passed, result.detail) == (False, "exit code 3: 3 checks failed")
    assert world.ask(shell("kill -9 $$")).detail == "ended by signal 9"


def test_a_command_runs_without_a_shell_in_the_policys_directory(world: World) -> None:
    assert world.ask("command: {run: [echo, $HOME; exit 1]}").detail == "$HOME; exit 1"
    assert world.ask("command: {run: [ls, release.pub]}").detail == "release.pub"


def test_secrets_in_the_command_and_in_what_it_says_do_not_reach_the_record(world: World) -> None:
    result = world.ask(shell("echo https://ada:pass1@x.example/?token=pass2 Bearer passpass3 ghp_pass4pass4pass4pass4"))
    assert result.passed
    for text in (result.name, result.detail):
        assert "pass" not in text
        assert "https://x.example/?token=*** *** ***" in text


def test_the_command_is_told_what_it_decides_about(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COSIGN_PASSWORD", "secret")
    line = 'echo "$KITOPS_DIGEST $KITOPS_REFERENCE $KITOPS_CHANNEL <$KITOPS_PREVIOUS_DIGEST> <$COSIGN_PASSWORD>"'
    assert world.ask(shell(line)).detail == f"{world.digest} churn@{world.digest} prod <> <>"
    previous = world.pack("other weights", "prod")
    assert world.ask(shell("echo $KITOPS_PREVIOUS_DIGEST")).detail == previous


def test_a_command_that_is_not_there_refuses(world: World) -> None:
    assert world.ask("command: {run: [no-such-command]}").detail == "cannot be run: No such file or directory"


def test_at_the_time_limit_the_whole_process_group_is_killed(world: World) -> None:
    pids = world.directory / "pids"
    result = world.ask(shell(f"sleep 60 & echo $! > {pids}; echo $$ >> {pids}; wait", "0.3s"))
    assert (result.passed, result.detail) == (False, "still running after 0s, and was ended")
    for pid in pids.read_text().split():
        wait_until_gone(int(pid))


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return
            os.kill(pid, 0)
        except (ProcessLookupError, FileNotFoundError):
            return
        time.sleep(0.01)
    raise AssertionError(f"process {pid} still runs")


def test_what_is_left_in_the_background_is_not_waited_for(world: World) -> None:
    started = time.monotonic()
    pid = world.directory / "pid"
    result = world.ask(shell(f"sleep 20 & echo $! > {pid}; echo done"))
    assert (result.passed, result.detail) == (True, "done")
    assert time.monotonic() - started < 10
    os.kill(int(pid.read_text()), 9)


def test_much_output_is_read_and_only_its_end_is_kept(world: World) -> None:
    line = "yes aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa | head -c 3000000; echo; echo the end"
    assert world.ask(shell(line)).detail == "the end"


def test_a_command_that_closes_its_output_is_still_waited_for(world: World) -> None:
    assert world.ask(shell("exec >&- 2>&-; sleep 0.2; exit 4")).detail == "exit code 4"


def test_output_cannot_steer_the_terminal_and_is_cut(world: World) -> None:
    assert world.ask(shell(r"printf '\033[2Jgone\007'")).detail == "\\x1b[2Jgone\\x07"
    detail = world.ask(shell("head -c 5000 /dev/zero | tr '\\0' a")).detail
    assert len(detail) == 240
    assert detail.endswith("…")


def test_cancelling_kills_the_command_and_passes_through(world: World) -> None:
    policy = world.policy("prod:\n  gates:\n    - " + shell("sleep 60"))
    candidate = world.candidate(policy, "prod")
    candidate.control = Control(cancel=_AfterAWhile())
    with pytest.raises(CancelledError):
        evaluate(gates_of(policy, "prod"), candidate)


class _AfterAWhile(Cancel):
    """A switch that somebody flips while the command runs."""

    def __init__(self) -> None:
        super().__init__()
        self._looks = 0

    @property
    def cancelled(self) -> bool:
        self._looks += 1
        return self._looks > 3
