"""Whose turn it is to write to a directory that processes on several machines share.

Only what every file system does atomically is used, a rename, and the time of a file's last change: ``flock`` does not
reach other machines on all network file systems. The lock is a directory with one file, named after its holder, who
touches it now and then. Who waits and sees no touch for ``stale_after`` seconds of its own clock takes the lock over;
no two clocks are ever compared.

filelock's ``SoftFileLease`` waits by the same rule, but takes an expired lease over only by an atomic exchange of two
names, which network file systems refuse: there the lease of a machine that died is never taken over, and the volumes
this is for are network file systems.

A holder that stood still for longer (a frozen machine) may find itself replaced. So the lock only saves work: what it
guards must be put in place atomically by itself, and is harmless when it is done twice.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from kitops_core.errors import KitOpsError, StoreError
from kitops_core.events import Cancel, Control, Event

STALE_SECONDS = 30.0
"""How long a lock must go untouched before it is taken over."""

_TOUCHES = 6
"""How often a lock is touched within the time after which it is stale."""
_POLL_SECONDS = 0.25
_CACHED_SECONDS = 60.0
_IN_THE_WAY = (errno.ENOTEMPTY, errno.EEXIST)

T = TypeVar("T")


class Lease:
    """The lock, held. Made by :func:`take_turn`.

    Attributes:
        token: A name that no other holder has.
        lost: Flipped when another process took the lock over.
    """

    def __init__(self, directory: Path, token: str, stale_after: float) -> None:
        self.token = token
        self.lost = Cancel()
        self._directory = directory
        self._file = directory / "lock" / token
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._touch, args=(stale_after / _TOUCHES,), daemon=True)
        self._thread.start()

    def _touch(self, seconds: float) -> None:
        while not self._stop.wait(seconds):
            try:
                os.utime(self._file)
            except (FileNotFoundError, NotADirectoryError):
                self.lost.cancel()
                return
            except OSError:  # a server that does not answer now may do so the next time
                continue

    def sweep(self, *prefixes: str) -> None:
        """Remove what dead holders left beside the lock: everything whose name starts so and does not have our token.

        The takings-over of others that are under way are disturbed at most: they try again.
        """
        with contextlib.suppress(OSError), os.scandir(self._directory) as entries:
            for entry in entries:
                if entry.name.startswith((*prefixes, "claim-", "dead-")) and self.token not in entry.name:
                    remove_tree(Path(entry.path))

    def release(self) -> None:
        """Let go. The lock of whoever took over meanwhile is not touched: only our own file is removed by its name."""
        self._stop.set()
        self._thread.join()
        with contextlib.suppress(OSError):
            self._file.unlink()
            self._file.parent.rmdir()


def take_turn(
    directory: Path,
    ready: Callable[[], T | None],
    work: Callable[[Lease, Control], T],
    *,
    control: Control,
    stale_after: float = STALE_SECONDS,
) -> T:
    """Do some work as the only one of several processes, unless another has done it meanwhile.

    Args:
        directory: Where the lock lies; made if missing, removed if it is empty in the end.
        ready: Gives the result where it is there already, else ``None``; asked again while others are at work.
        work: Does the work. Its control also stops when the lock was lost.
        control: Cancelling, and where waiting is told.
        stale_after: Seconds.

    Raises:
        StoreError: The directory cannot be written.
        CancelledError: Cancelled while waiting.
    """
    watch = _Watch(directory / "lock", stale_after)
    while True:
        result = ready()
        if result is not None:
            return result
        lease = _take(directory, watch, stale_after)
        if lease is None:
            watch.tell(control)
            control.sleep(min(_POLL_SECONDS, stale_after / 4))
            continue
        try:
            return work(lease, control.linked(lease.lost))
        except KitOpsError:
            control.check()
            if not lease.lost.cancelled:
                raise
            detail = f"stood still for more than {stale_after:g} s, and another process took over: waiting for it"
            control.emit(Event("warning", directory.name, detail=detail))
        finally:
            lease.release()
            with contextlib.suppress(OSError):
                directory.rmdir()


class _Watch:
    """What a waiting process saw of the lock, and since when."""

    def __init__(self, lock: Path, stale_after: float) -> None:
        self._lock = lock
        self._stale_after = stale_after
        self._seen: tuple[str, int] = ("", 0)
        self._since = 0.0
        self._told = ""
        self._refused = 0.0

    def holder(self) -> str:
        """The token in the lock; empty where there is none. Opened, because that looks past a client's cache."""
        try:
            token = next((name for name in sorted(os.listdir(self._lock)) if not name.startswith(".")), "")
            if not token:
                return ""
            fd = os.open(self._lock / token, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ESTALE):
                return ""
            raise
        with contextlib.closing(os.fdopen(fd)) as file:
            seen = (token, os.fstat(file.fileno()).st_mtime_ns)
        if seen != self._seen:
            self._seen, self._since = seen, time.monotonic()
        return token

    def is_stale(self) -> bool:
        """Whether the lock went untouched for too long; to be asked just after :meth:`holder`."""
        return time.monotonic() - self._since > self._stale_after

    def bears(self) -> bool:
        """Whether to try again where a lock cannot be taken and none is seen.

        Network file systems have errors of their own for what is in the way, and show a directory as it was up to a
        minute ago.
        """
        if not self._refused:
            self._refused = time.monotonic()
        return time.monotonic() - self._refused < _CACHED_SECONDS

    def tell(self, control: Control) -> None:
        """Say once whom we wait for."""
        token = self._seen[0]
        if token and token != self._told:
            self._told = token
            try:
                who = json.loads((self._lock / token).read_text())
                name = f"process {who['pid']} on {who['host']}"
            except (OSError, ValueError, KeyError, TypeError):
                name = "another process"
            control.emit(Event("warning", self._lock.parent.name, detail=f"waiting for {name}, which is fetching"))


def _take(directory: Path, watch: _Watch, stale_after: float) -> Lease | None:
    """Take the lock where it is free or stale."""
    token = secrets.token_hex(8)
    claim = directory / f"claim-{token}"
    with writing(directory):
        holder = watch.holder()
        if holder and (not watch.is_stale() or not _bury(directory, holder)):
            return None
        try:
            if not _claim(directory, claim, watch):
                return None
        finally:
            remove_tree(claim)
    return Lease(directory, token, stale_after)


def _claim(directory: Path, claim: Path, watch: _Watch) -> bool:
    """Make a directory with one file, named after its holder, and make it the lock by a rename; true when it is."""
    try:
        make_shared(directory)
        make_shared(claim)
        said = json.dumps({"host": socket.gethostname(), "pid": os.getpid()})
        (claim / claim.name.removeprefix("claim-")).write_text(said)
    except OSError as error:  # whoever has the lock sweeps
        if error.errno == errno.ENOENT or (error.errno == errno.ESTALE and watch.bears()):
            return False
        raise
    try:
        os.rename(claim, directory / "lock")  # only onto nothing, or onto an empty directory
    except OSError as error:
        if error.errno in (errno.ENOENT, *_IN_THE_WAY) or watch.holder() or watch.bears():
            return False
        raise
    return True


def _bury(directory: Path, token: str) -> bool:
    """Move a stale lock away; only one process can, for the grave's name is the dead one's and it is not empty."""
    grave = directory / f"dead-{token}"
    try:
        os.rename(directory / "lock", grave)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno in _IN_THE_WAY or grave.is_dir():
            return False
        raise
    if token in os.listdir(grave):
        return True
    with contextlib.suppress(OSError):  # it was released just now, and this is the lock of the next one: give it back
        os.rename(grave, directory / "lock")
    return False


def make_shared(directory: Path) -> None:
    """Make a directory and its parents; whoever may write its parent may write it, as on a volume of several pods."""
    if directory.is_dir():
        return
    if not directory.parent.is_dir():
        make_shared(directory.parent)
    with contextlib.suppress(FileExistsError):
        directory.mkdir()
        shared = directory.parent.stat().st_mode & 0o022
        mode = directory.stat().st_mode
        if shared & ~mode:
            directory.chmod(mode | shared)


def remove_tree(path: Path) -> None:
    """Remove a directory, a file or a link of ours; what cannot be removed stays for the next sweep."""
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an ``OSError`` into a :class:`StoreError` that names the directory and says what to do."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        hints = {
            errno.ENOSPC: "free some space there, or use a larger volume",
            errno.EDQUOT: "free some space there, or use a larger volume",
            errno.EACCES: "let this user write there, or use another directory",
            errno.EPERM: "let this user write there, or use another directory",
            errno.EROFS: "mount the volume for writing, or use another directory",
        }
        raise StoreError(f"cannot write in {path}: {reason}", hint=hints.get(error.errno or 0, "")) from None
