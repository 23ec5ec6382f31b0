"""Whatever is done in whatever order, tags behave like a dictionary, in the store and in a layout."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from local_kits import blob_digests, put_kit, read_kit

from kitops_core.errors import NotFoundError
from kitops_core.oci.manifest import Manifest
from kitops_core.storage.local import LayoutRepository, LocalRepository, LocalStore, collect_garbage

TAGS = st.sampled_from(["a", "b", "c"])
KITS = st.integers(0, 3)


class TagsLikeADictionary(RuleBasedStateMachine):
    """One repository against a dictionary of tags and a set of known kits."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.storage = self.open()
        self.tags: dict[str, str] = {}
        self.known: set[str] = set()
        self.manifests: dict[int, Manifest] = {}
        self.put(3, set())

    def open(self) -> LocalRepository | LayoutRepository:
        return LocalRepository(LocalStore(self.directory, fsync=False), "localhost/kit")

    def teardown(self) -> None:
        self.storage.close()
        shutil.rmtree(self.directory)

    @rule(kit=KITS, tags=st.sets(TAGS, max_size=2))
    def put(self, kit: int, tags: set[str]) -> None:
        manifest = put_kit(self.storage, *sorted(tags), model=b"%d" % kit)
        self.manifests[kit] = manifest
        self.known.add(manifest.digest)
        self.tags |= dict.fromkeys(tags, manifest.digest)

    @rule(kit=KITS, tag=TAGS)
    def tag(self, kit: int, tag: str) -> None:
        manifest = self.manifests.get(kit)
        if manifest is None:
            return
        if manifest.digest in self.known:
            self.storage.tag(manifest.descriptor, tag)
            self.tags[tag] = manifest.digest
        else:
            with pytest.raises(NotFoundError):
                self.storage.tag(manifest.descriptor, tag)

    @rule(tag=TAGS)
    def untag(self, tag: str) -> None:
        if self.tags.pop(tag, None):
            self.storage.untag(tag)
        else:
            with pytest.raises(NotFoundError):
                self.storage.untag(tag)

    @rule(kit=KITS)
    def delete(self, kit: int) -> None:
        manifest = self.manifests.get(kit)
        if manifest is None:
            return
        if manifest.digest in self.known:
            self.storage.delete(manifest.digest)
            self.known.remove(manifest.digest)
            self.tags = {tag: digest for tag, digest in self.tags.items() if digest != manifest.digest}
        else:
            with pytest.raises(NotFoundError):
                self.storage.delete(manifest.digest)

    @rule()
    def reopen(self) -> None:
        self.storage.close()
        self.storage = self.open()

    @rule()
    def collect(self) -> None:
        self.storage.close()
        collect_garbage(LocalStore(self.directory, fsync=False), 0)
        assert len(blob_digests(self.directory / "storage")) == 3 * len(self.known)

    @invariant()
    def agrees_with_the_model(self) -> None:
        assert list(self.storage.tags()) == sorted(self.tags)
        for tag, digest in self.tags.items():
            assert self.storage.resolve(tag).digest == digest
        for manifest in self.manifests.values():
            if manifest.digest in self.known:
                read_kit(self.storage, manifest.digest)
            else:
                with pytest.raises(NotFoundError):
                    self.storage.resolve(manifest.digest)


class LayoutTagsLikeADictionary(TagsLikeADictionary):
    """The same for a layout directory, which has no collector."""

    def open(self) -> LayoutRepository:
        return LayoutRepository(self.directory / "layout", create=True, fsync=False)

    collect = None  # type: ignore[assignment]


TestStore = TagsLikeADictionary.TestCase
TestStore.settings = settings(max_examples=15, stateful_step_count=15)
TestLayout = LayoutTagsLikeADictionary.TestCase
TestLayout.settings = settings(max_examples=15, stateful_step_count=15)
