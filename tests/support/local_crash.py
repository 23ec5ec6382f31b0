"""Run as a script: does something to copies of a store, and dies by SIGKILL at one point after another.

``python local_crash.py TEMPLATE SCENARIO TARGET`` copies the home TEMPLATE to TARGET/1, TARGET/2, ... and lets a forked
child run SCENARIO on each. The child kills itself just before its n-th call that changes the file system, or in the
middle of a write, until one comes through unhurt.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local_kits import StreamSource, put_kit, put_referrer

from kitops_core.events import Control
from kitops_core.storage.local import LocalRepository, LocalStore, collect_garbage

NAME = "localhost/kit"
CHANGING = ("open", "write", "fchmod", "replace", "link", "unlink", "mkdir")


def repository(home: Path) -> LocalRepository:
    """The repository all scenarios work on."""
    return LocalRepository(LocalStore(home, fsync=False), NAME)


def prepare(home: Path) -> None:
    """The store they start from: a kit that nobody touches, one to be moved from and deleted, and garbage."""
    kit = repository(home)
    put_kit(kit, "keep", "also-keep", model=b"keep")
    put_kit(kit, "old", "moving", model=b"old")
    put_referrer(kit, kit.resolve("keep"), b"signature")
    kit.write_blob(StreamSource(b"garbage"), Control())
    kit.close()


def _delete(home: Path) -> None:
    kit = repository(home)
    kit.delete(kit.resolve("old").digest)


def _referrer(home: Path) -> None:
    kit = repository(home)
    put_referrer(kit, kit.resolve("old"), b"another signature")


def _tag_referrer(home: Path) -> None:
    kit = repository(home)
    kit.tag(kit.referrers(kit.resolve("keep").digest)[0], "signature")


SCENARIOS: dict[str, Callable[[Path], object]] = {
    "new": lambda home: put_kit(repository(home), "new", "new-too", model=b"new" * 1000),
    "move": lambda home: put_kit(repository(home), "moving", model=b"moved" * 1000),
    "tag": lambda home: repository(home).tag(repository(home).resolve("old"), "new"),
    "untag": lambda home: repository(home).untag("moving"),
    "by-digest": lambda home: put_kit(repository(home), model=b"untagged"),
    "delete": _delete,
    "referrer": _referrer,
    "tag-referrer": _tag_referrer,
    "gc": lambda home: collect_garbage(LocalStore(home, fsync=False), 0),
}


def arm(fatal: int) -> None:
    """Make this process kill itself at its ``fatal``-th step."""
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1
        if steps == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    def wrap(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*args: Any, **kwargs: Any) -> Any:
            if name == "open" and not args[1] & os.O_CREAT:
                return real(*args, **kwargs)
            step()
            if name == "write" and steps == fatal - 1:
                real(args[0], args[1][: len(args[1]) // 2])
                step()
            return real(*args, **kwargs)

        return changed

    for name in CHANGING:
        setattr(os, name, wrap(name, getattr(os, name)))


def main(template: Path, scenario: str, target: Path) -> None:
    """Kill at one point after another; prints how many there are."""
    for fatal in range(1, 1000):
        home = target / str(fatal)
        shutil.copytree(template, home)
        child = os.fork()
        if not child:
            arm(fatal)
            SCENARIOS[scenario](home)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        if not os.WIFSIGNALED(status):
            assert os.WEXITSTATUS(status) == 0
            print(fatal - 1)
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
