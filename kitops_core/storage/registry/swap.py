"""Moving a tag only from where it was expected: as near to compare-and-swap as registries allow.

The distribution spec has no conditional tag update, and the registries in use overlook ``If-Match``. So a swap looks,
writes, waits and looks again. Between its last look and its write another writer can still come; then both have
written, and the wait is what tells the one that was overwritten (Fischer's rule): as long as no writer takes longer
than ``settle`` from its look to its write, whoever is overwritten still watches. A writer that took longer cannot know
whom it overwrote, and warns of that.

Writers that can tell each other beforehand that they are about to write (``alone``) look again at once where there is
no other: each says so before it looks, so of two at once at least one finds the other. Who does leaves the tag to the
other for ``settle`` seconds, and then goes on as above.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kitops_core.errors import CancelledError, IntegrityError, KitOpsError, LostRaceError, RegistryError
from kitops_core.events import Control, Event
from kitops_core.parallel import run_all
from kitops_core.storage.registry.manifests import ManifestApi, RawManifest


def swap(
    manifests: ManifestApi,
    manifest: RawManifest,
    tag: str,
    expected: str,
    settle: float,
    control: Control,
    *,
    writing: Callable[[], None] = lambda: None,
    written: Callable[[], None] = lambda: None,
    alone: Callable[[], bool] | None = None,
) -> None:
    """Point ``tag`` at a manifest if it is at ``expected``; see :meth:`kitops_core.storage.Storage.swap_tag`."""
    attempt = _Swap(manifests, manifest, tag, expected, control)
    nobody_else = attempt.look() if alone is None else attempt.look_around(alone, settle)
    control.check()
    writing()
    if expected != manifest.digest:  # else there is nothing to move, but others may not know who says so
        attempt.write()
    written()
    attempt.watch(settle, wait=not nobody_else or attempt.gap >= settle)


class _DoneError(Exception):
    """The tag is where it should be before it was written again: only the answer was lost."""


class _Swap:
    """One swap: what was seen when."""

    def __init__(
        self, manifests: ManifestApi, manifest: RawManifest, tag: str, expected: str, control: Control
    ) -> None:
        self._manifests = manifests
        self._manifest = manifest
        self._tag = tag
        self._expected = expected
        self._control = control
        self._where = manifests.where(tag)
        self._looked = 0.0
        self._written = 0.0
        self._headers: dict[str, str] = {}

    @property
    def gap(self) -> float:
        """Seconds from the look to the write."""
        return self._written - self._looked

    def look_around(self, alone: Callable[[], bool], settle: float) -> bool:
        """See that the tag is where it was expected, and whether nobody else writes it; wait for who may.

        Raises:
            LostRaceError: The tag is elsewhere, or ``alone`` says that somebody came first.
        """
        looks: list[Callable[[Control], bool]] = [lambda _: self.look(), lambda _: alone()]
        if run_all(looks, self._control, at_once=True)[1]:
            return True
        detail = f"somebody else may be moving it; looking again in {settle:g} s"
        self._control.emit(Event("retry", self._where, detail=detail))
        self._control.sleep(settle)
        run_all(looks, self._control, at_once=True)
        return False

    def look(self, *, again: bool = False) -> bool:
        """See that the tag is where it was expected, before it is written; of others that says nothing.

        Args:
            again: Whether it was written before, without an answer that says so.

        Returns:
            False: whether somebody else writes it cannot be seen.

        Raises:
            LostRaceError: It is not.
            _DoneError: It is where it should be already.
        """
        looked = time.monotonic()
        found, entity_tag = self._manifests.look(self._tag, self._control)
        if again and found == self._manifest.digest:
            raise _DoneError
        if found != self._expected:
            raise LostRaceError.at(self._where, self._expected, found)
        self._looked = self._written = looked
        # Where conditions are kept to, the swap is atomic. A weak entity tag never matches (RFC 9110, 13.1.1).
        strong = entity_tag and not entity_tag.startswith("W/")
        self._headers = {"If-None-Match": "*"} if not found else {"If-Match": entity_tag} if strong else {}
        return False

    def write(self) -> None:
        """Write the tag, looking again before each attempt but the first, which :meth:`look` was for."""
        try:
            self._put()
        except _DoneError:
            pass
        except (LostRaceError, CancelledError, IntegrityError):
            raise
        except KitOpsError as error:
            with self._unless_blind():
                found, _ = self._manifests.look(self._tag, self._control)
            if found == self._expected:
                raise
            if found != self._manifest.digest:
                raise LostRaceError.at(self._where, self._expected, found) from error
        self._written = time.monotonic()

    def _put(self) -> None:
        def look_again() -> None:
            with self._unless_blind():
                self.look(again=True)

        self._manifests.put(
            self._manifest, self._tag, control=self._control, headers=self._headers, before_repeat=look_again
        )

    def watch(self, settle: float, *, wait: bool) -> None:
        """See whether the tag is still ours, once every writer that looked before us has written.

        Args:
            settle: How long that may take.
            wait: Whether there may be such writers.

        Raises:
            LostRaceError: Another writer overwrote it.
            CancelledError: The switch was flipped; the tag may be ours.
        """
        try:
            self._control.sleep(settle - (time.monotonic() - self._written) if wait else 0.0)
        except CancelledError:
            raise CancelledError(f"cancelled after {self._where} was moved to {self._manifest.digest}") from None
        with self._unless_blind():
            found, _ = self._manifests.look(self._tag, self._control)
        if found != self._manifest.digest:
            raise LostRaceError.at(self._where, self._expected, found, "was there, but then overwritten: it is")
        if self.gap >= settle:
            detail = (
                f"moving the tag took {self.gap:.1f} s: a writer that came in between and watched for less "
                "was overwritten without being told (RegistryOptions.settle is how long we watch)"
            )
            self._control.emit(Event("warning", self._where, detail=detail))

    @contextmanager
    def _unless_blind(self) -> Iterator[None]:
        """Say so when the tag was perhaps written and cannot be looked at."""
        try:
            yield
        except (CancelledError, LostRaceError):
            raise
        except KitOpsError as error:
            raise RegistryError(
                f"cannot tell whether {self._where} is at {self._manifest.digest} now: {error.message}",
                hint=error.hint or "look at the tag before trying again",
            ) from error
