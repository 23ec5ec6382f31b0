"""Manifests keep their bytes, descriptors are checked, blobs are verified while they are read."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from golden_cases import load_cases
from hypothesis import given
from hypothesis import strategies as st

from kitops_core.errors import IntegrityError
from kitops_core.oci import media_types
from kitops_core.oci.blob import BlobReader, BytesSource
from kitops_core.oci.manifest import Descriptor, build_manifest, parse_manifest, sha256_digest
from kitops_core.oci.media_types import LayerType, parse_layer_type

CONFIG = Descriptor(media_types.MODELKIT_CONFIG, sha256_digest(b"{}"), 2)


@pytest.mark.parametrize("case", load_cases(fails=False), ids=lambda case: case.name)
def test_a_manifest_of_the_reference_cli_is_read(case: Any) -> None:
    raw = json.dumps(case.expected["manifest"]).encode()
    manifest = parse_manifest(raw, case.name)
    assert manifest.raw == raw
    assert [layer.digest for layer in manifest.layers] == [layer["digest"] for layer in case.layers]
    assert all(parse_layer_type(layer.media_type) for layer in manifest.layers)


def test_a_manifest_built_from_the_same_parts_has_the_same_bytes() -> None:
    layer = Descriptor("application/x", CONFIG.digest, 2, {"b": "2", "a": "é"})
    kwargs: dict[str, Any] = {
        "artifact_type": "t",
        "config": CONFIG,
        "layers": [layer],
        "annotations": {"z": "1", "y": "2"},
    }
    one, two = build_manifest(**kwargs), build_manifest(**{**kwargs, "annotations": {"y": "2", "z": "1"}})
    assert one.raw == two.raw
    assert one.digest == sha256_digest(one.raw)
    assert one.layers[0].annotations == {"a": "é", "b": "2"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schemaVersion": 1}, "schemaVersion 1"),
        ({"mediaType": media_types.IMAGE_INDEX}, "an index of several manifests, not one kit"),
        ({"config": None}, "config: a descriptor is expected"),
        ({"config": {"mediaType": "x", "digest": "sha256:zz", "size": 1}}, "not a digest"),
        ({"config": {"mediaType": "x", "digest": CONFIG.digest, "size": -1}}, "not a size"),
        ({"config": {"mediaType": "x", "digest": CONFIG.digest, "size": True}}, "not a size"),
        ({"layers": {}}, None),
        ({"layers": "x"}, "layers must be a list"),
        ({"layers": [1]}, "layer 0: a descriptor is expected"),
        ({"annotations": {"a": 1}}, "strings to strings"),
        ({"artifactType": 3}, "artifactType must be a string"),
    ],
)
def test_a_manifest_that_is_none_is_named_with_its_fault(change: dict[str, Any], said: str | None) -> None:
    data = {**json.loads(build_manifest(artifact_type="t", config=CONFIG, layers=[]).raw), **change}
    if said is None:
        assert parse_manifest(json.dumps(data).encode(), "kit").layers == ()
        return
    with pytest.raises(IntegrityError, match=said):
        parse_manifest(json.dumps(data).encode(), "kit")


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_bytes_that_are_no_manifest_are_refused(raw: bytes) -> None:
    with pytest.raises(IntegrityError, match="manifest"):
        parse_manifest(raw, "kit")


def reader(data: bytes, claimed: bytes, size: int | None = None) -> BlobReader:
    descriptor = Descriptor("x", sha256_digest(claimed), len(claimed) if size is None else size)
    return BlobReader(io.BytesIO(data), descriptor, "here")


@given(st.binary(max_size=5000), st.integers(1, 700))
def test_a_blob_that_is_what_its_digest_says_is_read_whole(data: bytes, step: int) -> None:
    assert b"".join(bytes(chunk) for chunk in reader(data, data).chunks(step)) == data


@pytest.mark.parametrize(
    ("data", "claimed", "size", "said"),
    [
        (b"abc", b"abd", None, "was altered"),
        (b"abc", b"abcd", None, "1 bytes short"),
        (b"abcd", b"abc", None, "more bytes"),
        (b"abc", b"abc", 2, "more bytes"),
        (b"", b"a", None, "short"),
    ],
)
def test_a_blob_that_is_not_what_its_descriptor_says_is_refused(
    data: bytes, claimed: bytes, size: int | None, said: str
) -> None:
    with pytest.raises(IntegrityError, match=said):
        reader(data, claimed, size).read_all(100)


def test_a_blob_too_large_for_memory_is_refused_before_it_is_read() -> None:
    with pytest.raises(IntegrityError, match="the limit is 2"):
        reader(b"abc", b"abc").read_all(2)


def test_bytes_in_memory_know_their_descriptor() -> None:
    source = BytesSource(b"{}", media_types.MODELKIT_CONFIG)
    assert source.known == CONFIG
    assert b"".join(source.stream()) == b"{}"


@pytest.mark.parametrize("section", ["model", "modelpart", "code", "dataset", "docs"])
@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_layer_types_are_written_and_read_in_both_formats(section: Any, compression: Any) -> None:
    layer_type = LayerType(section, "tar", compression)
    assert parse_layer_type(layer_type.modelkit()) == layer_type
    assert parse_layer_type(layer_type.modelpack()) == layer_type


def test_a_prompt_is_a_code_layer_with_a_subtype() -> None:
    assert LayerType("prompt").modelkit() == LayerType("code").modelkit()
    annotations = {media_types.ANNOTATION_SUBTYPE: "prompt"}
    assert parse_layer_type(LayerType("prompt").modelkit(), annotations) == LayerType("prompt")


@pytest.mark.parametrize(
    "media_type",
    [
        "application/octet-stream",
        "application/vnd.kitops.modelkit.config.v1+json",
        "application/vnd.kitops.modelkit.model.v2.tar",
        "application/vnd.kitops.modelkit.model.v1.tar+lzma",
        "application/vnd.kitops.modelkit.nonsense.v1.tar",
    ],
)
def test_other_media_types_are_no_layers_of_a_kit(media_type: str) -> None:
    assert parse_layer_type(media_type) is None
