"""Workers that share nothing, on one machine: each has a home, a store, temporary files and a working directory.

As root, and wherever else Linux allows it, each lives in namespaces of its own. Its files are at the same paths as
those of the others and are not theirs, as on machines of one image; the folders of the others are empty there; and when
its first process is killed all of its processes are gone at once, as when a machine loses its power.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

_APART = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
_KEPT = ("LANG", "LC_ALL", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "TZ")
_SCRIPT = """set -e
mount --bind {root} {here}
for other in {others}; do mount -t tmpfs -o ro none "$other"; done
cd {here}/work
{bare}exec "$@"
"""
NOBODY = 54321
# The files of the system are closed to other users here and there, so it is root who has another number inside.
_BARE = f"""mount -o remount,bind,ro /
mount -o remount,bind,ro /tmp 2>/dev/null || true  # where it is a file system of its own
cd {{here}}/work
set -- unshare --user --map-user={NOBODY} --map-group={NOBODY} "$@"
"""


class Machine:
    """One of several workers.

    Args:
        root: Its folder; all that it has is below.
        others: The folders of the other ones.
        environment: What every program on it is told besides.
        bare: Whether its user has no name, no home and no place to write but its folder, which no program is told of.

    Attributes:
        home: Its user's directory, as it is seen from outside.
        here: Its folder, as its programs see it.
        environment: What its programs are told.
    """

    def __init__(
        self, root: Path, others: Sequence[Path], environment: Mapping[str, str], *, bare: bool = False
    ) -> None:
        self.name = root.name
        self.root = root
        self.home, self.work = root / "home", root / "work"
        for directory in (self.home, self.work, root / "tmp"):
            directory.mkdir(parents=True)
        self.here = root.parent / "here" if apart() else root
        self.here.mkdir(exist_ok=True)
        self.environment = {
            **{key: os.environ[key] for key in _KEPT if key in os.environ},
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            **({} if bare else self._places()),
            **environment,
        }
        self._bare = bare
        self._others = others
        self._processes: list[subprocess.Popen[bytes]] = []

    def _places(self) -> dict[str, str]:
        home = self.here / "home"
        return {"HOME": str(home), "KITOPS_HOME": str(home / "kits"), "TMPDIR": str(self.here / "tmp")}

    @property
    def log(self) -> str:
        """What its programs have said."""
        path = self.root / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Start a program on it; what it says goes to :attr:`log`."""
        with (self.root / "log").open("ab") as log:
            process = subprocess.Popen(
                self._here(command),
                env=self.environment,
                cwd=self.work,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def run(self, *command: str, timeout: float = 240) -> str:
        """Run a program on it to its end; gives what it printed."""
        done = subprocess.run(
            self._here(command), env=self.environment, cwd=self.work, capture_output=True, text=True, timeout=timeout
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @property
    def running(self) -> bool:
        """Whether all that was started on it still runs."""
        return all(process.poll() is None for process in self._processes)

    def lose_power(self) -> None:
        """SIGKILL for every process on it, at once."""
        for process in self._processes:
            below = [] if apart() else _below(process.pid)
            for pid in (process.pid, *below):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()
        self._processes.clear()

    def _here(self, command: Sequence[str]) -> list[str]:
        if not apart():
            return [*command]
        others = shlex.join(map(str, self._others))
        here = shlex.quote(str(self.here))
        bare = _BARE.format(here=here) if self._bare else ""
        script = _SCRIPT.format(root=shlex.quote(str(self.root)), here=here, others=others, bare=bare)
        return [*_APART, "sh", "-c", script, "sh", *command]


@contextmanager
def machines(
    root: Path, *names: str, environment: Mapping[str, str], bare: Sequence[str] = ()
) -> Iterator[dict[str, Machine]]:
    """Machines by name, which lose their power when the block ends.

    Args:
        root: An empty folder for all of them.
        names: What they are called.
        environment: What every program on them is told besides.
        bare: Further ones, whose user has nothing; see :class:`Machine`.
    """
    roots = [root / name for name in (*names, *bare)]
    there = {
        own.name: Machine(own, [other for other in roots if other != own], environment, bare=own.name in bare)
        for own in roots
    }
    try:
        yield there
    finally:
        for machine in there.values():
            machine.lose_power()


@cache
def apart() -> bool:
    """Whether this user may make namespaces."""
    try:
        return subprocess.run([*_APART, "true"], capture_output=True).returncode == 0
    except OSError:
        return False


def _below(pid: int) -> list[int]:
    """The processes that a process started, and those that they started, whatever groups they are in."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout.split()
    parents = dict(zip(map(int, listed[::2]), map(int, listed[1::2]), strict=True))
    found = [pid]
    for parent in found:
        found += [child for child, of in parents.items() if of == parent]
    return found[1:]
