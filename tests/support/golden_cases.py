"""The golden cases: what the reference CLI packed from given files, and what other tools pushed."""

from __future__ import annotations

import base64
import gzip
import json
import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parents[1] / "golden"


@dataclass(frozen=True)
class Kit:
    """Files to pack: the Kitfile, perhaps a .kitignore, and the context."""

    kitfile: str
    files: Sequence[Mapping[str, Any]]
    kitignore: str | None = None
    tag: str = ""

    def write(self, directory: Path) -> Path:
        """Write everything below ``directory`` (made if missing) and return it. Modes are exact under any umask."""
        _make_directory(directory, directory)
        _write_bytes(directory / "Kitfile", self.kitfile.encode(), 0o644)
        if self.kitignore is not None:
            _write_bytes(directory / ".kitignore", self.kitignore.encode(), 0o644)
        for entry in self.files:
            if "symlink" not in entry:  # the reference leaves links out, and we do not: tests/layers/test_links.py
                _write_entry(directory, entry)
        return directory


@dataclass(frozen=True)
class Case(Kit):
    """A golden case; ``first`` are kits to pack before it, ``args`` what the reference CLI was given."""

    name: str = ""
    args: Sequence[str] = ()
    first: Sequence[Kit] = ()
    expected: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fails(self) -> bool:
        """Whether the reference CLI refused to pack it."""
        return "error" in self.expected

    @property
    def config(self) -> str:
        """The config blob's text."""
        return str(self.expected["config"])

    @property
    def layers(self) -> list[dict[str, Any]]:
        """mediaType, digest, size, diffId, entries, tar_base64_gzip of every layer."""
        return list(self.expected["layers"])


@dataclass(frozen=True)
class Artifact:
    """An artifact in a registry, with all its blobs (the manifest and its referrers among them) by digest."""

    name: str
    manifest_digest: str
    manifest: bytes
    blobs: Mapping[str, bytes]
    data: Mapping[str, Any]


def load_cases(*, fails: bool | None = None) -> list[Case]:
    """All cases, or only those that the reference CLI refused (``fails=True``) or packed (``fails=False``)."""
    cases = [_case(json.loads(path.read_text(encoding="utf-8"))) for path in sorted(GOLDEN.glob("*.json"))]
    return [case for case in cases if fails is None or case.fails == fails]


def load_case(name: str) -> Case:
    """One case by its name."""
    return _case(json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8")))


def load_artifact(name: str) -> Artifact:
    """``foreign/files-by-oras``, ``foreign/modelpack-by-modctl``, ``signatures/cosign-referrers`` and the like."""
    data = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    blobs = {digest: base64.b64decode(text) for digest, text in data["blobs"].items()}
    return Artifact(name, data["manifest_digest"], blobs[data["manifest_digest"]], blobs, data)


def layer_tar(layer: Mapping[str, Any]) -> bytes:
    """The uncompressed tar of one of a case's expected layers."""
    return gzip.decompress(base64.b64decode(layer["tar_base64_gzip"]))


def _case(data: Mapping[str, Any]) -> Case:
    return Case(
        kitfile=data["kitfile"],
        files=data["files"],
        kitignore=data.get("kitignore"),
        name=data["name"],
        args=data.get("args", ()),
        first=[Kit(k["kitfile"], k["files"], k.get("kitignore"), k.get("tag", "")) for k in data.get("first", ())],
        expected=data["expected"],
    )


def _write_entry(root: Path, entry: Mapping[str, Any]) -> None:
    path = root / entry["path"]
    _make_directory(root, path.parent)
    if entry.get("dir"):
        path.mkdir(exist_ok=True)
        path.chmod(int(entry.get("mode", "0755"), 8))
    else:
        _write_bytes(path, _content(entry), int(entry.get("mode", "0644"), 8))


def _content(entry: Mapping[str, Any]) -> bytes:
    if "text" in entry:
        return str(entry["text"]).encode()
    if "hex" in entry:
        return bytes.fromhex(entry["hex"])
    return random.Random(entry["seed"]).randbytes(entry["size"])


def _write_bytes(path: Path, data: bytes, mode: int) -> None:
    path.write_bytes(data)
    path.chmod(mode)


def _make_directory(root: Path, directory: Path) -> None:
    missing = []
    while directory != root.parent and not directory.exists():
        missing.append(directory)
        directory = directory.parent
    for path in reversed(missing):
        os.mkdir(path)
        path.chmod(0o755)
