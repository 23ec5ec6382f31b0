"""What is attached to a manifest: the referrers API, or the fallback tag (distribution spec 1.1)."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from typing import Any

from kitops_core.errors import ConflictError, IntegrityError, NotFoundError
from kitops_core.events import Control
from kitops_core.oci import media_types
from kitops_core.oci.manifest import MAX_MANIFEST_BYTES, Descriptor, Manifest, parse_manifest, sha256_digest
from kitops_core.oci.referrers_tag import fallback_tag
from kitops_core.storage.registry.endpoint import Endpoint
from kitops_core.storage.registry.failures import read_problem
from kitops_core.storage.registry.manifests import ManifestApi, RawManifest
from kitops_core.storage.registry.transport import Backoff

_NO_API = (400, 404, 405, 406, 501)
_ATTEMPTS = 8

_writing = threading.Lock()  # writers of one process take turns; others can only be noticed

Entries = list[dict[str, Any]]


class Referrers:
    """The referrers of one repository's manifests."""

    def __init__(self, endpoint: Endpoint, manifests: ManifestApi, control: Control) -> None:
        self._endpoint = endpoint
        self._manifests = manifests
        self._control = control
        self._without_api = endpoint.transport.without_referrers

    def of(self, digest: str, artifact_type: str = "") -> list[Descriptor]:
        """Descriptors of the manifests whose subject is ``digest``, of one artifact type if given."""
        known_to_lack = self._endpoint.registry in self._without_api
        entries = None if known_to_lack else self._from_api(digest, artifact_type)
        if entries is None:
            entries = self._from_tag(digest)
        found = {}
        for entry in entries:
            descriptor = Descriptor.from_dict(entry, f"{self._endpoint.name}: referrers of {digest}")
            if artifact_type in ("", descriptor.artifact_type):
                found[descriptor.digest] = descriptor
        return [*found.values()]

    def add(self, manifests: Sequence[Manifest]) -> None:
        """List manifests under their subjects' fallback tags, for a registry that did not do so itself.

        Raises:
            ConflictError: Other writers kept replacing the list.
        """
        attached: dict[str, Entries] = {}
        for manifest in manifests:
            if manifest.subject is not None:
                attached.setdefault(manifest.subject.digest, []).append(_entry(manifest))
        for digest, new in attached.items():

            def change(entries: Entries, new: Entries = new) -> Entries:
                listed = {entry.get("digest") for entry in entries}
                return [*entries, *(entry for entry in new if entry["digest"] not in listed)]

            with _writing:
                self._change(digest, change)

    def forget(self, manifest: RawManifest) -> None:
        """Take a deleted manifest off its subject's fallback tag, if it stands there."""
        try:
            subject = parse_manifest(manifest.raw, manifest.digest).subject
        except IntegrityError:
            return
        if subject is not None:
            with _writing:
                self._change(subject.digest, lambda entries: [e for e in entries if e.get("digest") != manifest.digest])

    def _from_api(self, digest: str, artifact_type: str) -> Entries | None:
        """The API's entries, or ``None`` where there is no API."""
        query = {"artifactType": artifact_type} if artifact_type else None
        entries: Entries = []
        expect = (200, *_NO_API)
        url, doing = self._endpoint.url(f"referrers/{digest}", query), f"list the referrers of {self._endpoint.name}"
        pages = self._endpoint.pages(url, doing, self._control, expect)
        for page in pages:
            if page.status != 200 or (found := _entries(page.body)) is None:
                # A repository that does not exist yet says nothing about the others of its registry.
                code = read_problem(page.status, page.headers, page.body).code
                if page.status in (404, 405, 501) and code not in ("NAME_UNKNOWN", "MANIFEST_UNKNOWN"):
                    self._without_api.add(self._endpoint.registry)
                return None
            entries += found
        return entries

    def _from_tag(self, digest: str) -> Entries:
        try:
            index = self._manifests.fetch(fallback_tag(digest))
        except NotFoundError:
            return []
        entries = _entries(index.raw)
        if entries is None:
            raise IntegrityError(
                f"{self._manifests.where(fallback_tag(digest))} is not an index", hint="nothing but referrers go there"
            )
        return entries

    def _change(self, digest: str, change: Callable[[Entries], Entries]) -> None:
        """Read, change and write the list until it reads back as changed: registries cannot compare and swap."""
        backoff = Backoff(self._endpoint.transport.options, self._control, self._endpoint.name, _ATTEMPTS)
        tag = fallback_tag(digest)
        while True:
            before = self._from_tag(digest)
            after = change(before)
            if after == before:
                return
            data = {"schemaVersion": 2, "mediaType": media_types.IMAGE_INDEX, "manifests": after}
            raw = json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()
            if len(raw) > MAX_MANIFEST_BYTES:
                raise ConflictError(
                    f"{self._manifests.where(tag)}: the list of referrers is full ({len(raw)} bytes)",
                    hint="delete referrers that are no longer needed",
                )
            self._manifests.put(RawManifest(raw, sha256_digest(raw), media_types.IMAGE_INDEX), tag)
            present = self._from_tag(digest)
            if change(present) == present:
                return
            if not backoff.wait("another writer changed the list of referrers"):
                raise ConflictError(
                    f"{self._manifests.where(tag)}: other writers keep replacing the list of referrers",
                    hint="let one job at a time attach to the same kit",
                )


def _entry(manifest: Manifest) -> dict[str, Any]:
    entry = manifest.descriptor.to_dict()
    entry["artifactType"] = manifest.artifact_type or manifest.config.media_type
    if manifest.annotations:
        entry["annotations"] = dict(manifest.annotations)
    return entry


def _entries(raw: bytes) -> Entries | None:
    try:
        data = json.loads(raw)
        manifests = data.get("manifests") or []
    except (ValueError, AttributeError):
        return None
    if not isinstance(manifests, list) or not all(isinstance(entry, dict) for entry in manifests):
        return None
    return manifests
