"""A repository of the Hugging Face Hub at one commit: its listing by the Hub's own client, its files streamed.

The client (``huggingface_hub``) finds the endpoint, the token and the commit, and lists the files. The bytes come over
the connections that registries use, which read straight into a buffer: an HTTP client that makes an object of each
piece costs more processor time than the hashing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kitops_core.errors import IntegrityError, InvalidInputError, RegistryError, UnsafeLayerError
from kitops_core.events import Control
from kitops_core.importing.hub_asking import asked
from kitops_core.importing.hub_errors import answered
from kitops_core.importing.hub_name import HubName, parse_hub_name
from kitops_core.importing.remote_files import GitBlobCheck, RemoteFile
from kitops_core.oci.blob import BUFFER_BYTES, BlobReader
from kitops_core.oci.manifest import Descriptor
from kitops_core.storage.registry.backoff import Backoff
from kitops_core.storage.registry.downloads import Download
from kitops_core.storage.registry.failures import RETRY_STATUSES, LostError, retry_after
from kitops_core.storage.registry.hosts import follow, origin
from kitops_core.storage.registry.http_response import Response
from kitops_core.storage.registry.options import RegistryOptions
from kitops_core.storage.registry.served import ANSWERS, Served
from kitops_core.storage.registry.transport import Transport, read_refusal
from kitops_core.version import __version__

if TYPE_CHECKING:
    from huggingface_hub import HfApi

LIBRARY = "kitops-core"
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_RATE_LIMIT = re.compile(r"\bt=(\d+)")
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5


class HubRepository:
    """The files of a repository at the commit that its revision had when it was opened.

    Attributes:
        hub_name: What it is called, as the Hub spells it.
        commit: The commit.
        name: ``hf://organisation/model@commit``.
        files: Its files, without ``.gitattributes``.
    """

    def __init__(self, api: HfApi, hub_name: HubName, commit: str, options: RegistryOptions) -> None:
        """Use :func:`open_hub`."""
        self.hub_name = hub_name
        self.commit = commit
        self.name = hub_name.uri(commit)
        self.files: tuple[RemoteFile, ...] = ()
        self._api = api
        self._options = options
        self._transport = Transport(options)
        self._headers = _headers(api)

    def close(self) -> None:
        """Let go of the connections."""
        self._transport.close()

    def revisions(self, control: Control) -> dict[str, str]:
        """The branches and tags of the repository, each with its commit.

        Raises:
            DeniedError, NotFoundError, RegistryError: The Hub refused or failed.
        """

        def ask() -> Any:
            return self._api.list_repo_refs(self.hub_name.id, repo_type=self.hub_name.kind)

        doing = f"list the branches of {self.hub_name.uri()}"
        found = asked(ask, doing, self._api.endpoint, self._options, control)
        return {ref.name: ref.target_commit for ref in (*found.tags, *found.branches)}

    def stream(self, file: RemoteFile, control: Control) -> Iterator[memoryview]:
        """A file's bytes from the beginning, each buffer valid until the next; a broken connection is taken up again.

        Raises (while iterating):
            IntegrityError: They are not those that the Hub announced; known at the end.
            DeniedError, NotFoundError, RegistryError: The Hub refused or failed.
        """
        where = f"'{file.path}' of {self.name}"
        with closing(self._open(file, control)) as raw:
            if file.sha256:
                reader = BlobReader(raw, Descriptor("", f"sha256:{file.sha256}", file.size), f"{where} from the Hub")
                yield from reader.chunks()
                return
            check, view = GitBlobCheck(file, where), memoryview(bytearray(min(BUFFER_BYTES, file.size + 1)))
            while count := raw.readinto(view):
                check.update(view[:count])
                yield view[:count]
            check.finish()

    def start(self, file: RemoteFile, most: int, control: Control) -> bytes:
        """The first ``most`` bytes of a file; checked only where that is all of it."""
        if file.size <= most:
            return b"".join(bytes(piece) for piece in self.stream(file, control))
        found = bytearray()
        with closing(self._open(file, control)) as raw:
            view = memoryview(bytearray(min(BUFFER_BYTES, most)))
            while len(found) < most and (count := raw.readinto(view[: most - len(found)])):
                found += view[:count]
        return bytes(found)

    def _open(self, file: RemoteFile, control: Control) -> Download:
        from huggingface_hub import hf_hub_url

        url = hf_hub_url(
            self.hub_name.id,
            file.path,
            repo_type=self.hub_name.kind,
            revision=self.commit,
            endpoint=self._api.endpoint,
        )
        doing = f"read '{file.path}' of {self.name}"

        def ask(headers: Mapping[str, str], control: Control, keep_trying: float | None) -> tuple[Response, str]:
            return self._ask(url, headers, doing, control, Backoff(self._options, control, "the Hub", keep_trying))

        def send(url: str, headers: Mapping[str, str], control: Control) -> Response:
            return self._transport.send("GET", url, headers, control=control)

        served = Served(
            url,
            ask,
            send,
            size=file.size,
            doing=doing,
            server=urlsplit(self._api.endpoint).netloc.rpartition("@")[2],
            options=self._options,
        )
        return Download(served, control)

    def _ask(
        self, start: str, headers: Mapping[str, str], doing: str, control: Control, backoff: Backoff
    ) -> tuple[Response, str]:
        """An answer with bytes of a file, and its URL: the Hub sends us on to where large ones are."""
        url, redirects = start, 0
        while True:
            own = self._headers if origin(url) == origin(start) else {}
            try:
                response = self._transport.send("GET", url, {**own, **headers}, control=control)
                if response.status == 200 or (headers and response.status in ANSWERS):
                    return response, url
                answer = read_refusal(response, url)
            except LostError as broken:
                if not backoff.wait_after(broken):
                    raise backoff.last(broken.error(doing)) from broken.__cause__
                url, redirects = start, 0
                continue
            if answer.status in _REDIRECTS and redirects < _MOST_REDIRECTS:
                redirects += 1
                url = follow(url, answer.headers.get("location", ""))
                continue
            after = max(retry_after(answer.headers), _rate_limit(answer.status, answer.headers.get("ratelimit", "")))
            if answer.status in RETRY_STATUSES and backoff.wait(f"answers {answer.status}", at_least=after):
                url, redirects = start, 0  # what we were sent on to may have expired
                continue
            raise answered(answer.status, doing, what="such file", code=answer.headers.get("x-error-code", ""))


def open_hub(text: str, revision: str, token: str | None, options: RegistryOptions, control: Control) -> HubRepository:
    """Find a repository, pin it to its commit, and list its files.

    Args:
        text: What the user calls it.
        revision: A branch, tag or commit; empty for the default branch, or what ``text`` names.
        token: A token to read it with; ``None`` uses ``HF_TOKEN`` or what ``hf auth login`` saved.
        options: How often and how long to try.
        control: Progress and cancelling.

    Raises:
        InvalidInputError: The client is not installed, or this is no repository's name.
        NotFoundError: There is no such repository or revision.
        DeniedError: It may not be read with this token, or without one.
        RegistryError: The Hub could not be reached, or failed.
        UnsafeLayerError: It has a file whose name would lead out of a directory.
    """
    try:
        from huggingface_hub import HfApi
    except ImportError:
        raise InvalidInputError(
            "to import from the Hugging Face Hub, its client is needed",
            hint="install it with: pip install 'kitops-core[huggingface]'",
        ) from None
    api = HfApi(token=token or None, library_name=LIBRARY, library_version=__version__)
    name = parse_hub_name(text, api.endpoint)
    if revision and name.revision not in ("", revision):
        raise InvalidInputError(f"'{text}' names the revision '{name.revision}', and ref says '{revision}'")
    wanted = revision or name.revision or None
    shown = f"{name.uri()}" + (f" at '{wanted}'" if wanted else "")
    kind = name.kind

    def ask() -> Any:
        return api.repo_info(name.id, repo_type=kind, revision=wanted, timeout=options.timeout)

    info = asked(ask, f"find {shown}", api.endpoint, options, control)
    commit = info.sha or ""
    if not _COMMIT.fullmatch(commit):
        raise RegistryError(f"cannot find {shown}: the Hub names no commit")
    if isinstance(info.id, str) and info.id != name.id:  # it was renamed
        name = parse_hub_name(f"{kind}s/{info.id}", api.endpoint)
    repository = HubRepository(api, HubName(kind, name.id, wanted or ""), commit, options)

    def tree() -> list[Any]:
        return list(api.list_repo_tree(name.id, recursive=True, revision=commit, repo_type=kind))

    once = replace(options, keep_trying=0)  # a listing has many pages, and its client asks for each again by itself
    listed = asked(tree, f"list the files of {repository.name}", api.endpoint, once, control)
    repository.files = tuple(_files(listed, repository.name))
    return repository


def _files(listed: Iterable[Any], name: str) -> Iterator[RemoteFile]:
    from huggingface_hub.hf_api import RepoFile

    seen: set[str] = set()
    for item in listed:
        if not isinstance(item, RepoFile) or item.path.rpartition("/")[2] == ".gitattributes":
            continue
        path = item.path
        is_text = path.isprintable() or path.encode("utf-8", "replace").decode() == path  # no half of a character
        if path in seen or not is_text or "\0" in path or not {"", ".", ".."}.isdisjoint(path.split("/")):
            raise UnsafeLayerError(f"{name} has a file called {path!r}, which is no path below a directory")
        seen.add(path)
        sha256 = item.lfs.sha256.removeprefix("sha256:") if item.lfs else ""
        size = item.lfs.size if item.lfs else item.size
        if (item.lfs and not _SHA256.fullmatch(sha256)) or not isinstance(size, int) or size < 0:
            raise IntegrityError(f"{name}: the Hub tells no valid size and digest of {path!r}")
        yield RemoteFile(path, size, sha256, "" if sha256 else item.blob_id)


def _headers(api: HfApi) -> dict[str, str]:
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # documented, not re-exported

    named = build_hf_headers(token=api.token, library_name=LIBRARY, library_version=__version__)
    return {name.title(): value for name, value in named.items()}  # one spelling: ours has a User-Agent too


def _rate_limit(status: int, header: str) -> float:
    """Seconds until a rate limit is reset (``RateLimit: "resolvers";r=0;t=55``), at most 60."""
    found = _RATE_LIMIT.search(header) if status == 429 else None
    return min(float(found[1]), 60.0) if found else 0.0
