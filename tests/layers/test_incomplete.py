"""Models and datasets that are not there: Git LFS pointers, and downloads that were interrupted."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from cli_runner import kit
from layer_files import write_files

import kitops_core as kitops
from kitops_core.errors import SourceError

KITFILE = "manifestVersion: 1.0.0\nmodel: {path: m}\ndatasets: [{path: d}]\ncode: [{path: c}]\n"


def pointer(size: int) -> str:
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{'4d' * 32}\nsize {size}\n"


def pack(root: Path, files: dict[str, bytes | str], **how: bool) -> kitops.ModelKitRecord:
    write_files(root, {"Kitfile": KITFILE, "m/a": "a", "d/a": "a", "c/a": "a", **files})
    return kitops.pack(root, "whole:1", how=kitops.Packing(**how))


@pytest.mark.parametrize("size", [1, 10**15])
def test_pointers_of_git_lfs_are_named_with_what_to_do(tmp_path: Path, size: int) -> None:
    files = {"m/weights.bin": pointer(size), "d/train.parquet": pointer(size)}
    with pytest.raises(SourceError) as caught:
        pack(tmp_path, files)
    assert str(caught.value).splitlines() == [
        "2 paths cannot be packed",
        "  * 'm/weights.bin' is a Git LFS pointer, not the file itself",
        "  * 'd/train.parquet' is a Git LFS pointer, not the file itself",
    ]
    assert "git lfs pull" in caught.value.hint
    assert pack(tmp_path, files, allow_lfs_pointers=True).changed


def test_what_is_not_a_model_may_be_a_pointer(tmp_path: Path) -> None:
    assert pack(tmp_path, {"c/icon.png": pointer(9), "m/notes": "version 3 of the model\n" * 6}).changed


def test_the_command_takes_them_when_told(tmp_path: Path) -> None:
    write_files(tmp_path, {"Kitfile": KITFILE, "m/w.bin": pointer(5), "d/a": "a", "c/a": "a"})
    refused = kit("pack", str(tmp_path), "-t", "whole:1")
    assert (refused.code, "git lfs pull" in refused.err) == (3, True)
    assert kit("pack", str(tmp_path), "-t", "whole:1", "--allow-lfs-pointers").code == 0


def safetensors(tensors: dict[str, tuple[int, int]]) -> bytes:
    shown = {
        name: {"dtype": "U8", "shape": [end - at], "data_offsets": [at, end]} for name, (at, end) in tensors.items()
    }
    header = json.dumps({"__metadata__": {"format": "pt"}, **shown}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(max(end for _, end in tensors.values()))


@pytest.mark.parametrize("missing", [1, 90, 140])
def test_weights_shorter_than_their_header_says_are_an_error(tmp_path: Path, missing: int) -> None:
    whole = safetensors({"b": (40, 100), "a": (0, 40)})
    assert pack(tmp_path, {"m/w.safetensors": whole}).changed
    with pytest.raises(
        SourceError, match=f"'m/w.safetensors' has {len(whole) - missing} bytes, and its header asks for"
    ):
        pack(tmp_path, {"m/w.safetensors": whole[:-missing]})


@pytest.mark.parametrize(
    "content", [b"", b"GGUF", b"not weights", b"\x10" + bytes(7) + b"{broken json....", b"\xff" * 64]
)
def test_what_only_has_their_name_is_no_concern_of_ours(tmp_path: Path, content: bytes) -> None:
    assert pack(tmp_path, {"m/w.safetensors": content, "m/w.gguf": content}).changed


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def tensor(name: str, shape: tuple[int, ...], kind: int, offset: int) -> bytes:
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


GGUF_HEADER = b"".join(
    [
        b"GGUF" + struct.pack("<IQQ", 3, 2, 5),
        text("general.alignment") + struct.pack("<II", 4, 64),
        text("general.architecture") + struct.pack("<I", 8) + text("llama"),
        text("general.flag") + struct.pack("<I?", 7, True),
        text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 3) + text("<s>") + text("h\u00e9llo") + text(""),
        text("tokenizer.ggml.scores") + struct.pack("<IIQ3f", 9, 6, 3, 0.5, 1, 2),
        tensor("plain", (5, 3), 0, 0),  # F32
        tensor("blocks", (64, 2), 8, 64),  # Q8_0: 32 elements in 34 bytes
    ]
)
GGUF_TENSORS = 64 + 64 * 2 // 32 * 34
"""Values of several kinds and tensors of two types, as the reference library (gguf 0.19) writes them."""


def test_a_gguf_file_cut_anywhere_is_an_error(tmp_path: Path) -> None:
    whole = GGUF_HEADER + bytes(-len(GGUF_HEADER) % 64) + bytes(GGUF_TENSORS)
    assert pack(tmp_path, {"m/w.gguf": whole}).changed
    for length in (*range(24, len(GGUF_HEADER), 7), len(GGUF_HEADER), len(whole) - 1):
        with pytest.raises(SourceError, match=f"'m/w.gguf' has {length} bytes"):
            pack(tmp_path, {"m/w.gguf": whole[:length]})


def test_init_names_pointers_and_cut_weights_and_writes_nothing(tmp_path: Path) -> None:
    whole = safetensors({"a": (0, 40)})
    write_files(tmp_path, {"weights.bin": pointer(9), "data/train.csv": pointer(9), "w.safetensors": whole[:-1]})
    refused = kit("init", tmp_path)
    assert refused.code == 3
    assert [line for line in refused.err.splitlines() if line.startswith("  * ")] == [
        "  * 'w.safetensors' has 143 bytes, and its header asks for 144 or more",
        "  * 'weights.bin' is a Git LFS pointer, not the file itself",
        "  * 'data/train.csv' is a Git LFS pointer, not the file itself",
    ]
    assert "git lfs pull" in refused.err
    assert not (tmp_path / "Kitfile").exists()
    (tmp_path / "w.safetensors").write_bytes(whole)
    assert kit("init", tmp_path, "--allow-lfs-pointers").code == 0


def test_init_that_finds_nothing_says_so(tmp_path: Path) -> None:
    ran = kit("init", tmp_path)
    assert ran.code == 0
    assert ran.out == f"wrote  {tmp_path}/Kitfile  nothing found to pack\n"
    assert ran.err == f"warning: nothing was found in '{tmp_path}' that a kit could hold\n"


def test_init_puts_no_credentials_into_the_kitfile(tmp_path: Path) -> None:
    write_files(tmp_path, {".env": "A=1", "id_rsa": "k", "train.py": "t"})
    assert kit("init", tmp_path, "-o", "-").out.count("path:") == 1


@pytest.mark.parametrize("name", ["weights.bin", "w.safetensors"])
def test_a_kit_with_pointers_or_cut_weights_is_not_materialized(tmp_path: Path, name: str) -> None:
    whole = safetensors({"a": (0, 40)})
    write_files(tmp_path / "kit", {"m/a": "a", f"m/{name}": pointer(9) if name == "weights.bin" else whole[:-1]})
    layout = f"oci:{tmp_path}/layout:1"
    made = packed_unseen(tmp_path / "kit", layout)
    assert kitops.unpack(layout, tmp_path / "out").digest == made
    with pytest.raises(SourceError, match=f"'m/{name}' (is a Git LFS pointer|has 143 bytes)") as caught:
        kitops.materialize(layout, tmp_path / "served")
    assert "pack it again" in caught.value.hint
    assert not (tmp_path / "served").exists()


def packed_unseen(root: Path, reference: str) -> str:
    """Pack a directory ``m`` as a model without looking into its files, as the reference CLI does."""
    kitfile = kitops.Kitfile.parse("manifestVersion: 1.0.0\nmodel: {path: m}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kitops_core.layers.check.check_files", lambda *_, **__: None)
        return kitops.pack(root, reference, kitfile=kitfile).digest
