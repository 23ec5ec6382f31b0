"""What is attached to a manifest: the referrers API, or tags where a registry has none (distribution spec 1.1).

Without the API, the spec has one index under the fallback tag list a manifest's referrers, and every writer replace it
as a whole: of two at once, one drops what the other listed. So each of our referrers is first put under a tag of its
own, which nobody else writes; what the list and these tags name together is what is attached. None that was put is
lost, whatever becomes of the list.

Other tools read the list alone, so a writer also adds to it. Having written it, it looks at the own tags and at the
list, in that order, and writes again until the list names them all. Once all writers are done the list is complete,
however slow any of them was: of the last one to write it, each referrer whose tag was there at its last look is in the
list, and whoever put a tag later looked at the list later, and would have written after it.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

from kitops_core.errors import (
    ConflictError,
    DeniedError,
    IntegrityError,
    KitOpsError,
    NotFoundError,
    RegistryError,
    UnlistedError,
)
from kitops_core.events import Control, Event
from kitops_core.oci import media_types
from kitops_core.oci.manifest import MAX_MANIFEST_BYTES, Descriptor, Manifest, parse_manifest, sha256_digest
from kitops_core.oci.referrers_tag import fallback_tag, own_tag, referrer_of
from kitops_core.parallel import run_all
from kitops_core.storage.limits import MAX_REFERRERS_BYTES, check_referrers
from kitops_core.storage.registry.endpoint import Endpoint
from kitops_core.storage.registry.failures import RETRY_STATUSES, read_problem
from kitops_core.storage.registry.manifests import ManifestApi, RawManifest
from kitops_core.storage.registry.tags_list import NEVER, SeenTags, list_tags

_NO_API = (400, 404, 405, 406, 501)
_INDEXES = (media_types.IMAGE_INDEX, "application/vnd.docker.distribution.manifest.list.v2+json")
_ATTEMPTS = 20
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 4.0  # of the options' backoff: a list is soon replaced, and soon right again

_turns: WeakValueDictionary[str, threading.Lock] = WeakValueDictionary()
_taking = threading.Lock()

Entry = dict[str, Any]


class Referrers:
    """The referrers of one repository's manifests."""

    def __init__(self, endpoint: Endpoint, manifests: ManifestApi, control: Control) -> None:
        self._endpoint = endpoint
        self._manifests = manifests
        self._control = control
        self._without_api = endpoint.transport.without_referrers
        self._lists: bool | None = None  # whether the registry lists what is put; None until something was
        self._entries: dict[str, Entry] = {}
        self._tags = SeenTags((), NEVER)
        self._looks = 0
        self._looking = threading.Lock()
        self._warned: set[str] = set()

    def of(self, digest: str, artifact_type: str = "") -> list[Descriptor]:
        """Descriptors of the manifests whose subject is ``digest``, of one artifact type if given.

        Raises:
            IntegrityError: There are too many, or the list cannot be read.
            DeniedError, RegistryError: The registry refused or failed.
        """
        known_to_lack = self._endpoint.registry in self._without_api
        entries = None if known_to_lack else self._from_api(digest, artifact_type)
        if entries is None:
            entries = self._from_tags(digest)
        found = {}
        for entry in entries:
            descriptor = Descriptor.from_dict(entry, f"{self._endpoint.name}: referrers of {digest}")
            if artifact_type in ("", descriptor.artifact_type):
                found[descriptor.digest] = descriptor
        return [*found.values()]

    def saw(self, tags: Iterable[str], at: float) -> None:
        """Take the repository's tags, which somebody listed anyway, for the look at them.

        Args:
            tags: All of its tags.
            at: When they began to be listed, by :func:`time.monotonic`.
        """
        with self._looking:
            self._tags = SeenTags(tags, at)

    @property
    def seen_tags(self) -> frozenset[str] | None:
        """All tags of the repository when it was last looked at them; ``None`` where it was not."""
        return None if self._tags.at == NEVER else self._tags.all

    def put(self, manifests: Sequence[Manifest]) -> None:
        """Store manifests that have a subject, and list them where the registry does not do that itself.

        Raises:
            UnlistedError: They are stored, but other writers kept replacing the list.
            DeniedError, ConflictError, IntegrityError, RegistryError: The registry refused or failed.
        """
        self.put_unlisted(manifests)()

    def put_unlisted(self, manifests: Sequence[Manifest]) -> Callable[[], None]:
        """Store manifests that have a subject; what is given back lists them where the registry does not do that."""
        unlisted: dict[str, dict[str, Entry]] = {}
        attached = [(manifest, manifest.subject.digest) for manifest in manifests if manifest.subject is not None]
        unknown = self._lists is None and self._endpoint.registry not in self._without_api
        first = 1 if unknown else 0  # its answer says which way to go with the others
        listed = [self._store(*each, self._control) for each in attached[:first]]
        listed += run_all([partial(self._store, *each) for each in attached[first:]], self._control)
        for (manifest, subject), is_listed in zip(attached, listed, strict=True):
            if not is_listed:
                unlisted.setdefault(subject, {})[manifest.digest] = _entry(manifest)

        def list_them() -> None:
            run_all([partial(self._list, *each) for each in unlisted.items()], self._control)

        return list_them

    def forget(self, manifest: RawManifest) -> None:
        """Take a deleted manifest off its subject's list, if it stands there.

        Raises:
            UnlistedError: Other writers kept replacing the list.
            DeniedError, RegistryError: The registry refused or failed.
        """
        try:
            subject = parse_manifest(manifest.raw, manifest.digest).subject
        except IntegrityError:
            return
        if subject is not None:
            self._list(subject.digest, {}, self._control, without=manifest.digest)

    def _store(self, manifest: Manifest, subject: str, control: Control) -> bool:
        """Store one referrer; whether the registry lists it. Where it does not, it gets a tag of its own."""
        control.check()
        raw = RawManifest(manifest.raw, manifest.digest, manifest.media_type)
        if self._lists is not False and self._endpoint.registry not in self._without_api:
            self._lists = self._manifests.put(raw, manifest.digest)
            if self._lists:
                return True
        tag = own_tag(subject, manifest.digest)
        try:
            return self._manifests.put(raw, tag)
        except ConflictError:  # where tags are immutable, also writing the same once more is refused
            if self._manifests.head(tag).digest != manifest.digest:
                raise
            return False

    # --- the API -------------------------------------------------------------------------------------------------

    def _from_api(self, digest: str, artifact_type: str) -> list[Entry] | None:
        """The API's entries, or ``None`` where there is no API."""
        query = {"artifactType": artifact_type} if artifact_type else None
        entries: list[Entry] = []
        left = MAX_REFERRERS_BYTES
        url, doing = self._endpoint.url(f"referrers/{digest}", query), f"list the referrers of {self._endpoint.name}"
        pages = self._endpoint.pages(url, doing, self._control, expect=(200, *_NO_API), limit=MAX_REFERRERS_BYTES)
        for page in pages:
            if page.status != 200 or (found := _read_entries(page.body)) is None:
                # A repository that does not exist yet says nothing about the others of its registry.
                code = read_problem(page.status, page.headers, page.body).code
                if page.status in (404, 405, 501) and code not in ("NAME_UNKNOWN", "MANIFEST_UNKNOWN"):
                    self._without_api.add(self._endpoint.registry)
                return None
            entries += found
            left -= len(page.body)
            check_referrers(self._manifests.where(digest), len(entries))
            if left < 0:
                raise IntegrityError(
                    f"{self._manifests.where(digest)}: the list of its referrers is longer than {MAX_REFERRERS_BYTES} "
                    "bytes, which is the limit",
                    hint="remove those that are no longer needed",
                )
        return entries

    # --- the list and the own tags -------------------------------------------------------------------------------

    def _from_tags(self, digest: str) -> list[Entry]:
        """What the list and the own tags name together."""
        # Of one that was put, both are there; of one that is being put, whatever is found.
        reads: list[Callable[[Control], list[Any]]] = [lambda _: self._from_list(digest), lambda _: self._own(digest)]
        if self._tags.are_current:  # with one request to make, another thread would only cost
            listed, tagged = (read(self._control) for read in reads)
        else:
            listed, tagged = run_all(reads, self._control, at_once=True)
        named = {entry.get("digest") for entry in listed}
        own = [referrer for referrer in tagged if referrer not in named]
        check_referrers(self._manifests.where(digest), len(listed) + len(own))
        return [*listed, *self._read_entries(digest, own)]

    def _from_list(self, digest: str) -> list[Entry]:
        tag = fallback_tag(digest)
        try:
            index = self._manifests.fetch(tag)
        except NotFoundError:
            return []
        if index.digest == digest:  # GitLab takes such a tag for the digest itself
            return []
        entries = _read_entries(index.raw) if index.media_type in _INDEXES else None
        if entries is None:
            raise IntegrityError(f"{self._manifests.where(tag)} is not an index", hint="nothing but referrers go there")
        return entries

    def _own(self, digest: str, *, afresh: bool = False) -> list[str]:
        """The referrers of a manifest that have a tag of their own.

        Args:
            digest: The manifest's digest.
            afresh: Whether to look again, though it was looked just now.
        """
        begun = self._looks
        with self._looking:
            # Who waited for another's look has seen what was there when it came, if that look began after it came.
            if self._looks == begun if afresh else not self._tags.are_current:
                at, self._looks = time.monotonic(), self._looks + 1
                self._tags = self._all_tags(at)
            tags = self._tags
        return sorted(referrer for tag in tags.of(digest) if (referrer := referrer_of(tag, digest)))

    def _all_tags(self, at: float) -> SeenTags:
        try:
            return SeenTags(list_tags(self._endpoint, self._control), at)
        except NotFoundError:  # there is no such repository yet
            return SeenTags((), at)
        except (DeniedError, RegistryError) as error:
            if not _refused(error):
                raise
            self._warn(f"what the list of referrers leaves out cannot be found: {error.message}")
            return SeenTags((), at)

    def _read_entries(self, digest: str, referrers: Iterable[str]) -> list[Entry]:
        """What the list should say of referrers, without those that are gone or attached to something else."""
        referrers = [*referrers]
        tasks = [partial(self._read_entry, digest, one) for one in referrers if one not in self._entries]
        self._entries.update(entry for entry in run_all(tasks, self._control) if entry)
        return [self._entries[one] for one in referrers if one in self._entries]

    def _read_entry(self, subject: str, referrer: str, control: Control) -> tuple[str, Entry] | None:
        control.check()
        try:
            manifest = parse_manifest(self._manifests.fetch(referrer).raw, self._manifests.where(referrer))
        except (NotFoundError, IntegrityError):
            return None
        if manifest.subject is None or manifest.subject.digest != subject:
            return None
        return referrer, _entry(manifest)

    def _list(self, digest: str, new: dict[str, Entry], control: Control, without: str = "") -> None:
        """Read, change and write the list until it names ``new`` and all that have a tag, and not ``without``."""
        control.check()
        with _turn(self._manifests.where(fallback_tag(digest))):
            self._change_list(digest, _Change(new, without))

    def _change_list(self, digest: str, change: _Change) -> None:
        after = change.of(self._from_list(digest), set(), [])
        backoff = self._endpoint.transport.options.backoff
        where, bound, attempts = self._manifests.where(fallback_tag(digest)), _FIRST_WAIT * backoff, 0
        while after is not None and self._write_list(digest, after):
            own = {*self._own(digest, afresh=True)}
            after = self._left_out(digest, own, change)
            if after is None:
                return
            attempts += 1
            if attempts == _ATTEMPTS:
                raise UnlistedError(
                    f"{where}: other writers keep replacing the list of referrers",
                    hint="what was attached is stored; attach it again later, so that other tools find it too",
                )
            seconds = random.uniform(0, bound)  # noqa: S311 - spreads writers out, guards nothing
            detail = f"another writer replaced the list of referrers; looking again in {seconds:.1f} s"
            self._control.emit(Event("retry", where, detail=detail))
            self._control.sleep(seconds)
            bound = min(2 * bound, _LONGEST_WAIT * backoff)
            after = self._left_out(digest, own, change)  # a writer that is not done yet lists its own

    def _left_out(self, digest: str, own: set[str], change: _Change) -> list[Entry] | None:
        """What the list should be by now, or ``None`` where it is that."""
        listed = self._from_list(digest)
        named = {entry.get("digest") for entry in listed}
        return change.of(listed, own, self._read_entries(digest, sorted(own - named)))

    def _write_list(self, digest: str, entries: Sequence[Entry]) -> bool:
        """Write the list; false where the registry will not have it, which leaves it to the own tags."""
        data = {"schemaVersion": 2, "mediaType": media_types.IMAGE_INDEX, "manifests": entries}
        raw = json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()
        where = self._manifests.where(fallback_tag(digest))
        if len(raw) > MAX_MANIFEST_BYTES:
            raise UnlistedError(
                f"{where}: the list of referrers is full ({len(raw)} bytes)",
                hint="what was attached is stored; delete referrers that are no longer needed, then attach it again",
            )
        try:
            self._manifests.put(RawManifest(raw, sha256_digest(raw), media_types.IMAGE_INDEX), fallback_tag(digest))
        except KitOpsError as error:
            if not _refused(error):
                raise
            self._warn(
                f"{self._endpoint.registry} takes no list of referrers, so other tools than this one do not find what "
                f"is attached: {error.message}"
            )
            return False
        return True

    def _warn(self, detail: str) -> None:
        if detail not in self._warned:
            self._warned.add(detail)
            self._control.emit(Event("warning", self._endpoint.name, detail=detail))


def _turn(where: str) -> AbstractContextManager[object]:
    """The writers of a list that are of one process take turns; others can only be noticed."""
    with _taking:
        return _turns.setdefault(where, threading.Lock())


class _Change:
    """What one writer wants of a list.

    Args:
        new: What it adds.
        without: What it takes off, or an empty string.
    """

    def __init__(self, new: Mapping[str, Entry], without: str) -> None:
        self._new = new
        self._without = without
        self._repaired: set[str] = set()

    def of(self, listed: Sequence[Entry], own: set[str], entries: Iterable[Entry]) -> list[Entry] | None:
        """The list as it should be, or ``None`` where it is so.

        Args:
            listed: The list as it is.
            own: The referrers that have a tag of their own.
            entries: What to list of those that it leaves out.
        """
        unwanted = {self._without, *(self._repaired - own)}  # what we listed again may have been deleted since
        after = [entry for entry in listed if entry.get("digest") not in unwanted]
        named = {entry.get("digest") for entry in after}
        left_out = {entry["digest"]: entry for entry in entries if entry["digest"] not in unwanted}
        self._repaired |= {*left_out} - {*self._new}
        after += [entry for digest, entry in {**self._new, **left_out}.items() if digest not in named]
        return None if after == listed else after


def _refused(error: KitOpsError) -> bool:
    """Whether a registry that took the referrer itself said no to its list, rather than failed."""
    if isinstance(error, RegistryError):
        return error.status is not None and 400 <= error.status < 500 and error.status not in RETRY_STATUSES
    return isinstance(error, (ConflictError, DeniedError, IntegrityError))


def _entry(manifest: Manifest) -> Entry:
    entry = manifest.descriptor.to_dict()
    entry["artifactType"] = manifest.artifact_type or manifest.config.media_type
    if manifest.annotations:
        entry["annotations"] = dict(manifest.annotations)
    return entry


def _read_entries(raw: bytes) -> list[Entry] | None:
    try:
        data = json.loads(raw)
        manifests = data.get("manifests") or []
    except (ValueError, AttributeError, RecursionError):
        return None
    if not isinstance(manifests, list) or not all(isinstance(entry, dict) for entry in manifests):
        return None
    return manifests
