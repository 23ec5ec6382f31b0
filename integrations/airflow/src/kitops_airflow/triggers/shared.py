"""What the triggers of one triggerer share: a client for each connection, and one look at a tag for each interval."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from kitops_core import NotFoundError
from kitops_core.orchestrate.looks import Look, Looks
from kitops_core.orchestrate.metadata import record_metadata

if TYPE_CHECKING:
    from kitops_airflow.hooks.kitops import KitOpsHook
    from kitops_core import ModelKitRecord

T = TypeVar("T")
R = TypeVar("R")
_HOOKS: dict[str, KitOpsHook] = {}
_DIGESTS: Looks[str] = Looks()
_RECORDS: Looks[ModelKitRecord] = Looks(most=100)
_UNDER_WAY: dict[Hashable, asyncio.Task[Any]] = {}


async def look(conn_id: str, reference: str, wait: Callable[[int], float]) -> Look[str]:
    """What a tag points at, empty where there is none, and when to come back.

    Args:
        conn_id: The connection.
        reference: The tag's reference.
        wait: Seconds that a look stands, by how many failed in a row.
    """
    hook = await _hook(conn_id)
    client, name = hook.get_conn(), str(hook.reference(reference))

    def ask() -> str:
        try:
            return client.resolve(name, where="registry")
        except NotFoundError:
            return ""

    found = await _together(_DIGESTS, (conn_id, name, wait(0)), ask, wait)
    if found.error is not None:
        forget(conn_id)
    return found


async def record(conn_id: str, reference: str, digest: str, previous: str) -> dict[str, Any]:
    """The record of the kit that a tag points at, as an operator would have written it."""
    hook = await _hook(conn_id)
    client, tagged = hook.get_conn(), hook.reference(reference)

    def ask() -> ModelKitRecord:
        with client.open(str(tagged.with_digest(digest)), where="registry") as kit:
            return kit.record()

    key = (conn_id, str(tagged), digest)
    found = await _together(_RECORDS, key, ask, lambda failures: 0.0 if failures else float("inf"))
    if found.found is None:
        raise found.error or NotFoundError(f"{tagged}@{digest} does not exist")
    tag = tagged.target
    return record_metadata(
        replace(
            found.found,
            reference=str(tagged.with_tag(tag)),
            tag=tag,
            tags=(tag,),
            changed=True,
            previous_digest=previous,
        )
    )


def forget(conn_id: str) -> None:
    """Look the connection up anew the next time: it may have been changed meanwhile."""
    _HOOKS.pop(conn_id, None)


async def _together(looks: Looks[T], key: Hashable, ask: Callable[[], T], wait: Callable[[int], float]) -> Look[T]:
    """A look in a thread, one for all triggers that want it at the same time: threads are few."""
    return await _once(key, lambda: asyncio.to_thread(looks.look, key, ask, wait))


async def _hook(conn_id: str) -> KitOpsHook:
    from kitops_airflow.hooks.kitops import KitOpsHook

    async def load() -> KitOpsHook:
        hook = KitOpsHook(conn_id, keep_trying=0)
        await hook.aload()
        _HOOKS[conn_id] = hook
        return hook

    known = _HOOKS.get(conn_id)
    return known if known is not None else await _once(conn_id, load)


async def _once(key: Hashable, begin: Callable[[], Coroutine[Any, Any, R]]) -> R:
    """What somebody has begun to wait for already, or what is begun now."""
    task = _UNDER_WAY.get(key)
    if task is None or task.get_loop() is not asyncio.get_running_loop():
        task = asyncio.ensure_future(begin())
        task.add_done_callback(lambda _: _UNDER_WAY.pop(key, None))
        _UNDER_WAY[key] = task
    result: R = await asyncio.shield(task)
    return result
