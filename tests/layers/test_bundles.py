"""MCP bundles: a ZIP archive with a manifest.json that says what it is, or an error before anything is sent."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest
from layer_files import write_files

import kitops_core as kitops
from kitops_core.errors import SourceError

KITFILE = "package: {name: tools}\nmcpServers: [{name: tools, path: tools.mcpb}]\n"
MANIFEST = {"manifest_version": "0.3", "name": "tools", "version": "1.0", "server": {"type": "node"}}


def bundle(files: dict[str, str]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return data.getvalue()


def pack(root: Path, content: bytes) -> kitops.ModelKitRecord:
    write_files(root, {"Kitfile": KITFILE, "tools.mcpb": content})
    return kitops.pack(root, "tools:1")


def test_a_bundle_is_packed_as_it_is(tmp_path: Path) -> None:
    content = bundle({"manifest.json": json.dumps(MANIFEST), "server/index.js": "x"})
    (layer,) = pack(tmp_path, content).layers
    assert layer.size == len(content)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is no ZIP archive"),
        (b"not an archive", "is no ZIP archive"),
        (bundle({"manifest.json": json.dumps(MANIFEST)})[:-30], "is no ZIP archive"),
        (bundle({"inner/manifest.json": json.dumps(MANIFEST)}), "has no manifest.json"),
        (bundle({"manifest.json": "{"}), "is no JSON"),
        (bundle({"manifest.json": "[]"}), "is no JSON object"),
        (bundle({"manifest.json": "{}"}), "without name, version, server"),
        (bundle({"manifest.json": " " * 2_000_000}), "is no JSON, or a very large one"),
    ],
)
def test_what_is_none_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    with pytest.raises(SourceError, match=rf"mcpServers\[0\]: 'tools\.mcpb' .*{says}") as caught:
        pack(tmp_path, content)
    assert "mcpb pack" in caught.value.hint
