"""What a kit was made from: data by URI and digest, other kits, the commit."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kitops_core.errors import InvalidInputError, InvalidReferenceError, SourceError
from kitops_core.evidence.secrets import redact_text
from kitops_core.oci.blob import BUFFER_BYTES
from kitops_core.reference import Reference, is_digest, parse_reference

KIT_SCHEME = "oci://"
"""What the URI of a kit starts with; its reference follows, with ``localhost/`` before a name of the local store."""

_LOCAL = "localhost/"
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")
_FORMS = "write a URI, a kit's reference, or the path of a file, perhaps followed by @sha256:<64 hex>"


@dataclass(frozen=True)
class Input:
    """Something a kit was made from; the resource descriptor of in-toto, with what SLSA asks of a dependency.

    Attributes:
        uri: Where it is: ``s3://bucket/train.parquet``, or for a kit ``oci://registry/repository@sha256:…``.
        digest: Its digests by algorithm, in lower-case hex: ``{"sha256": "…"}``, ``{"gitCommit": "…"}``.
        name: What to call it.
    """

    uri: str
    digest: Mapping[str, str] = field(default_factory=dict)
    name: str = ""

    @property
    def kit(self) -> Reference | None:
        """The kit it is; ``None`` where it is something else, or names no reference that can be followed."""
        if not self.uri.startswith(KIT_SCHEME):
            return None
        try:
            reference = parse_reference(self.uri.removeprefix(KIT_SCHEME).removeprefix(_LOCAL))
        except InvalidReferenceError:
            return None
        if not reference.digest and "sha256" in self.digest:
            reference = reference.with_digest(f"sha256:{self.digest['sha256']}")
        return None if reference.layout else reference

    def to_dict(self) -> dict[str, object]:
        """The resource descriptor, its secrets taken out."""
        data: dict[str, object] = {"uri": redact_text(self.uri)}
        if self.digest:
            data["digest"] = dict(self.digest)
        if self.name:
            data["name"] = redact_text(self.name)
        return data


def kit_input(reference: Reference, name: str = "") -> Input:
    """A kit as an input; a reference with a digest is pinned to it, one without stays a wish."""
    if reference.layout:
        raise InvalidInputError(
            f"'{reference}' is a directory of this machine, which nobody can follow elsewhere",
            hint="name a kit in a registry or in the local store",
        )
    local = _LOCAL if reference.is_local_name else ""
    name = name or str(reference.with_tag(reference.tag) if reference.tag else reference)
    if not reference.digest:
        return Input(f"{KIT_SCHEME}{local}{reference}", name=name)
    algorithm, _, value = reference.digest.partition(":")
    return Input(f"{KIT_SCHEME}{local}{reference.with_digest(reference.digest)}", {algorithm: value}, name)


def parse_input(text: str) -> Input:
    """Read what a user calls an input: ``URI[@sha256:…]``, a kit's reference, or a file, which is hashed.

    Raises:
        InvalidInputError: It is none of these.
        SourceError: The file cannot be read.
    """
    uri, at, digest = text.rpartition("@")
    if not at or not is_digest(digest):
        uri, digest = text, ""
    if uri.startswith(KIT_SCHEME):
        return _kit(text.removeprefix(KIT_SCHEME).removeprefix(_LOCAL), text)
    if "://" not in uri and _looks_like_kit(text):
        return _kit(text, text)
    algorithm, _, value = digest.partition(":")
    digests = {algorithm: value} if digest else {}
    if _SCHEME.match(uri) and not uri.startswith("oci:"):
        return Input(uri, digests)
    path = Path(uri)
    if digests or not path.is_file():
        what = "is a directory" if path.is_dir() else "is neither a URI nor a kit's reference nor a file"
        raise InvalidInputError(f"the input '{redact_text(text)}' {what}", hint=_FORMS)
    # Where a file lies on somebody's machine is nobody else's business.
    inside = not path.is_absolute() and ".." not in path.parts
    return Input(path.as_posix() if inside else path.name, {"sha256": _hash(path)}, path.name)


def _looks_like_kit(text: str) -> bool:
    if (":" not in text and "@" not in text) or text.startswith("oci:"):
        return False
    try:
        parse_reference(text)
    except InvalidReferenceError:
        return False
    return True


def _kit(reference: str, text: str) -> Input:
    try:
        return kit_input(parse_reference(reference))
    except InvalidReferenceError as error:
        raise InvalidInputError(f"the input '{redact_text(text)}' is not a kit: {error}", hint=_FORMS) from None


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(BUFFER_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise SourceError(f"the input '{path}' cannot be read: {error.strerror}") from None
    return digest.hexdigest()
