"""A fake registry with the referrers API (distribution spec 1.1), in this process and in memory.

The ``docker-registry`` the tests run against has no referrers API, and a registry that has it (``zot``) cannot be
installed everywhere. This fake keeps to the spec where it matters here: ``OCI-Subject`` on a manifest with a subject,
``artifactType`` filters with ``OCI-Filters-Applied``, pages by ``Link``, uploads in one PUT or by PATCH, mounts, and
deletes that remove nothing but what they name. It takes a manifest with a subject before the subject, as the spec
demands, and refuses one whose blobs it does not have.

It can also stand in for registries that drop what has no tag (as zot does by default when a manifest's last tag moves,
and the clean-ups of others do later): the manifest goes at once, and with it what is attached to it and has no tag.
And it can do without the referrers API.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import uuid4

IMAGE_INDEX = "application/vnd.oci.image.index.v1+json"
PAGE = 100


@dataclass
class Repository:
    """What one repository holds.

    Attributes:
        blobs: Bytes by digest.
        manifests: Media type and bytes by digest, in the order they came.
        tags: Digest by tag.
        uploads: Bytes received so far by upload session.
    """

    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    uploads: dict[str, bytes] = field(default_factory=dict)

    def referrers(self, digest: str) -> list[dict[str, Any]]:
        """Descriptors of the manifests whose subject is ``digest``."""
        found = []
        for name, (media_type, raw) in self.manifests.items():
            data = json.loads(raw)
            if (data.get("subject") or {}).get("digest") != digest:
                continue
            entry: dict[str, Any] = {"mediaType": media_type, "digest": name, "size": len(raw)}
            if kind := data.get("artifactType") or (data.get("config") or {}).get("mediaType"):
                entry["artifactType"] = kind
            if data.get("annotations"):
                entry["annotations"] = data["annotations"]
            found.append(entry)
        return found

    def drop(self, digest: str) -> None:
        """Drop a manifest that no tag and no index names, and then what is attached to it."""
        if digest in self.tags.values() or any(digest in _children(raw) for _, raw in self.manifests.values()):
            return
        attached = [entry["digest"] for entry in self.referrers(digest)]
        if self.manifests.pop(digest, None) is not None:
            for one in attached:
                self.drop(one)


def _children(raw: bytes) -> list[str]:
    return [entry["digest"] for entry in json.loads(raw).get("manifests") or []]


def sha256(data: bytes) -> str:
    """``sha256:<hex>`` of ``data``."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


class _Refused(Exception):  # noqa: N818 - an answer, not an error
    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


class Handler(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one packet
    server: ReferrersServer  # type: ignore[assignment]

    def _handle(self) -> None:
        parts = urlsplit(self.path)
        self.query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.body = self._read_body()
        try:
            if parts.path in ("/v2", "/v2/"):
                return self._answer(200, b"{}")
            match = re.fullmatch(r"/v2/(.+)/(blobs/uploads|blobs|manifests|referrers|tags)/([^/]*)", parts.path)
            if match is None:
                raise _Refused(404, "UNSUPPORTED")
            self.name, kind, self.target = match.groups()
            action = getattr(self, f"_{kind.replace('/', '_')}_{self.command.lower()}", None)
            if action is None:
                raise _Refused(405, "UNSUPPORTED")
            with self.server.lock:
                self.repository = self.server.repositories.setdefault(self.name, Repository())
                action()
        except _Refused as refused:
            self._answer(refused.status, json.dumps({"errors": [{"code": refused.code}]}).encode())

    do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = _handle  # noqa: N815

    # --- blobs -------------------------------------------------------------------------------------------------

    def _blobs_head(self) -> None:
        if self.target not in self.repository.blobs:
            raise _Refused(404, "BLOB_UNKNOWN")
        self._answer(200, self.repository.blobs[self.target], Docker_Content_Digest=self.target)

    _blobs_get = _blobs_head

    def _blobs_delete(self) -> None:
        if self.repository.blobs.pop(self.target, None) is None:
            raise _Refused(404, "BLOB_UNKNOWN")
        self._answer(202)

    def _blobs_uploads_post(self) -> None:
        mount, source = self.query.get("mount", ""), self.query.get("from", "")
        there = self.server.repositories.get(source, Repository()).blobs
        if mount in there:
            self.repository.blobs[mount] = there[mount]
            return self._answer(201, Location=f"/v2/{self.name}/blobs/{mount}", Docker_Content_Digest=mount)
        if "digest" in self.query:
            return self._store(self.query["digest"], self.body)
        session = uuid4().hex
        self.repository.uploads[session] = b""
        return self._answer(202, Location=f"/v2/{self.name}/blobs/uploads/{session}", Range="0-0")

    def _blobs_uploads_patch(self) -> None:
        received = self._session() + self.body
        self.repository.uploads[self.target] = received
        self._answer(202, Location=f"/v2/{self.name}/blobs/uploads/{self.target}", Range=f"0-{len(received) - 1}")

    def _blobs_uploads_put(self) -> None:
        data = self._session() + self.body
        self._store(self.query.get("digest", ""), data)
        del self.repository.uploads[self.target]

    def _blobs_uploads_delete(self) -> None:
        self._session()
        del self.repository.uploads[self.target]
        self._answer(204)

    def _session(self) -> bytes:
        if self.target not in self.repository.uploads:
            raise _Refused(404, "BLOB_UPLOAD_UNKNOWN")
        return self.repository.uploads[self.target]

    def _store(self, digest: str, data: bytes) -> None:
        if sha256(data) != digest:
            raise _Refused(400, "DIGEST_INVALID")
        self.repository.blobs[digest] = data
        self._answer(201, Location=f"/v2/{self.name}/blobs/{digest}", Docker_Content_Digest=digest)

    # --- manifests, tags, referrers ----------------------------------------------------------------------------

    def _manifests_head(self) -> None:
        digest = self.repository.tags.get(self.target, self.target)
        if digest not in self.repository.manifests:
            raise _Refused(404, "MANIFEST_UNKNOWN")
        media_type, raw = self.repository.manifests[digest]
        self._answer(200, raw, Content_Type=media_type, Docker_Content_Digest=digest)

    _manifests_get = _manifests_head

    def _manifests_put(self) -> None:
        digest, data = sha256(self.body), json.loads(self.body)
        if self.target.startswith("sha256:") and self.target != digest:
            raise _Refused(400, "DIGEST_INVALID")
        blobs = [data["config"], *data["layers"]] if "config" in data else []
        if any(blob["digest"] not in self.repository.blobs for blob in blobs):
            raise _Refused(400, "MANIFEST_BLOB_UNKNOWN")
        before = self.repository.tags.get(self.target, digest)
        if self.target != digest:
            self.repository.tags[self.target] = digest
        self.repository.manifests.setdefault(digest, (self.headers["Content-Type"], self.body))
        if self.server.drops_untagged and before != digest:
            self.repository.drop(before)
        listed = self.server.api and data.get("subject")
        headers = {"OCI_Subject": data["subject"]["digest"]} if listed else {}
        self._answer(201, Location=f"/v2/{self.name}/manifests/{digest}", Docker_Content_Digest=digest, **headers)

    def _manifests_delete(self) -> None:
        tags, manifests = self.repository.tags, self.repository.manifests
        if self.target in tags:
            digest = tags.pop(self.target)
            if self.server.drops_untagged:
                self.repository.drop(digest)
        elif manifests.pop(self.target, None) is None:
            raise _Refused(404, "MANIFEST_UNKNOWN")
        self.repository.tags = {tag: digest for tag, digest in tags.items() if digest in manifests}
        self._answer(202)

    def _tags_get(self) -> None:
        if not self.repository.manifests:
            raise _Refused(404, "NAME_UNKNOWN")
        tags, link = self._page(sorted(self.repository.tags))
        self._answer(200, json.dumps({"name": self.name, "tags": tags}).encode(), **link)

    def _referrers_get(self) -> None:
        if not self.server.api:
            raise _Refused(404, "UNSUPPORTED")
        entries, headers = self.repository.referrers(self.target), {}
        if kind := self.query.get("artifactType"):
            entries = [entry for entry in entries if entry.get("artifactType") == kind]
            headers = {"OCI_Filters_Applied": "artifactType"}
        page, link = self._page(entries)
        data = {"schemaVersion": 2, "mediaType": IMAGE_INDEX, "manifests": page}
        self._answer(200, json.dumps(data).encode(), Content_Type=IMAGE_INDEX, **headers, **link)

    def _page(self, items: list[Any]) -> tuple[list[Any], dict[str, str]]:
        size = min(int(self.query.get("n", self.server.page)), self.server.page)
        start = int(self.query.get("start", 0))
        if start + size >= len(items):
            return items[start:], {}
        query = urlencode({**self.query, "start": start + size})
        return items[start : start + size], {"Link": f'<{urlsplit(self.path).path}?{query}>; rel="next"'}

    # --- HTTP --------------------------------------------------------------------------------------------------

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class ReferrersServer(ThreadingHTTPServer):
    """The fake registry.

    Attributes:
        repositories: What it holds, by repository.
        page: How many tags or referrers an answer has at most.
        drops_untagged: Whether a manifest goes when its last tag moves.
        api: Whether it has the referrers API.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, page: int = PAGE, *, drops_untagged: bool = False, api: bool = True) -> None:
        self.repositories: dict[str, Repository] = {}
        self.page = page
        self.drops_untagged = drops_untagged
        self.api = api
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def address(self) -> str:
        """``127.0.0.1:port``."""
        return f"127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are no news."""


@contextlib.contextmanager
def referrers_server(page: int = PAGE, *, drops_untagged: bool = False, api: bool = True) -> Iterator[ReferrersServer]:
    """Run the fake until the block ends."""
    with ReferrersServer(page, drops_untagged=drops_untagged, api=api) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
