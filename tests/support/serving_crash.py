"""Run as a script: serves a kit, and dies by SIGKILL at one point after another.

``python serving_crash.py materialize TARGET`` lets a forked child make TARGET/1/churn, TARGET/2/churn, ... of the kit
``churn:1.0`` in the local store. The child kills itself just before its n-th call that changes the file system, until
one comes through unhurt; each time the kit is served there once more. ``mount TARGET BEFORE AFTER`` does so with a
mounted directory in which one kit of a registry is replaced by another. Prints how many deaths there were.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from clients import client
from serving_kits import FLAT, read

import kitops_core as kitops
from kitops_core.events import Control
from kitops_core.serving.lease import Lease, take_turn
from kitops_core.serving.mount import Mount

pass

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
    kitops.materialize(REFERENCE, place / "churn", stale_after=0.1)


def shown(place: Path) -> None:
    """The directory is complete, or is not there."""
    link = place / "churn"
    assert read(link) == FLAT if link.is_symlink() else not os.path.lexists(link)


def clean(place: Path) -> None:
    """Whoever changes the directory next leaves nothing but the release."""
    kitops.materialize(REFERENCE, place / "churn", only=["code"], keep=0, stale_after=0.1)
    assert sorted(os.listdir(place)) == [".churn.kitops", "churn"]
    (release,) = os.listdir(place / ".churn.kitops")
    assert release.startswith("sha256-")
    assert list(read(place / "churn")) == ["src/train.py"]


def materialize_dying(target: Path) -> int:
    """How many points there are to die at."""
    kitops.materialize(REFERENCE, target / "first" / "churn")  # what is imported late is imported now
    count = 0
    died = True
    while died:
        count += 1
        place = target / str(count)
        place.mkdir()
        died = _dying(count, partial(materialize, place))
        shown(place)
        materialize(place)
        assert read(place / "churn") == FLAT
        clean(place)
    return count - 1


def mount(reference: str, place: Path) -> None:
    client().initialize_storage(reference, place, existing="overwrite", stale_after=0.1)


def recovered(place: Path) -> dict[str, str]:
    """What is there when the next process has looked."""
    mounted = Mount(place)

    def recover(lease: Lease, control: Control) -> bool:
        mounted.recover(lease)
        return True

    take_turn(mounted.place, lambda: None, recover, control=Control(), stale_after=0.1)
    return read(place)


def mount_dying(target: Path, before: str, after: str) -> int:
    """How many points there are to die at."""
    mount(before, target / "before")
    mount(after, target / "after")
    count = 0
    died = True
    while died:
        count += 1
        place = target / str(count)
        place.mkdir()
        mount(before, place)
        (place / "mine").write_text("mine")
        (place / "added.json").write_text("in the way")
        whole = [{**read(place)}, {**read(target / "after"), "mine": "mine"}]
        died = _dying(count, partial(mount, after, place))
        assert recovered(place) in whole
        mount(after, place)
        assert read(place) == whole[1]
        assert not (place / ".kitops").exists()
    return count - 1


if __name__ == "__main__":
    run = {"materialize": materialize_dying, "mount": mount_dying}[sys.argv[1]]
    print(run(Path(sys.argv[2]), *sys.argv[3:]))  # type: ignore[operator]
