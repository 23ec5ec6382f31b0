"""How long a server that is away, or asks to be left alone, is waited for: by time, not by count."""

from __future__ import annotations

import time
from typing import TypeVar

from kitops_core.errors import KitOpsError
from kitops_core.events import Control, Event
from kitops_core.storage.registry.failures import LostError
from kitops_core.storage.registry.options import RegistryOptions

_LONGEST_WAIT = 10.0
"""Seconds between two attempts at most, unless the server asks for more: it may be back any time."""
_REMIND_EVERY = 5.0

E = TypeVar("E", bound=KitOpsError)


class Backoff:
    """One server's outage, waited for until ``keep_trying`` seconds of the options have passed since it began.

    The waits between attempts have full jitter below a bound that doubles, and are never shorter than the server asks
    for. What is waited for is said every few seconds, once for all that wait for it.

    Args:
        options: How long to try.
        control: Where waiting is reported, and what ends it.
        server: Who does not answer, as messages call it.
        keep_trying: Seconds to keep trying, where they differ from the options; 0 never waits.
    """

    def __init__(
        self, options: RegistryOptions, control: Control, server: str, keep_trying: float | None = None
    ) -> None:
        self._first = options.backoff
        self._keep_trying = options.keep_trying if keep_trying is None else keep_trying
        self._control = control
        self._server = server
        self._began = 0.0
        self._attempts = 0
        self._asked = 0.0

    def wait(self, problem: str, *, at_least: float = 0.0, least: int = 0) -> bool:
        """Sleep before the next attempt; false when it is time to give up.

        Args:
            problem: What the server does, as in "registry.example.com <problem>": ``answers 503``.
            at_least: Seconds the server asked for. Where they are more than are left, there is no use in waiting.
            least: How many further attempts are made however long each takes: sending a large blob takes longer than
                any outage.

        Raises:
            CancelledError: The switch was flipped.
        """
        self._control.check()
        now = time.monotonic()
        if not self._attempts:
            self._began = now
        self._asked = at_least
        left = self._began + self._keep_trying - now
        if at_least > left or (left <= 0 and self._attempts >= least) or self._keep_trying == 0:
            return False
        bound = min(self._first * 2 ** min(self._attempts, 20), _LONGEST_WAIT)
        seconds = up_to(bound)
        if left > 0:
            seconds = min(seconds, left)
        self._attempts += 1
        self._sleep(problem, max(seconds, at_least))
        return True

    def wait_after(self, broken: LostError) -> bool:
        """As :meth:`wait`, after no answer came; at once false where trying again cannot help."""
        return not broken.lasting and self.wait(f"does not answer: {broken.problem}")

    def over(self) -> None:
        """The server answers as it should: what fails from now on is another outage."""
        self._attempts = 0

    def last(self, error: E) -> E:
        """The error to give up with, its hint telling how long was waited, or why not."""
        if self._attempts:
            said = f"it was tried again for {time.monotonic() - self._began:.0f} s"
        elif self._asked > self._keep_trying > 0:
            said = f"the server asks to wait {self._asked:.0f} s, longer than we keep trying"
        else:
            return error
        error.hint = f"{error.hint}; {said}" if error.hint else said
        return error

    def _sleep(self, problem: str, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            said = f"{left:.0f} s" if left > 0.9 else "less than a second"
            event = Event("retry", self._server, detail=f"{self._server} {problem}; trying again in {said}")
            self._control.remind(self._server, _REMIND_EVERY, event)
            self._control.sleep(min(left, _REMIND_EVERY))


def up_to(bound: float) -> float:
    """A wait of any length below a bound."""
    from random import uniform  # few ever wait

    return uniform(0, bound)  # noqa: S311 - spreads clients out, guards nothing
