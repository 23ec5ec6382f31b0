"""Kits of very many layers: ten thousand shards make one, and what would be too many is told before any work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from clients import client
from fault_proxy import FaultProxy

from kitops_core import Client
from kitops_core.errors import InvalidInputError, KitOpsError
from kitops_core.kitfile import Dataset, Kitfile, Package
from kitops_core.oci.manifest import MAX_MANIFEST_BYTES
from kitops_core.types import LayerRecord

LIMIT = 64 * 1024


def shards(count: int) -> Kitfile:
    datasets = [Dataset(name=f"shard {number}", path=f"shard-{number:05}.bin") for number in range(count)]
    return Kitfile(package=Package(name="many"), datasets=datasets)


@pytest.fixture
def packer() -> Client:
    return client()


@pytest.fixture
def shard(packer: Client, tmp_path: Path) -> LayerRecord:
    """One shard as a worker packed it; the others are the same bytes under other names."""
    (tmp_path / "shard-00000.bin").write_bytes(b"x" * 100)
    (record,) = packer.pack_layers(tmp_path, "many:1", ["shard-00000.bin"], kitfile=shards(2))
    return record


@pytest.mark.slow
def test_ten_thousand_shards_are_assembled_and_read(packer: Client, shard: LayerRecord, tmp_path: Path) -> None:
    kitfile = shards(10_000)
    packer.pack_layers(tmp_path, "many:1", ["shard-00000.bin"], kitfile=kitfile)
    layers = [replace(shard, path=entry.path) for entry in kitfile.entries()]
    record = packer.assemble("many:1", layers, kitfile=kitfile)
    with packer.open("many:1") as kit:
        assert kit.digest == record.digest
        assert len(kit.manifest.raw) < MAX_MANIFEST_BYTES
        assert [layer.path for layer in kit.record().layers] == [layer.path for layer in layers]


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit that is reached with fewer entries."""
    for module in ("oci.manifest", "kits.kit_to_pack"):
        monkeypatch.setattr(f"kitops_core.{module}.MAX_MANIFEST_BYTES", LIMIT)


@pytest.mark.usefixtures("small_limit")
@pytest.mark.parametrize("how", ["pack", "pack_layers", "assemble"])
def test_too_many_for_one_manifest_are_told_before_any_work_and_an_index_is_named(
    faults: FaultProxy, packer: Client, shard: LayerRecord, tmp_path: Path, how: str
) -> None:
    kitfile, name = shards(400), f"{faults.address}/many/layers:1"
    calls = {
        "pack": lambda: packer.pack(tmp_path / "no such directory yet", name, push=True, kitfile=kitfile),
        "pack_layers": lambda: packer.pack_layers(tmp_path, name, ["shard-00000.bin"], kitfile=kitfile, push=True),
        "assemble": lambda: packer.assemble(
            name, [replace(shard, path=entry.path) for entry in kitfile.entries()], kitfile=kitfile, push=True
        ),
    }
    (tmp_path / "no such directory yet").mkdir()  # and nothing in it, which would be told after a look
    with pytest.raises(InvalidInputError, match=f"400 layers make a manifest larger than .*{LIMIT} bytes") as caught:
        calls[how]()
    assert "kitops index" in caught.value.hint
    assert faults.seen == []


@pytest.mark.usefixtures("small_limit")
def test_what_just_fits_is_not_refused(packer: Client, shard: LayerRecord, tmp_path: Path) -> None:
    def fits(count: int) -> bool:
        kitfile = shards(count)
        try:
            packer.assemble("m:1", [replace(shard, path=entry.path) for entry in kitfile.entries()], kitfile=kitfile)
        except KitOpsError:
            return False
        return True

    assert [fits(count) for count in (150, 290, 310)] == [True, True, False]
