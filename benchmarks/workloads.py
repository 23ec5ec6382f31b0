"""The files that are packed: the same for every tool, made once in memory-backed storage."""

from __future__ import annotations

import random
from pathlib import Path

MIB = 1024 * 1024


def big_and_small(root: Path) -> Path:
    """1 GiB in 8 files of 128 MiB, and 2,000 small ones of up to 8 KiB."""
    block = random.Random(1).randbytes(MIB)
    (root / "weights").mkdir(parents=True)
    for index in range(8):
        with (root / "weights" / f"model-{index + 1:05}-of-00008.safetensors").open("wb") as file:
            for piece in range(128):
                file.write(index.to_bytes(4, "big") + piece.to_bytes(4, "big") + block[8:])
    _small_files(root / "src", 2000, 8192)
    parts = "".join(f"    - path: weights/model-{index + 1:05}-of-00008.safetensors\n" for index in range(1, 8))
    (root / "Kitfile").write_text(
        "manifestVersion: 1.0.0\npackage:\n  name: big\nmodel:\n"
        f"  path: weights/model-00001-of-00008.safetensors\n  parts:\n{parts}code:\n  - path: src\n"
    )
    return root


def many_small(root: Path, count: int) -> Path:
    """``count`` files of about 4 KiB in one dataset layer."""
    _small_files(root / "data", count, 8192)
    (root / "Kitfile").write_text("manifestVersion: 1.0.0\npackage:\n  name: many\ndatasets:\n  - path: data\n")
    return root


def json_lines(root: Path, size: int) -> Path:
    """``size`` bytes of JSON lines, which compress about two to one, in one dataset layer."""
    root.mkdir(parents=True)
    rng = random.Random(3)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(3, 9))) for _ in range(2000)]
    written = 0
    with (root / "train.jsonl").open("w") as file:
        while written < size:
            text = " ".join(rng.choices(words, k=12))
            written += file.write(
                f'{{"id": "{rng.getrandbits(64):016x}", "text": "{text}", "score": {rng.random()}}}\n'
            )
    (root / "Kitfile").write_text("manifestVersion: 1.0.0\npackage:\n  name: lines\ndatasets:\n  - path: train.jsonl\n")
    return root


def sparse(root: Path, size: int, files: int = 8) -> Path:
    """``size`` bytes of holes in ``files`` files that differ: it is read like any other, and takes no space."""
    root.mkdir(parents=True)
    for index in range(files):
        with (root / f"part-{index}.bin").open("wb") as file:
            file.write(bytes([index + 1]))
            file.truncate(size // files)
    parts = "".join(f"    - path: part-{index}.bin\n" for index in range(1, files))
    (root / "Kitfile").write_text(
        f"manifestVersion: 1.0.0\npackage:\n  name: sparse\nmodel:\n  path: part-0.bin\n  parts:\n{parts}"
    )
    return root


def _small_files(root: Path, count: int, largest: int) -> None:
    rng = random.Random(2)
    block = rng.randbytes(2 * largest)
    for index in range(count):
        directory = root / f"{index // 500:03}"
        if index % 500 == 0:
            directory.mkdir(parents=True)
        start = rng.randrange(largest)
        (directory / f"{index:06}.txt").write_bytes(block[start : start + rng.randint(1, largest)])


def small_kit(root: Path) -> Path:
    """A model of a kilobyte and a page about it."""
    root.mkdir(parents=True)
    (root / "model.bin").write_bytes(random.Random(4).randbytes(1000))
    (root / "README.md").write_text("# small\n")
    (root / "Kitfile").write_text(
        "manifestVersion: 1.0.0\npackage: {name: small}\nmodel: {path: model.bin}\ndocs: [{path: README.md}]\n"
    )
    return root


def small_layers(root: Path, count: int) -> Path:
    """``count`` datasets of 2 kB, each a layer of its own."""
    root.mkdir(parents=True)
    rng = random.Random(5)
    for index in range(count):
        (root / f"part-{index:03}.csv").write_bytes(rng.randbytes(2000))
    entries = "".join(f"- {{name: part-{index:03}, path: part-{index:03}.csv}}\n" for index in range(count))
    (root / "Kitfile").write_text(f"manifestVersion: 1.0.0\npackage: {{name: layers}}\ndatasets:\n{entries}")
    return root


def weights(root: Path, files: int, size: int) -> Path:
    """A model of ``files`` files, each of ``size`` bytes and a layer of its own."""
    root.mkdir(parents=True)
    rng = random.Random(6)
    names = [f"weights-{index}.bin" for index in range(files)]
    for name in names:
        with (root / name).open("wb") as file:
            for _ in range(size // MIB):
                file.write(rng.randbytes(MIB))
    parts = "".join(f"  - path: {name}\n" for name in names[1:])
    listed = f"  parts:\n{parts}" if parts else ""
    (root / "Kitfile").write_text(
        f"manifestVersion: 1.0.0\npackage: {{name: weights}}\nmodel:\n  path: {names[0]}\n{listed}"
    )
    return root
