"""Run as a script: serves a kit, and dies by SIGKILL at one point after another.

``python serving_crash.py TARGET`` lets a forked child serve the kit ``churn:1.0`` of the local store to TARGET/1,
TARGET/2, ... The child kills itself just before its n-th call that changes the file system, until one comes through
unhurt; each time the kit is served there once more. Prints how many deaths there were.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from serving_kits import FLAT, read

import kitops_core as kitops

REFERENCE = "churn:1.0"
CHANGING = {"os.mkdir", "os.rename", "os.symlink", "os.remove", "os.rmdir", "os.utime", "os.chmod"}


def _dying(count: int, serve: Callable[[], object]) -> bool:
    """Serve in a child that dies at a call; whether it did."""
    child = os.fork()
    if not child:
        left = [count]

        def hook(event: str, args: tuple[object, ...]) -> None:
            writes = event == "open" and isinstance(args[2], int) and args[2] & (os.O_CREAT | os.O_WRONLY)
            if event in CHANGING or writes:
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        serve()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0, status
    return os.WIFSIGNALED(status)


def materialize(place: Path) -> None:
    kitops.materialize(REFERENCE, place / "churn", stale_after=0.3)


def shown(place: Path) -> None:
    """The directory is complete, or is not there."""
    link = place / "churn"
    assert read(link) == FLAT if link.is_symlink() else not os.path.lexists(link)


def clean(place: Path) -> None:
    """Whoever changes the directory next leaves nothing but the release."""
    kitops.materialize(REFERENCE, place / "churn", only=["code"], keep=0, stale_after=0.3)
    assert sorted(os.listdir(place)) == [".churn.kitops", "churn"]
    (release,) = os.listdir(place / ".churn.kitops")
    assert release.startswith("sha256-")
    assert list(read(place / "churn")) == ["src/train.py"]


def main(target: Path) -> None:
    kitops.materialize(REFERENCE, target / "first" / "churn")  # what is imported late is imported now
    count = 0
    while True:
        count += 1
        place = target / str(count)
        place.mkdir()
        died = _dying(count, partial(materialize, place))
        shown(place)
        materialize(place)
        assert read(place / "churn") == FLAT
        clean(place)
        if not died:
            print(count - 1)
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
