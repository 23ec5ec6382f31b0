"""Gate ``command``: a program of the user's decides, within a time limit."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import IO, TYPE_CHECKING

from kitops_core.promotion.gate_result import GateResult
from kitops_core.promotion.gates.gate import passed, refused
from kitops_core.wording import duration_text

if TYPE_CHECKING:
    from kitops_core.events import Control
    from kitops_core.promotion.gate_models import Command
    from kitops_core.promotion.gates.candidate import Candidate
    from kitops_core.promotion.policy import PromotionPolicy

_TAIL_BYTES = 64 * 1024
_MAX_PIPE_BYTES = 1024 * 1024
_POLL_SECONDS = 0.05
_OWN_SECRETS = ("COSIGN_PASSWORD",)


@dataclass(frozen=True)
class CommandGate:
    """A command ends with exit code 0."""

    spec: Command
    policy: PromotionPolicy
    kind = "command"

    @property
    def name(self) -> str:
        """What it asks for."""
        return f"command {self.spec.shell or ' '.join(self.spec.run)}"

    def check(self, candidate: Candidate) -> GateResult:
        """Run it. Its last line is the detail."""
        previous = candidate.in_channel(candidate.channel)
        environment = {key: value for key, value in os.environ.items() if key not in _OWN_SECRETS}
        environment |= {
            "KITOPS_DIGEST": candidate.digest,
            "KITOPS_REFERENCE": str(candidate.found.reference.with_digest(candidate.digest)),
            "KITOPS_CHANNEL": candidate.channel,
            "KITOPS_PREVIOUS_DIGEST": previous.digest if previous else "",
        }
        arguments = ["/bin/sh", "-c", self.spec.shell] if self.spec.shell else self.spec.run
        try:
            code, line = _run(arguments, environment, str(self.policy.path("")), self.spec.timeout, candidate.control)
        except subprocess.TimeoutExpired:
            return refused(self, f"still running after {duration_text(self.spec.timeout)}, and was ended")
        except (OSError, ValueError) as error:
            return refused(self, f"cannot be run: {getattr(error, 'strerror', None) or error}")
        if code == 0:
            return passed(self, line)
        how = f"exit code {code}" if code > 0 else f"ended by signal {-code}"
        return refused(self, f"{how}: {line}" if line else how)


def _run(
    arguments: list[str], environment: dict[str, str], directory: str, timeout: timedelta, control: Control
) -> tuple[int, str]:
    """Run a command in a process group of its own, which is killed as a whole at the time limit.

    Raises:
        OSError: It cannot be started.
        subprocess.TimeoutExpired: The time limit was reached.
        CancelledError: The caller asked to stop; the command was killed.
    """
    limit = time.monotonic() + timeout.total_seconds()
    process = subprocess.Popen(
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        cwd=directory,
        start_new_session=True,
    )
    if process.stdout is None:  # for the type checker: the pipe was asked for
        raise ValueError("no output")
    tail = bytearray()
    with process.stdout as output, selectors.DefaultSelector() as selector:
        os.set_blocking(output.fileno(), False)
        selector.register(output, selectors.EVENT_READ)
        try:
            # The command's own end counts, not the pipe's: something it left in the background may hold that open.
            while process.poll() is None:
                control.check()
                if time.monotonic() > limit:
                    raise subprocess.TimeoutExpired(arguments, timeout.total_seconds())
                if not selector.get_map():
                    time.sleep(_POLL_SECONDS)
                elif selector.select(_POLL_SECONDS) and _read(output, tail) == b"":
                    selector.unregister(output)
            for _ in range(_MAX_PIPE_BYTES // _TAIL_BYTES):
                if not _read(output, tail):
                    break
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
    return process.returncode, _last_line(tail)


def _read(output: IO[bytes], tail: bytearray) -> bytes | None:
    """Read what is there, keeping the end of it in ``tail``; ``None`` where nothing is there now."""
    try:
        data = os.read(output.fileno(), _TAIL_BYTES)
    except BlockingIOError:
        return None
    tail += data
    del tail[:-_TAIL_BYTES]
    return data


def _last_line(tail: bytearray) -> str:
    lines = [line.strip() for line in tail.decode("utf-8", "replace").splitlines()]
    return next((line for line in reversed(lines) if line), "")
