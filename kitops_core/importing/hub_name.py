"""What a user calls a repository of the Hugging Face Hub, and what it is called elsewhere."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import unquote, urlsplit

from kitops_core.errors import InvalidInputError
from kitops_core.evidence.secrets import redact_text

HUB = "https://huggingface.co"
"""The public Hub; a URL of it is read as one of whatever hub ``HF_ENDPOINT`` names in its place."""

_HUB_HOSTS = ("huggingface.co", "www.huggingface.co", "hf.co")
_KINDS: dict[str, Literal["model", "dataset"]] = {"models": "model", "datasets": "dataset"}
_SEGMENT = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_ID = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})?")
_FORMS = "write organisation/model, datasets/organisation/name, or the address of its page on the Hub"


@dataclass(frozen=True)
class HubName:
    """A repository of the Hub.

    Attributes:
        kind: ``model`` or ``dataset``.
        id: ``organisation/name``, or a bare name for the oldest repositories.
        revision: A branch, tag or commit; empty where none is named.
    """

    kind: Literal["model", "dataset"]
    id: str
    revision: str = ""

    @property
    def name(self) -> str:
        """The last part of the id."""
        return self.id.rpartition("/")[2]

    @property
    def owner(self) -> str:
        """The organisation or user, or an empty string."""
        return self.id.rpartition("/")[0]

    def uri(self, commit: str = "") -> str:
        """``hf://organisation/model``, pinned to a commit where one is given."""
        # A bare name needs a segment before it, or the part before the @ would read as a user's.
        prefix = "datasets/" if self.kind == "dataset" else "" if "/" in self.id else "models/"
        return f"hf://{prefix}{self.id}" + (f"@{commit}" if commit else "")

    def local_name(self) -> str:
        """What the kit is called where nobody names it: ``organisation/model``, as far as references allow."""
        parts = [re.sub(r"[^a-z0-9]+", "-", part.lower()).strip("-") for part in self.id.split("/")]
        return "/".join(filter(None, parts)) + ":latest"


def parse_hub_name(text: str, endpoint: str = HUB) -> HubName:
    """Read what a user calls a repository.

    Args:
        text: ``organisation/model``, ``datasets/organisation/name``, ``hf://`` before either and ``@revision`` after,
            or the URL of a page.
        endpoint: The hub's address; URLs of other hosts are refused, as a token would be sent there.

    Raises:
        InvalidInputError: It is none of these.
    """
    shown = redact_text(text)
    if text.startswith(("http://", "https://")):
        return _parse_url(text, endpoint, shown)
    rest, at, revision = text.removeprefix("hf://").partition("@")
    if at and not (text.startswith("hf://") and revision):
        raise InvalidInputError(f"'{shown}' is not a repository of the Hub", hint=f"{_FORMS}; name a revision with ref")
    return replace(_named(rest.strip("/").split("/"), shown), revision=unquote(revision))


def _parse_url(text: str, endpoint: str, shown: str) -> HubName:
    parts = urlsplit(text)
    host = urlsplit(endpoint).netloc.rpartition("@")[2]
    if parts.netloc.rpartition("@")[2] not in (host, *_HUB_HOSTS):
        raise InvalidInputError(
            f"'{shown}' is not on the hub {host}", hint="set HF_ENDPOINT to the hub's address, if it is one"
        )
    path = parts.path.removeprefix(urlsplit(endpoint).path.rstrip("/")).strip("/")
    name, slash, rest = path.partition("/tree/")
    revision, below, _ = rest.partition("/")
    if below or any(f"/{page}/" in path for page in ("blob", "resolve", "raw")):
        raise InvalidInputError(
            f"'{shown}' names something inside a repository", hint="name the repository, and a revision with ref"
        )
    if slash and not revision:
        raise InvalidInputError(f"'{shown}' names no revision after /tree/", hint=_FORMS)
    return replace(_named(name.split("/"), shown), revision=unquote(revision))


def _named(segments: list[str], shown: str) -> HubName:
    if segments[0] == "spaces":
        raise InvalidInputError(f"'{shown}' is a Space, which is neither a model nor a dataset", hint=_FORMS)
    kind = _KINDS.get(segments[0], "model") if len(segments) > 1 else "model"
    name = "/".join(segments[1:] if segments[0] in _KINDS and len(segments) > 1 else segments)
    if not _ID.fullmatch(name) or ".." in name or "--" in name:
        raise InvalidInputError(f"'{shown}' is not a repository of the Hub", hint=_FORMS)
    return HubName(kind, name)
