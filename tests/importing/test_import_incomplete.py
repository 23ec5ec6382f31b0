"""Models that are not there on the Hub either: pointers that somebody committed as files, and uploads that were cut."""

from __future__ import annotations

import json
import struct
import uuid

import pytest
from hub_imports import FILES, imported, nothing_at
from hub_server import Hub

from kitops_core.errors import SourceError

pytest.importorskip("huggingface_hub", reason="the huggingface extra is not installed")

POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'4d' * 32}\nsize 12345\n".encode()


def weights(header: dict[str, object], size: int) -> bytes:
    data = json.dumps({"a": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}, **header}).encode()
    return struct.pack("<Q", len(data)) + data + bytes(size)


@pytest.fixture
def name(registry: str) -> str:
    return f"{registry}/imported/{uuid.uuid4().hex[:12]}"


def test_a_pointer_in_place_of_weights_is_refused_and_nothing_is_tagged(hub: Hub, name: str) -> None:
    hub.repo("acme/tiny").commit({**FILES, "model.safetensors": POINTER})
    with pytest.raises(SourceError, match=r"'model\.safetensors' of hf://acme/tiny@[0-9a-f]+ is a Git LFS pointer"):
        imported("acme/tiny", name)
    assert nothing_at(name)


# The header of the second is longer than what is read at a time.
@pytest.mark.parametrize("header", [{}, {"__metadata__": {"notes": "x" * 3_000_000}}])
def test_weights_shorter_than_their_header_says_are_refused(hub: Hub, name: str, header: dict[str, object]) -> None:
    whole = weights(header, 5_000_000)
    hub.repo("acme/tiny").commit({**FILES, "model.safetensors": whole[:-1]})
    with pytest.raises(SourceError, match=f"has {len(whole) - 1} bytes, and its header asks for {len(whole)} or more"):
        imported("acme/tiny", name)
    assert nothing_at(name)
    hub.repo("acme/tiny").commit({**FILES, "model.safetensors": whole})
    assert imported("acme/tiny", name).changed
