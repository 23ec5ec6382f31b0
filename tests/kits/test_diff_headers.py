"""What differs between large files in a registry, of which the headers alone are read, by parts."""

from __future__ import annotations

import io
import os
import tarfile
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cli_runner import ok
from fault_proxy import FaultProxy, Handler, Reply, Seen, answer, drop
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_files import write_files
from weight_files import Tensors, archive, gguf, safetensors

import kitops_core as kitops
from kitops_core.errors import IntegrityError, KitOpsError, NotFoundError
from kitops_core.events import Control
from kitops_core.files.parts import differences, read_parts, seen_to_differ
from kitops_core.kitfile import KitEntry
from kitops_core.kits import diff_files
from kitops_core.kits.diff_files import _read
from kitops_core.kits.packing import Packing
from kitops_core.kits.stored_kit import StoredLayer
from kitops_core.layers import part_stream
from kitops_core.layers.part_stream import PART_BYTES, NotByPartsError, PartStream
from kitops_core.layers.tar_reader import TarReader
from kitops_core.oci.manifest import Descriptor, sha256_digest
from kitops_core.oci.media_types import LayerType
from kitops_core.wording import count_text

MIB = 1024 * 1024
LARGE = os.urandom(2 * MIB)
LONG = {"long": "x" * 4 * MIB}
SAME = "the same 2 tensors"


def weights(**tensors: bytes) -> Tensors:
    return {"a": LARGE, "b": LARGE, **tensors}


def other(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is large begins at 3 MiB here."""
    monkeypatch.setattr(diff_files, "WHOLE_BYTES", 3 * MIB)


@pytest.fixture
def pair(faults: FaultProxy, tmp_path: Path) -> Any:
    """Packs two kits of files below ``m`` into a registry, and compares them there."""
    repository = f"{faults.address}/headers/{uuid.uuid4().hex}"

    def compare(one: dict[str, bytes], two: dict[str, bytes], **how: Any) -> list[tuple[Any, ...]]:
        for tag, files in (("1", one), ("2", two)):
            root = tmp_path / tag
            path = f"m/{min(files)}" if len(files) == 1 else "m"
            kitfile = f"manifestVersion: 1.0.0\nmodel: {{path: {path}}}\n"
            write_files(root, {"Kitfile": kitfile, **{f"m/{name}": data for name, data in files.items()}})
            kitops.pack(root, f"{repository}:{tag}", push=True, how=Packing(**how))
        faults.seen.clear()
        found = kitops.diff(f"{repository}:1", f"{repository}:2", where="registry", files=True)
        return [(change.change, change.path, change.header_only, *change.details) for change in found.files]

    compare.repository = repository  # type: ignore[attr-defined]
    return compare


def whole_layers(faults: FaultProxy) -> int:
    """How many blobs were asked for whole, without the two configs."""
    whole = [seen for seen in faults.seen if "/blobs/" in seen.path and "Range" not in seen.headers]
    return len(whole) - 2


def test_of_a_large_model_little_is_read_and_it_is_said_that_values_were_not(pair: Any, faults: FaultProxy) -> None:
    """At the real limit, by the command."""
    large = os.urandom(65 * MIB)
    pair({"w.safetensors": safetensors({"a": large})}, {"w.safetensors": safetensors({"a": other(large)})})
    moved = []

    def count(handler: Handler, seen: Seen) -> Reply:
        reply = handler.forward(seen)
        moved.append(len(reply.body))
        return reply

    faults.every = count
    one, two = f"{pair.repository}:1", f"{pair.repository}:2"
    ran = ok("diff", f"remote://{one}", f"remote://{two}", "--files")
    lines = [line.split() for line in ran.out.splitlines()]
    assert ["unread", "file", "m/w.safetensors", "the", "same", "1", "tensor"] in lines
    assert "pull both kits to compare all" in ran.err
    assert 2 * PART_BYTES <= sum(moved) <= 3 * PART_BYTES
    faults.every = None
    kitops.pull(one)
    kitops.pull(two)
    ran = ok("diff", one, two, "--files")
    assert "1 of 1 tensor changed: a" in ran.out
    assert "pull" not in ran.err


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("format", [None, "raw"])
@pytest.mark.parametrize("name", ["w.safetensors", "w.gguf"])
def test_what_a_header_tells_is_told(pair: Any, faults: FaultProxy, name: str, format: str | None) -> None:
    def write(tensors: Tensors, epoch: int) -> bytes:
        return gguf(tensors, {"epoch": epoch}) if name == "w.gguf" else safetensors(tensors, {"epoch": str(epoch)})

    how = {"layer_format": format} if format else {}
    before = write(weights(old=b"1", b=LARGE), 3)
    after = write(weights(new=b"1", b=LARGE[1:]), 4)
    assert pair({name: before}, {name: after}, **how) == [
        (
            *("changed", f"m/{name}", True, "1 of 3 tensors added: new", "1 of 3 tensors removed: old"),
            *("1 of 3 tensors changed in type or shape: b", "epoch: 3 → 4", "values were not read"),
        )
    ]
    assert whole_layers(faults) == 0


@pytest.mark.usefixtures("small")
def test_of_a_folder_each_large_file_is_passed_over_and_what_is_small_is_read(pair: Any, faults: FaultProxy) -> None:
    before = {
        "1.safetensors": safetensors(weights()),
        "2.safetensors": safetensors(weights()),
        "config.json": b"{}",
        "optimizer.pt": archive(weights(), 2020),
        "same.json": b"1",
        "steps.npz": archive(weights(), 2020),
    }
    after = {
        **before,
        "2.safetensors": safetensors(weights(b=other(LARGE))),
        "config.json": b"[]",
        "optimizer.pt": archive(weights(b=other(LARGE)), 2020),
    }
    assert pair(before, after) == [
        ("unread", "m/1.safetensors", True, SAME, "values were not read"),
        ("unread", "m/2.safetensors", True, SAME, "values were not read"),
        ("changed", "m/config.json", False, "other bytes"),
        ("changed", "m/optimizer.pt", True, "1 of 2 members changed: b", "contents were not read"),
        ("unread", "m/steps.npz", True, "the same 2 members", "contents were not read"),
    ]
    assert whole_layers(faults) == 0


@pytest.mark.usefixtures("small")
def test_a_kit_that_is_at_hand_is_read_whole_and_compared_with_what_was_read_of_the_other(pair: Any) -> None:
    pair({"w.safetensors": safetensors(weights())}, {"w.safetensors": safetensors(weights(b=other(LARGE)))})
    one, two = f"{pair.repository}:1", f"{pair.repository}:2"
    kitops.pull(one)
    found = kitops.diff(f"local://{one}", f"remote://{two}", files=True)
    assert [(change.change, change.details) for change in found.files] == [("unread", (SAME, "values were not read"))]


def no_parts(handler: Handler, seen: Seen) -> None:
    """Pass a request on without saying that a part is wanted: some servers know only the whole."""
    if "/blobs/" in seen.path:
        del seen.headers["Range"]


def no_such_part(handler: Handler, seen: Seen) -> Reply | None:
    return Reply(416, {"Content-Length": "0"}) if "Range" in seen.headers else None


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("fault", [no_parts, no_such_part])
def test_a_registry_that_sends_no_parts_is_asked_for_all(pair: Any, faults: FaultProxy, fault: Any) -> None:
    faults.every = fault
    found = pair({"w.safetensors": safetensors(weights())}, {"w.safetensors": safetensors(weights(b=other(LARGE)))})
    assert found == [("changed", "m/w.safetensors", False, "1 of 2 tensors changed: b")]


@pytest.mark.usefixtures("small")
def test_parts_that_are_wrong_are_no_error_while_the_whole_is_right(pair: Any, faults: FaultProxy) -> None:
    def spoil(handler: Handler, seen: Seen) -> Reply | None:
        if "Range" not in seen.headers:
            return None
        reply = handler.forward(seen)
        reply.body = b"x" * len(reply.body)
        return reply

    faults.every = spoil
    found = pair({"w.safetensors": safetensors(weights())}, {"w.safetensors": safetensors(weights(b=other(LARGE)))})
    assert found == [("changed", "m/w.safetensors", False, "1 of 2 tensors changed: b")]


@pytest.mark.usefixtures("small")
def test_a_layer_that_is_gone_is_named(pair: Any, faults: FaultProxy) -> None:
    files = {"w.safetensors": safetensors(weights())}, {"w.safetensors": safetensors(weights(b=other(LARGE)))}
    pair(*files)
    faults.every = lambda handler, seen: Reply(404, {"Content-Length": "0"}) if "Range" in seen.headers else None
    with pytest.raises(NotFoundError, match="has no blob sha256:"):
        kitops.diff(f"{pair.repository}:1", f"{pair.repository}:2", where="registry", files=True)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("fault", [answer(503), drop()])
def test_a_part_that_fails_is_asked_for_again(pair: Any, faults: FaultProxy, fault: Any) -> None:
    files = {"w.safetensors": safetensors(weights())}, {"w.safetensors": safetensors(weights(b=other(LARGE)))}
    pair(*files)
    left = [fault] * 3
    faults.every = lambda handler, seen: left.pop()(handler, seen) if left and "Range" in seen.headers else None
    found = kitops.diff(f"{pair.repository}:1", f"{pair.repository}:2", where="registry", files=True)
    assert [change.details for change in found.files] == [(SAME, "values were not read")]
    assert not left
    assert whole_layers(faults) == 2  # the two configs of the first comparison


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("before", "after", "how"),
    [
        (safetensors(weights()), safetensors(weights(b=other(LARGE))), {"compression": "gzip-fastest"}),
        (safetensors(weights(), LONG), safetensors(weights(b=other(LARGE)), LONG), {}),
        (b"\1" + LARGE * 2, b"\2" + LARGE * 2, {}),
    ],
    ids=["compressed", "a header that is too long", "no such file"],
)
def test_what_cannot_be_told_from_few_bytes_is_read_whole_and_checked(
    pair: Any, before: bytes, after: bytes, how: dict[str, Any]
) -> None:
    ((change, path, header_only, *details),) = pair({"w.safetensors": before}, {"w.safetensors": after}, **how)
    assert (change, path, header_only) == ("changed", "m/w.safetensors", False)
    assert details in (["1 of 2 tensors changed: b"], ["other bytes"])


# --- of any bytes -----------------------------------------------------------------------------------------------------


def stream(data: bytes, most: int = 10**9) -> PartStream:
    return PartStream(lambda start, end: data[start:end], len(data), most)


def tar(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as written:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            written.addfile(info, io.BytesIO(data))
    return file.getvalue()


@given(
    sizes=st.lists(st.integers(0, 3000), max_size=6),
    read=st.lists(st.integers(0, 3), min_size=6, max_size=6),
    cut=st.integers(0, 10_000),
    buffer=st.sampled_from([512, 1024, 4096]),
)
def test_what_is_passed_over_changes_neither_entries_nor_errors(
    sizes: list[int], read: list[int], cut: int, buffer: int
) -> None:
    data = tar({f"{number}": bytes([number]) * size for number, size in enumerate(sizes)})[: 512 * 30 + cut]

    def seen(skips: bool) -> list[Any]:
        source = stream(data)
        reader = TarReader(source, "layer", buffer_bytes=buffer, skip=source.skip if skips else None)
        found: list[Any] = []
        try:
            for entry, count in zip(reader, read, strict=False):
                begin = reader.position
                pieces = b"".join(bytes(reader.chunk()) for _ in range(count))
                found += [entry, begin, pieces[:count], data[begin : begin + len(pieces)] == pieces]
        except KitOpsError as error:
            found.append(type(error))
        return found

    assert seen(skips=True) == seen(skips=False)


FILES = {
    "w.safetensors": safetensors({"a": b"1" * 3000, "b": b"2"}, {"epoch": "3"}),
    "w.gguf": gguf({"a": b"1" * 3000, "b": b"2"}, {"name": "n", "epoch": 3}),
    "w.npz": archive({"a": b"1" * 3000, "b": b"2"}, 2020),
    "w.txt": b"text",
}


@settings(max_examples=200)
@given(
    data=st.binary(max_size=1000),
    order=st.permutations(list(FILES)),
    at=st.integers(0, 20_000),
    over=st.booleans(),
    inside=st.booleans(),
    most=st.integers(0, 20_000),
)
def test_of_any_bytes_what_parts_tell_is_what_the_whole_tells(
    data: bytes, order: list[str], at: int, over: bool, inside: bool, most: int
) -> None:
    """Bytes put somewhere into files, or into the tar around them."""

    def spoil(whole: bytes) -> bytes:
        place = at % (len(whole) + 1)
        return whole[:place] + data + whole[place + (len(data) if over else 0) :]

    made = tar({name: spoil(FILES[name]) if inside and name == order[0] else FILES[name] for name in order})
    made = made if inside else spoil(made)
    kind = LayerType("model", "tar", "none")
    layer = StoredLayer(KitEntry("model", "model", "m"), Descriptor("", sha256_digest(made), len(made)), kind, "")

    def read(source: Any) -> Any:
        try:
            return _read(source, layer, Control())
        except IntegrityError as error:
            return type(error)

    with suppress(NotByPartsError), pytest.MonkeyPatch.context() as small:
        for module in (diff_files, part_stream):
            small.setattr(module, "PART_BYTES", 512)
        by_parts, whole = read(stream(made, most)), read(io.BytesIO(made))
        if isinstance(whole, type):
            assert by_parts is whole
            return
        assert [*by_parts] == [*whole]
        for name, file in by_parts.items():
            seen = [(one.format, one.said, one.parts) for one in (file, whole[name])]
            assert seen[0] == seen[1], name
            assert file.header_only or file.digest == whole[name].digest


@pytest.mark.parametrize("offset", ["1e999", "-1", "null", '"x"', "[1]", "1" * 300])
def test_an_offset_that_is_no_place_in_the_file_makes_it_other_bytes(offset: str) -> None:
    raw = b'{"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, %s]}}' % offset.encode()
    data = len(raw).to_bytes(8, "little") + raw + b"1"
    for header_only in (False, True):
        read_parts("w.safetensors", len(data), [memoryview(data)], header_only=header_only)


NAMES = st.text("abc.0", min_size=1, max_size=6)
TENSORS = st.dictionaries(NAMES, st.binary(min_size=1, max_size=200), min_size=1, max_size=5)


@pytest.mark.parametrize("name", ["w.safetensors", "w.gguf"])
@given(one=TENSORS, two=TENSORS)
def test_headers_tell_what_the_whole_tells_but_for_values(name: str, one: Tensors, two: Tensors) -> None:
    def read(tensors: Tensors, header_only: bool) -> Any:
        data = gguf(tensors, {"n": 1}) if name == "w.gguf" else safetensors(tensors)
        return read_parts(name, len(data), [memoryview(data)], header_only=header_only)

    headers, whole = [[read(tensors, only) for tensors in (one, two)] for only in (True, False)]
    for before, after in ((headers[0], headers[1]), (whole[0], headers[1]), (headers[0], whole[1])):
        told = differences(before, after)
        assert told[-1] == "values were not read"
        lines = {line.replace(" in type or shape", "") for line in told[:-1]}
        if seen_to_differ(before, after):
            assert seen_to_differ(*whole)
            changed = {line for line in lines if " changed:" not in line and line != "another order or layout"}
            assert changed - {f"the same {count_text(len(two), 'tensor')}"} <= set(differences(*whole))
        else:
            assert lines == {f"the same {count_text(len(one), 'tensor')}"}
