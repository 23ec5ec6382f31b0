"""A skops file whose bytes follow from the model alone.

skops writes memory addresses, random file names and the time of day into its archive, so that the same training
gives another file each time. Here they are replaced by what they stand for: numbers in the order of appearance,
names from the contents, a fixed time. skops reads the result as it reads its own.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any
from zipfile import ZIP_STORED, ZipFile, ZipInfo

_SCHEMA = "schema.json"


def reproducible(source: Path, target: Path) -> None:
    """Write the same skops file with addresses, names and times normalised, a member at a time."""
    with ZipFile(source) as archive, ZipFile(target, "w", ZIP_STORED) as out:
        names = {name: _content_name(archive, name) for name in archive.namelist() if name != _SCHEMA}
        written: dict[str, str] = {}
        for name in names:
            written.setdefault(names[name], name)  # what has the same contents is there once
        for new, name in sorted(written.items()):
            member = ZipInfo(new)
            member.file_size = archive.getinfo(name).file_size
            with archive.open(name) as content, out.open(member, "w") as copy:
                shutil.copyfileobj(content, copy)
        schema = _Normalizer(names).node(json.loads(archive.read(_SCHEMA)))
        out.writestr(ZipInfo(_SCHEMA), json.dumps(schema, indent=2))


def _content_name(archive: ZipFile, name: str) -> str:
    digest = sha256()
    with archive.open(name) as content:
        while block := content.read(2**20):
            digest.update(block)
    return digest.hexdigest()[:32] + PurePosixPath(name).suffix


class _Normalizer:
    """Walks the schema. Objects that were one object keep one number: skops makes them one object again."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self._numbers: dict[int, int] = {}
        self._next = 0

    def node(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.node(item) for item in value]
        if not isinstance(value, dict):
            return value
        result: dict[str, Any] = {}
        for key, item in self._settled(value).items():
            if key == "__id__" and isinstance(item, int):
                result[key] = self._number(item, shared=value.get("__loader__") != "JsonNode")
            elif key == "file" and isinstance(item, str):
                result[key] = self._names[item]
            else:
                result[key] = self.node(item)
        return result

    def _number(self, address: int, *, shared: bool) -> int:
        # Whether two equal strings or numbers are one object is Python's affair and varies from run to run.
        if shared and address in self._numbers:
            return self._numbers[address]
        self._next += 1
        if shared:
            self._numbers[address] = self._next
        return self._next

    def _settled(self, node: dict[str, Any]) -> dict[str, Any]:
        """The node without what differs by process: the order of a set's members, and an address among the values."""
        if node.get("__loader__") == "SetNode":
            return {**node, "content": sorted(node["content"], key=self._text)}
        if "_stop_words_id" in node:  # an address that scikit-learn's text vectorizers keep, and check again on use
            return {**node, "_stop_words_id": {**node["_stop_words_id"], "content": "0"}}
        if node.get("__class__") == "frozenset" and node.get("__loader__") == "ConstructorFromReduceNode":
            arguments = node["content"]
            members = arguments["content"][0]
            ordered = {**members, "content": sorted(members["content"], key=self._text)}
            return {**node, "content": {**arguments, "content": [ordered]}}
        return node

    def _text(self, value: Any) -> str:
        """A node as text without its addresses, to sort by."""
        return json.dumps(_Normalizer(self._names).node(value))
