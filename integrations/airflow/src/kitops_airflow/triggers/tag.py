"""The trigger that waits for a tag to move."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.providers.common.compat.sdk import conf
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS
from airflow.triggers.base import TriggerEvent

if AIRFLOW_V_3_0_PLUS:  # common-compat has it from 1.16 on
    from airflow.triggers.base import BaseEventTrigger
else:
    from airflow.triggers.base import BaseTrigger as BaseEventTrigger  # type: ignore[assignment]

DEFAULT_POLL_SECONDS = 60.0
LONGEST_WAIT_SECONDS = 600.0


class ModelKitTagTrigger(BaseEventTrigger):
    """Looks at a tag, and fires with the kit's record when it points at another digest than before.

    A tag that does not exist is waited for. A registry that fails, refuses or asks for patience is asked again, each
    time after twice as long, up to ten minutes; the trigger never ends for that. The triggers of one triggerer that
    watch one tag with one connection and one interval look at it together, once an interval.

    As an asset's watcher it goes on for ever. From Airflow 3.3 on it remembers in the asset's state store which digest
    it told of last, so a restart of the triggerer makes no second event and misses none. Before 3.3 nothing is
    remembered: after a restart the digest that the tag has then makes an event again, and who consumes it must go by
    the digest; ``emit_initial=False`` leaves that event out, and with it a move that happened while no triggerer ran.
    Moves that follow each other within one interval are one event. An event that was sent just before a triggerer died
    may come twice.

    Args:
        reference: ``registry/repository:tag``.
        kitops_conn_id: The connection; the trigger's row in the database has its id only, never a secret.
        poll_interval: Seconds between two looks; by default ``[kitops] poll_interval``.
        since_digest: The digest that is known already.
        emit_initial: Whether the first digest ever seen makes an event.
        watched_asset: Name of the asset that is watched; it keeps two assets from sharing one trigger.
    """

    def __init__(
        self,
        reference: str,
        kitops_conn_id: str = "kitops_default",
        poll_interval: float | None = None,
        since_digest: str = "",
        emit_initial: bool = True,
        watched_asset: str = "",
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.reference = reference
        self.kitops_conn_id = kitops_conn_id
        self.poll_interval = poll_interval
        self.since_digest = since_digest
        self.emit_initial = emit_initial
        self.watched_asset = watched_asset

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class and arguments, as the database keeps them."""
        names = ("reference", "kitops_conn_id", "poll_interval", "since_digest", "emit_initial", "watched_asset")
        return "kitops_airflow.triggers.tag.ModelKitTagTrigger", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look at the tag until told to stop."""
        from kitops_airflow.triggers import shared

        if self.watched_asset and self._store is None:
            self.log.warning(
                "%s: this Airflow has no asset state store, which came with 3.3: after a restart of the triggerer %s",
                self.reference,
                "the digest of that time makes an event again" if self.emit_initial else "a move may have been missed",
            )
        seen: str | None = None
        emit = self.emit_initial
        failures = 0
        while True:
            try:
                if seen is None:
                    seen = await self._remembered()
                    emit = emit or bool(seen)
                found = await shared.look(self.kitops_conn_id, self.reference, self._wait)
                if found.error is not None:
                    self.log.warning("%s: %s; next look in %.0f s", self.reference, found.error, found.due)
                    await asyncio.sleep(found.due)
                    continue
                digest, wait = found.found or "", found.due
                if digest and digest != seen and emit:
                    record = await shared.record(self.kitops_conn_id, self.reference, digest, seen)
                    yield TriggerEvent(record)  # type: ignore[no-untyped-call]
                if digest and digest != seen:
                    await self._remember(digest)
                    seen = digest
                emit = emit or bool(digest)
                failures = 0
            except Exception as error:  # a trigger that raises is started again at once, and would hammer the registry
                failures += 1
                shared.forget(self.kitops_conn_id)
                wait = self._wait(failures)
                self.log.warning("%s: %s; next look in %.0f s", self.reference, error, wait)
            await asyncio.sleep(wait)

    async def _remembered(self) -> str:
        if self._store is None:
            return self.since_digest
        return str(await self._store.aget(self._key) or self.since_digest)

    async def _remember(self, digest: str) -> None:
        if self._store is not None:
            await self._store.aset(self._key, digest)

    @property
    def _store(self) -> Any:
        """The watched asset's state store; ``None`` for a sensor's trigger, and before Airflow 3.3."""
        return getattr(self, "asset_state_store", None)

    @property
    def _key(self) -> str:
        return f"kitops.digest.{self.reference.rpartition(':')[2]}"

    def _wait(self, failures: int) -> float:
        interval = self.poll_interval
        if interval is None:
            interval = conf.getfloat("kitops", "poll_interval", fallback=DEFAULT_POLL_SECONDS)
        return min(float(interval) * 2.0**failures, max(LONGEST_WAIT_SECONDS, float(interval)))
