"""Every order in which writers of one list of referrers may take their turns: a model of the registry, our own code.

The registry is a dictionary, and each request to it one step; which writer makes the next step is drawn. Writers are
ours, killed at any step, or another tool's, that reads the list, adds to it and writes it, and never looks again.
"""

from __future__ import annotations

import contextlib
import json
import queue
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from blob_tools import fast
from hypothesis import given, settings
from hypothesis import strategies as st

from kitops_core.errors import NotFoundError
from kitops_core.events import Control
from kitops_core.oci.manifest import Descriptor, Manifest, build_manifest, sha256_digest
from kitops_core.oci.media_types import EMPTY_CONFIG, EMPTY_DIGEST, IMAGE_INDEX, IMAGE_MANIFEST
from kitops_core.oci.referrers_tag import fallback_tag
from kitops_core.storage.registry import referrers_list
from kitops_core.storage.registry.manifests import RawManifest
from kitops_core.storage.registry.referrers_list import Referrers

SUBJECT = Descriptor(IMAGE_MANIFEST, sha256_digest(b"kit"), 3)
LIST = fallback_tag(SUBJECT.digest)


def statement(name: str) -> Manifest:
    config = Descriptor(EMPTY_CONFIG, EMPTY_DIGEST, 2)
    return build_manifest(
        artifact_type="text/plain", config=config, layers=[config], annotations={"name": name}, subject=SUBJECT
    )


class Killed(BaseException):
    pass


class Registry:
    """A registry without the referrers API; ``step`` is called before each request."""

    def __init__(self) -> None:
        self.manifests: dict[str, RawManifest] = {}
        self.tags: dict[str, str] = {}
        self.step: Callable[[], None] = lambda: None

    def where(self, target: str) -> str:
        return target

    def fetch(self, target: str) -> RawManifest:
        self.step()
        try:
            return self.manifests[self.tags.get(target, target)]
        except KeyError:
            raise NotFoundError(target) from None

    def put(self, manifest: RawManifest, target: str) -> bool:
        self.step()
        self.manifests[manifest.digest] = manifest
        if target != manifest.digest:
            self.tags[target] = manifest.digest
        return False

    def list_tags(self, endpoint: object, control: Control) -> list[str]:
        self.step()
        return sorted(self.tags)

    def listed(self) -> set[str]:
        """What other tools find."""
        if LIST not in self.tags:
            return set()
        return {entry["digest"] for entry in json.loads(self.manifests[self.tags[LIST]].raw)["manifests"]}

    def referrers(self) -> Referrers:
        transport = SimpleNamespace(options=fast(backoff=1e-6), without_referrers={"registry"})
        endpoint: Any = SimpleNamespace(registry="registry", name="registry/kit", transport=transport)
        manifests: Any = self
        return Referrers(endpoint, manifests, Control())


def other_tool(registry: Registry, manifest: Manifest) -> None:
    """Attach as ``oras`` and ``cosign`` do."""
    registry.put(RawManifest(manifest.raw, manifest.digest, manifest.media_type), manifest.digest)
    try:
        entries = json.loads(registry.fetch(LIST).raw)["manifests"]
    except NotFoundError:
        entries = []
    entries.append(manifest.descriptor.to_dict())
    raw = json.dumps({"schemaVersion": 2, "mediaType": IMAGE_INDEX, "manifests": entries}).encode()
    registry.put(RawManifest(raw, sha256_digest(raw), IMAGE_INDEX), LIST)


class Turns:
    """Lets one thread at a time go on to its next request."""

    def __init__(self, registry: Registry) -> None:
        self._mine = threading.local()
        self._parked: queue.Queue[int] = queue.Queue()
        self._go: dict[int, threading.Semaphore] = {}
        self._kill_at: dict[int, int] = {}
        self._threads: list[threading.Thread] = []
        self.finished: set[int] = set()
        self.errors: list[BaseException] = []
        registry.step = self._step

    def add(self, work: Callable[[], None], kill_at: int = -1) -> None:
        """A thread that does ``work``, killed before its request number ``kill_at``."""
        number = len(self._threads)
        self._go[number] = threading.Semaphore(0)
        self._kill_at[number] = kill_at

        def run() -> None:
            self._mine.number, self._mine.steps = number, 0
            try:
                work()
                self.finished.add(number)
            except Killed:
                pass
            except BaseException as error:
                self.errors.append(error)
            finally:
                self._parked.put(-1)

        self._threads.append(threading.Thread(target=run, daemon=True))

    def run(self, choose: Callable[[list[int]], int]) -> None:
        """Until all are done, ``choose`` who is next."""
        waiting: list[int] = []
        for thread in self._threads:
            thread.start()
            self._wait(waiting)
        while waiting:
            number = choose(sorted(waiting))
            waiting.remove(number)
            self._go[number].release()
            self._wait(waiting)
        for thread in self._threads:
            thread.join()
        assert self.errors == []

    def _wait(self, waiting: list[int]) -> None:
        number = self._parked.get(timeout=30)
        if number >= 0:
            waiting.append(number)

    def _step(self) -> None:
        number = getattr(self._mine, "number", None)
        if number is None:
            return
        if self._mine.steps == self._kill_at[number]:
            raise Killed
        self._mine.steps += 1
        self._parked.put(number)
        self._go[number].acquire()


@pytest.fixture(autouse=True, scope="module")
def _processes() -> Iterator[None]:
    """Writers are processes of their own here, which do not wait for each other, and read one by one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(referrers_list, "_turn", lambda where: contextlib.nullcontext())
        patch.setattr(referrers_list, "run_all", lambda tasks, control, **_: [task(control) for task in tasks])
        patch.setattr(referrers_list, "list_tags", lambda endpoint, control: CURRENT[0].list_tags(endpoint, control))
        yield


CURRENT: list[Registry] = [Registry()]


def play(ours: list[int], others: int, data: st.DataObject) -> tuple[Registry, set[str], set[str]]:
    """Run writers in a drawn order.

    Args:
        ours: When each of our writers is killed, -1 for never.
        others: How many writers of another tool there are.
        data: What the order is drawn from.

    Returns:
        The registry, what our writers say that they attached, and what the other tool's did.
    """
    registry = CURRENT[0] = Registry()
    turns = Turns(registry)
    manifests = [statement(f"ours {index}") for index in range(len(ours))]
    for manifest, kill_at in zip(manifests, ours, strict=True):
        turns.add(lambda manifest=manifest: registry.referrers().put([manifest]), kill_at)  # type: ignore[misc]
    theirs = [statement(f"theirs {index}") for index in range(others)]
    for manifest in theirs:
        turns.add(lambda manifest=manifest: other_tool(registry, manifest))  # type: ignore[misc]
    turns.run(lambda waiting: data.draw(st.sampled_from(waiting)))
    registry.step = lambda: None
    attached = {manifest.digest for index, manifest in enumerate(manifests) if index in turns.finished}
    return registry, attached, {manifest.digest for manifest in theirs}


def found(registry: Registry) -> set[str]:
    return {descriptor.digest for descriptor in registry.referrers().of(SUBJECT.digest)}


@settings(max_examples=60)
@given(st.integers(2, 4), st.data())
def test_when_all_writers_are_done_the_list_names_what_each_of_them_attached(number: int, data: st.DataObject) -> None:
    registry, attached, _ = play([-1] * number, 0, data)
    assert len(attached) == number
    assert registry.listed() == attached
    assert found(registry) == attached


@settings(max_examples=60)
@given(st.lists(st.integers(-1, 9), min_size=2, max_size=4), st.data())
def test_what_was_attached_is_found_whoever_was_killed_meanwhile_and_the_next_writer_lists_it(
    ours: list[int], data: st.DataObject
) -> None:
    registry, attached, _ = play(ours, 0, data)
    assert attached <= found(registry)
    assert registry.listed() <= found(registry)
    last = statement("the next")
    registry.referrers().put([last])
    assert registry.listed() == found(registry) >= {*attached, last.digest}


@settings(max_examples=60)
@given(st.lists(st.integers(-1, 9), min_size=1, max_size=3), st.integers(1, 2), st.data())
def test_what_was_attached_is_found_whatever_another_tool_writes_meanwhile(
    ours: list[int], others: int, data: st.DataObject
) -> None:
    registry, attached, theirs = play(ours, others, data)
    assert attached <= found(registry)
    before = registry.listed()
    last = statement("the next")
    registry.referrers().put([last])
    assert registry.listed() >= {*attached, last.digest, *(before & theirs)}
