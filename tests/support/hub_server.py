"""A stand-in for the Hugging Face Hub, on a loopback port: the routes that ``huggingface_hub`` needs to find and list a
repository and to read its files, with large files on another host as the real one has them.

It misbehaves when told to. ``python hub_server.py SIZE FILES`` serves one made-up model, for benchmarks.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qs, quote, unquote, urlsplit

if TYPE_CHECKING:
    import pytest

PIECE = 256 * 1024
TOKEN = "hf_stand_in_token_of_the_tests_only"
GIT_LIMIT = 1024
"""Files above this size are in large file storage, as are those above 10 MiB on the real Hub."""


class Content(Protocol):
    """The bytes of a file."""

    size: int

    def pieces(self, start: int) -> Iterator[bytes]:
        """The bytes from ``start`` on."""

    def digest(self, algorithm: str, head: bytes = b"") -> str:
        """The digest of ``head`` and all bytes, in hex."""


class Text:
    """Bytes in memory."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)

    def pieces(self, start: int) -> Iterator[bytes]:
        for at in range(start, self.size, PIECE):
            yield self.data[at : at + PIECE]

    def digest(self, algorithm: str, head: bytes = b"") -> str:
        return hashlib.new(algorithm, head + self.data).hexdigest()


class MadeUp:
    """Bytes that are made while they are sent, so that gigabytes take no memory: a block, repeated and numbered."""

    def __init__(self, size: int, seed: int = 0) -> None:
        self.size = size
        self._block = hashlib.shake_256(seed.to_bytes(8, "big")).digest(PIECE - 8)
        self._digests: dict[tuple[str, bytes], str] = {}

    def pieces(self, start: int) -> Iterator[bytes]:
        for number in range(start // PIECE, -(-self.size // PIECE)):
            piece = (number.to_bytes(8, "big") + self._block)[: self.size - number * PIECE]
            yield piece[start - number * PIECE :] if number * PIECE < start else piece

    def digest(self, algorithm: str, head: bytes = b"") -> str:
        if (algorithm, head) not in self._digests:
            found = hashlib.new(algorithm, head)
            for piece in self.pieces(0):
                found.update(piece)
            self._digests[algorithm, head] = found.hexdigest()
        return self._digests[algorithm, head]


@dataclass
class Repo:
    """A repository: its commits by branch, and who may read it.

    Attributes:
        files: Commits by their id, each with its files by path.
        branches: Names of branches and tags, each with a commit.
        access: ``open``, ``private`` or ``gated``.
        lfs_digests: What to tell of a path's SHA-256, where that shall be a lie.
        git_oids: The same of git blob ids.
        sizes: The same of sizes.
    """

    files: dict[str, dict[str, Content]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    access: str = "open"
    lfs_digests: dict[str, str] = field(default_factory=dict)
    git_oids: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)

    def commit(self, files: dict[str, bytes | Content], branch: str = "main") -> str:
        """Commit these files, and nothing else, to a branch; returns the commit."""
        contents = {path: Text(data) if isinstance(data, bytes) else data for path, data in files.items()}
        named = json.dumps([len(self.files), *sorted(contents)])
        commit = hashlib.sha1(named.encode(), usedforsecurity=False).hexdigest()
        self.files[commit] = contents
        self.branches[branch] = commit
        return commit


@dataclass
class Seen:
    """A request that came in."""

    method: str
    path: str
    token: str
    range: str
    host: str
    agents: tuple[str, ...] = ()


@dataclass
class Fault:
    """What to do to requests whose path matches, so many times: answer late or with a status, break off, alter."""

    pattern: str
    times: int = 1
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = -1
    alter: Callable[[bytes], bytes] | None = None
    no_range: bool = False
    delay: float = 0.0


@dataclass
class Hub:
    """The running stand-in.

    Attributes:
        address: ``http://127.0.0.1:port``.
        repos: Repositories by ``models/organisation/name`` or ``datasets/organisation/name``.
        seen: Requests, in the order they came.
        faults: What to do wrong.
        page: How many files one page of a listing has.
        pause: Seconds to wait before each piece of the file called ``slow``.
        moved: New names of repositories that were renamed, by the old ``models/name``.
    """

    address: str = ""
    repos: dict[str, Repo] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    page: int = 1000
    pause: float = 0.0
    slow: str = ""
    moved: dict[str, str] = field(default_factory=dict)

    def repo(self, name: str) -> Repo:
        """A repository, made when first named."""
        return self.repos.setdefault(name if name.startswith("datasets/") else f"models/{name}", Repo())

    def fetched(self, path: str = "") -> list[Seen]:
        """The requests for bytes of files (of one path)."""
        return [seen for seen in self.seen if re.search(r"/resolve/", seen.path) and unquote(seen.path).endswith(path)]

    def use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Make the client in this process talk to the stand-in: it read its environment when it was imported."""
        from huggingface_hub import constants

        template = self.address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", self.address)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(Path(os.environ["HOME"]) / "token"))
        monkeypatch.setenv("HF_ENDPOINT", self.address)
        monkeypatch.delenv("HF_TOKEN", raising=False)

    def fault(self, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.times and re.search(fault.pattern, unquote(path)):
                fault.times -= 1
                return fault
        return None


def handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            host = self.headers.get("Host", "")
            agents = tuple(self.headers.get_all("User-Agent", []))
            hub.seen.append(Seen(self.command, self.path, token, self.headers.get("Range", ""), host, agents))
            fault = hub.fault(self.path)
            if fault is not None:
                time.sleep(fault.delay)
            if fault is not None and fault.status:
                self.say(fault.status, b"out of order", {**fault.headers})
                return
            url = urlsplit(self.path)
            if match := re.fullmatch(r"/api/(models|datasets)/(.+)/refs", url.path):
                self.refs(f"{match[1]}/{match[2]}", token)
            elif match := re.fullmatch(r"/api/(models|datasets)/(.+?)(?:/(revision|tree)/([^/]+))?", url.path):
                self.api(match[1], match[2], match[3] or "", unquote(match[4] or "main"), token, url.query)
            elif match := re.fullmatch(r"/(datasets/)?([^/]+(?:/[^/]+)?)/resolve/([0-9a-f]{40})/(.+)", url.path):
                name = f"{match[1] or 'models/'}{match[2]}"
                self.resolve(name, match[3], unquote(match[4]), token, fault)
            elif match := re.fullmatch(r"/cdn/(models|datasets)/(.+)/([0-9a-f]{40})/-/(.+)", url.path):
                self.send(hub.repos[f"{match[1]}/{match[2]}"].files[match[3]][unquote(match[4])], fault)
            else:
                self.say(404, b"no such route")

        def refused(self, name: str, token: str) -> bool:
            repo = hub.repos.get(name)
            if repo is None:
                self.say(404 if token else 401, b"{}", {"X-Error-Code": "RepoNotFound"})
            elif repo.access == "private" and token != TOKEN:
                self.say(401, b"{}", {"X-Error-Code": "RepoNotFound"})
            elif repo.access == "gated" and token != TOKEN:
                self.say(403, b"{}", {"X-Error-Code": "GatedRepo"})
            else:
                return False
            return True

        def api(self, kind: str, id_: str, what: str, revision: str, token: str, query: str) -> None:
            if f"{kind}/{id_}" in hub.moved:
                location = self.path.replace(id_, hub.moved[f"{kind}/{id_}"], 1)
                self.say(307, b"", {"Location": location})
                return
            if self.refused(f"{kind}/{id_}", token):
                return
            repo = hub.repos[f"{kind}/{id_}"]
            commit = repo.branches.get(revision, revision if revision in repo.files else "")
            if not commit:
                self.say(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            elif what == "tree":
                self.tree(repo, commit, query)
            else:
                siblings = [{"rfilename": path} for path in repo.files[commit]]
                info = {"id": id_, "sha": commit, "private": repo.access == "private", "gated": False, "tags": []}
                self.say(200, json.dumps({**info, "siblings": siblings, "downloads": 0, "likes": 0}).encode())

        def refs(self, name: str, token: str) -> None:
            if not self.refused(name, token):
                branches = [
                    {"name": branch, "ref": f"refs/heads/{branch}", "targetCommit": commit}
                    for branch, commit in hub.repos[name].branches.items()
                ]
                self.say(200, json.dumps({"branches": branches, "converts": [], "tags": []}).encode())

        def tree(self, repo: Repo, commit: str, query: str) -> None:
            start = int(parse_qs(query).get("cursor", ["0"])[0])
            files = list(repo.files[commit].items())
            entries: list[dict[str, object]] = []
            if start == 0:
                folders = {path.rpartition("/")[0] for path, _ in files} - {""}
                entries += [{"type": "directory", "oid": "0" * 40, "size": 0, "path": path} for path in sorted(folders)]
            for path, content in files[start : start + hub.page]:
                size = repo.sizes.get(path, content.size)
                oid = repo.git_oids.get(path) or content.digest("sha1", b"blob %d\0" % content.size)
                entry: dict[str, object] = {"type": "file", "oid": oid, "size": size, "path": path}
                if content.size > GIT_LIMIT:
                    sha256 = repo.lfs_digests.get(path) or content.digest("sha256")
                    entry["lfs"] = {"oid": sha256, "size": size, "pointerSize": 134}
                entries.append(entry)
            headers = {}
            if start + hub.page < len(files):
                link = f"{hub.address}{urlsplit(self.path).path}?recursive=True&cursor={start + hub.page}"
                headers["Link"] = f'<{link}>; rel="next"'
            self.say(200, json.dumps(entries).encode(), headers)

        def resolve(self, name: str, commit: str, path: str, token: str, fault: Fault | None) -> None:
            if self.refused(name, token):
                return
            content = hub.repos[name].files.get(commit, {}).get(path)
            if content is None:
                self.say(404, b"", {"X-Error-Code": "EntryNotFound"})
            elif content.size > GIT_LIMIT:
                place = self.headers.get("Host", "").replace("127.0.0.1", "localhost")
                headers = {
                    "Location": f"http://{place}/cdn/{name}/{commit}/-/{quote(path)}?Signature=signed-by-the-cdn",
                    "X-Linked-Size": str(content.size),
                    "X-Linked-Etag": f'"{content.digest("sha256")}"',
                    "X-Repo-Commit": commit,
                }
                self.say(302, b"", headers)
            else:
                oid = content.digest("sha1", b"blob %d\0" % content.size)
                self.send(content, fault, {"ETag": f'"{oid}"', "X-Repo-Commit": commit})

        def send(self, content: Content, fault: Fault | None, more: dict[str, str] | None = None) -> None:
            start, end, status = 0, content.size, 200
            wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            headers = {"Accept-Ranges": "bytes", **(more or {})}
            if wanted and not (fault and fault.no_range):
                start, status = int(wanted[1]), 206
                if start >= content.size:
                    self.say(416, b"", {"Content-Range": f"bytes */{content.size}"})
                    return
                end = min(end, int(wanted[2]) + 1) if wanted[2] else end
                headers["Content-Range"] = f"bytes {start}-{end - 1}/{content.size}"
            headers["Content-Length"] = str(end - start)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            left = min(end - start, fault.cut) if fault and fault.cut >= 0 else end - start
            try:
                for piece in content.pieces(start) if self.command == "GET" else ():
                    if hub.pause and hub.slow in self.path:
                        time.sleep(hub.pause)
                    piece = fault.alter(piece) if fault and fault.alter else piece
                    self.wfile.write(piece[:left])
                    left -= len(piece)
                    if left <= 0:
                        break
                if fault and fault.cut >= 0:
                    self.hang_up()
            except OSError:  # whoever asked has left
                self.close_connection = True

        def hang_up(self) -> None:
            """End the connection before all was sent that was announced."""
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True

        def say(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

    return Handler


@contextmanager
def hub_server() -> Iterator[Hub]:
    """Run the stand-in until the block ends."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(hub))
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    with hub_server() as served:
        size, files = int(sys.argv[1]), int(sys.argv[2])
        weights: dict[str, bytes | Content] = {
            f"model-{number:05}-of-{files:05}.safetensors": MadeUp(size // files, number)
            for number in range(1, files + 1)
        }
        served.repo("acme/large").commit(
            {
                **weights,
                "config.json": b'{"model_type": "llama", "architectures": ["LlamaForCausalLM"]}',
                "README.md": b"---\nlicense: apache-2.0\n---\n# large\n",
            }
        )
        for content in next(iter(served.repo("acme/large").files.values())).values():
            content.digest("sha256")
            content.digest("sha1", b"blob %d\0" % content.size)
        print(served.address, flush=True)
        sys.stdin.read()
