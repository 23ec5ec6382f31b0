"""Pack, copy, unpack, read, compare, name and remove, without any server."""

from __future__ import annotations

import os
import threading
import time
from array import array
from pathlib import Path
from typing import Any

import pytest
from clients import client

import kitops_core as kitops
from kitops_core.events import Event
from kitops_core.storage.local import LocalStore, collect_garbage

KITFILE = """\
manifestVersion: 1.0.0
package: {name: churn, version: 1.0.0}
model: {name: churn, path: model.bin, parameters: {max_depth: 6}}
code: [{path: src}]
docs: [{path: README.md}]
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KITOPS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    root = tmp_path / "bundle"
    (root / "src").mkdir(parents=True)
    (root / "Kitfile").write_text(KITFILE)
    (root / "model.bin").write_bytes(os.urandom(3 * 1024 * 1024))
    (root / "src" / "train.py").write_text("print('train')\n")
    (root / "README.md").write_text("# churn\n")
    settle()
    return root


def settle() -> None:
    """Let the file system's clock move on: a file written within its last tick is read again, to be safe."""
    time.sleep(0.03)


def names(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def test_the_same_files_give_the_same_digest_and_nothing_is_done_twice(bundle: Path) -> None:
    first = kitops.pack(bundle, "churn:1")
    settle()
    events: list[Event] = []
    second = client(on_event=events.append).pack(bundle, "churn:1")
    assert first.changed
    assert not first.previous_digest
    assert not second.changed
    assert second.digest == first.digest == second.previous_digest
    assert (second.sent, second.reused) == (0, first.sent)
    assert {event.outcome for event in events if event.phase == "finish"} == {"present"}
    assert not [event for event in events if event.phase == "advance"]


def test_an_unchanged_layer_is_not_read_again(bundle: Path) -> None:
    kitops.pack(bundle, "churn:1")
    (bundle / "README.md").write_text("# churn, better\n")
    settle()
    events: list[Event] = []
    second = client(on_event=events.append).pack(bundle, "churn:2")
    assert {event.name for event in events if event.phase == "advance"} == {"README.md", "config"}
    assert [layer.outcome for layer in second.layers] == ["present", "present", "written"]


def test_a_change_gives_a_new_digest_and_says_what_was_there_before(bundle: Path) -> None:
    first = kitops.pack(bundle, "churn:1")
    (bundle / "src" / "train.py").write_text("print('better')\n")
    second = kitops.pack(bundle, "churn:1")
    assert second.changed
    assert second.digest != first.digest
    assert second.previous_digest == first.digest


def test_where_and_when_something_is_packed_does_not_change_its_digest(bundle: Path, tmp_path: Path) -> None:
    first = kitops.pack(bundle, "churn:1")
    moved = bundle.rename(tmp_path / "elsewhere")
    os.utime(moved / "model.bin", (1, 1))
    assert kitops.pack(moved, "other/name:2").digest == first.digest


def test_a_time_is_stamped_only_when_asked_for(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = kitops.pack(bundle, "churn:1")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    stamped = kitops.pack(bundle, "churn:2")
    assert plain.created == ""
    assert stamped.created == "2023-11-14T22:13:20Z"
    assert stamped.digest != plain.digest
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(kitops.InvalidInputError, match="SOURCE_DATE_EPOCH"):
        kitops.pack(bundle, "churn:3")


def test_several_tags_point_at_one_kit(bundle: Path) -> None:
    record = kitops.pack(bundle, "churn:1", tags=["dev", "1"])
    assert record.tags == ("1", "dev")
    assert {kit.tag: kit.digest for kit in kitops.list_kits()} == {"1": record.digest, "dev": record.digest}


def test_a_directory_without_a_kitfile_gets_one(bundle: Path) -> None:
    (bundle / "Kitfile").unlink()
    (bundle / "model.bin").rename(bundle / "model.safetensors")
    kitops.pack(bundle, "churn:1")
    with kitops.open("churn:1") as kit:
        assert kit.kitfile.model is not None
        assert kit.kitfile.model.path == "model.safetensors"
        assert kit.read("src/train.py") == b"print('train')\n"


@pytest.mark.parametrize(("orchestrator", "name"), [("", "bundle"), ("airflow", "churn")])
def test_a_kit_that_nothing_names_is_called_as_its_directory_and_in_a_pipeline_as_its_repository(
    bundle: Path, orchestrator: str, name: str
) -> None:
    (bundle / "Kitfile").unlink()
    with kitops.Client(run=kitops.Source(orchestrator=orchestrator)) as client:
        client.pack(bundle, "ml/churn:1")
    with kitops.open("ml/churn:1") as kit:
        assert kit.kitfile.package.name == name


def test_contents_by_name_come_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model.onnx").write_bytes(b"weights")
    (tmp_path / "eval.parquet").write_bytes(b"rows")
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "README.md").write_text("# far\n")
    monkeypatch.chdir(tmp_path)
    contents = kitops.Contents(
        model="out/model.onnx",
        datasets={"eval": "eval.parquet"},
        docs=[tmp_path / "far" / "README.md"],
        parameters={"max_depth": 8},
        name="churn",
        authors="Ada Lovelace",
    )
    kitops.pack(contents, "churn:dev")
    with kitops.open("churn:dev") as kit:
        assert kit.kitfile.model is not None
        assert kit.kitfile.model.parameters == {"max_depth": 8}
        assert kit.kitfile.package.authors == ["Ada Lovelace"]
        assert kit.kitfile.datasets[0].name == "eval"
        assert kit.read("README.md") == b"# far\n"
        kit.unpack(tmp_path / "unpacked", only=["model"])
    assert names(tmp_path / "unpacked") == {"out/model.onnx"}


@pytest.mark.parametrize(
    ("contents", "said"),
    [
        (kitops.Contents(), "nothing to pack"),
        (kitops.Contents(code=["x"], parameters={"a": 1}), "belong to a model"),
        (kitops.Contents(docs=["/a/README.md", "/b/README.md"]), "would both be 'README.md'"),
        (kitops.Contents(model="not-there.bin"), "not-there.bin"),
        (
            kitops.Contents(model="m", parameters={"rates": [{"all": array("d", [0.5])}]}),
            r"parameters.rates\[0\].all: array.array cannot be written as JSON: make it a list with .tolist\(\)",
        ),
        (kitops.Contents(model="m", parameters={"a": {"b": {1}}}), "parameters.a.b: set cannot be written as JSON"),
        (kitops.Contents(model="m", parameters={"loss": float("nan")}), "parameters.loss: nan cannot be written"),
        (kitops.Contents(model="m", parameters={"a": {1: 2}}), "parameters.a: the key 1 is not text"),
        (kitops.Contents(model="m", parameters=array("d")), "parameters must be a mapping, not array"),  # type: ignore[arg-type]
        (kitops.Contents(model="m", version=1.0), "version must be text, not float"),  # type: ignore[arg-type]
        (kitops.Contents(model="m", framework=None), "framework must be text, not None"),  # type: ignore[arg-type]
        (kitops.Contents(model="m", authors=["A", 1]), "authors must be text, not int"),  # type: ignore[list-item]
        (kitops.Contents(model="m", docs={"a": 1}), "docs must be a path, not int"),  # type: ignore[dict-item]
        (kitops.Contents(model=3), "model must be a path, not int"),  # type: ignore[arg-type]
    ],
)
def test_contents_that_cannot_be_a_kit_are_refused(contents: kitops.Contents, said: str, home: Path) -> None:
    with pytest.raises(kitops.InvalidInputError, match=said):
        kitops.pack(contents, "a:1")
    assert not home.exists()


@pytest.mark.parametrize(
    ("source", "reference", "said"),
    [
        ("nowhere", "a:1", "does not exist"),
        ("bundle/README.md", "a:1", "is a file, not a directory"),
        ("bundle", "a@sha256:" + "a" * 64, "names a digest"),
        ("bundle", "A:1", "lower case"),
    ],
)
def test_what_cannot_be_packed_is_said(
    source: str, reference: str, said: str, bundle: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bundle.parent)
    with pytest.raises(kitops.KitOpsError, match=said) as caught:
        kitops.pack(source, reference)
    assert not home.exists()
    assert caught.value.exit_code == 3


def test_unpacking_all_or_parts(bundle: Path, tmp_path: Path) -> None:
    kitops.pack(bundle, "churn:1")
    done = kitops.unpack("churn:1", tmp_path / "all")
    assert names(tmp_path / "all") == {"Kitfile", "model.bin", "src/train.py", "README.md"}
    assert done.files == 4
    kitops.unpack("churn:1", tmp_path / "some", only=["code", "docs:README.md"])
    assert names(tmp_path / "some") == {"src/train.py", "README.md"}
    with pytest.raises(kitops.NotFoundError, match="nothing the filter takes"):
        kitops.unpack("churn:1", tmp_path / "none", only=["datasets"])
    assert not (tmp_path / "none").exists()


def test_files_in_the_way_stop_everything_unless_told_otherwise(bundle: Path, tmp_path: Path) -> None:
    kitops.pack(bundle, "churn:1")
    out = tmp_path / "out"
    out.mkdir()
    (out / "README.md").write_text("mine")
    with pytest.raises(kitops.ConflictError, match=r"README\.md"):
        kitops.unpack("churn:1", out)
    assert names(out) == {"README.md"}
    kitops.unpack("churn:1", out, existing="ignore")
    assert (out / "README.md").read_text() == "mine"
    kitops.unpack("churn:1", out, existing="overwrite")
    assert (out / "README.md").read_text() == "# churn\n"
    assert not [path for path in tmp_path.iterdir() if ".kitops-" in path.name]


def chain(tmp_path: Path, *numbers: int) -> None:
    """Kits packed in this order: ``k0`` holds a model, and each other one names the one before."""
    for index in numbers:
        root = tmp_path / f"k{index}"
        root.mkdir()
        path = "base.bin" if index == 0 else f"k{index - 1}:1"
        (root / "base.bin").write_bytes(b"base")
        (root / f"part{index}.bin").write_bytes(b"part")
        (root / "Kitfile").write_text(
            f"manifestVersion: 1.0.0\nmodel:\n  path: {path}\n  parts:\n    - path: part{index}.bin\n"
        )
        kitops.pack(root, f"k{index}:1")


def test_a_model_that_is_another_kit_is_unpacked_with_it(tmp_path: Path) -> None:
    chain(tmp_path, *range(10))
    kitops.unpack("k9:1", tmp_path / "out")
    assert names(tmp_path / "out") == {"Kitfile", "base.bin", *(f"part{index}.bin" for index in range(10))}
    kitops.unpack("k9:1", tmp_path / "kitfile", only=["kitfile"])
    assert names(tmp_path / "kitfile") == {"Kitfile"}


def test_a_chain_of_kits_has_an_end(tmp_path: Path) -> None:
    chain(tmp_path, *range(10), 11, 10)  # a pack refuses what it can see, and k10 is not there yet
    with pytest.raises(kitops.InvalidInputError, match="more than 10 kits"):
        kitops.unpack("k11:1", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_circle_of_kits_is_seen(tmp_path: Path) -> None:
    chain(tmp_path, 0, 1)
    (tmp_path / "k0" / "Kitfile").write_text("manifestVersion: 1.0.0\nmodel:\n  path: k1:1\n")
    kitops.pack(tmp_path / "k0", "other:1")
    kitops.tag("other:1", ["k0:1"])  # a pack would refuse it under this name
    with pytest.raises(kitops.InvalidInputError, match="in a circle"):
        kitops.unpack("k1:1", tmp_path / "out")


def test_a_missing_parent_is_named(tmp_path: Path) -> None:
    chain(tmp_path, 0, 1)
    kitops.remove("k0:1")
    with pytest.raises(kitops.NotFoundError, match="k0:1"):
        kitops.unpack("k1:1", tmp_path / "out")


def test_a_kit_is_pinned_when_it_is_opened(bundle: Path) -> None:
    kitops.pack(bundle, "churn:1")
    with kitops.open("churn:1") as kit:
        (bundle / "README.md").write_text("# moved on\n")
        kitops.pack(bundle, "churn:1")
        assert kit.read("README.md") == b"# churn\n"
        assert kit.reference == f"churn:1@{kit.digest}"
        with pytest.raises(kitops.NotFoundError, match="no file 'nope'"):
            kit.read("nope")


def test_what_moved_between_two_kits(bundle: Path) -> None:
    kitops.pack(bundle, "churn:1")
    (bundle / "Kitfile").write_text(KITFILE.replace("max_depth: 6", "max_depth: 8"))
    (bundle / "src" / "train.py").write_text("print('better')\n")
    kitops.pack(bundle, "churn:2")
    moved = kitops.diff("churn:1", "churn:2")
    assert [(change.change, change.path) for change in moved.layers] == [("changed", "src")]
    assert [(change.field, change.before, change.after) for change in moved.fields] == [
        ("model.parameters.max_depth", 6, 8)
    ]
    assert not moved.same
    assert kitops.diff("churn:1", "churn:1").same


def test_the_same_contents_in_another_compression_do_not_differ(bundle: Path) -> None:
    kitops.pack(bundle, "churn:1")
    kitops.pack(bundle, "churn:2", how=kitops.Packing(compression="zstd"))
    moved = kitops.diff("churn:1", "churn:2")
    assert not moved.same
    assert not moved.layers
    assert not moved.fields


def test_naming_and_removing(bundle: Path) -> None:
    record = kitops.pack(bundle, "churn:1")
    kitops.tag("churn:1", ["prod", "registry.example.com/ml/churn:1.0"])
    listed = {kit.reference for kit in kitops.list_kits()}
    assert listed == {"churn:1", "churn:prod", "registry.example.com/ml/churn:1.0"}
    kitops.remove("churn:prod")
    assert {kit.reference for kit in kitops.list_kits()} == {"churn:1", "registry.example.com/ml/churn:1.0"}
    kitops.remove(f"churn@{record.digest}")
    kitops.remove("registry.example.com/ml/churn:1.0")
    assert kitops.list_kits() == []
    report = collect_garbage(LocalStore(), grace_seconds=0)
    assert report is not None
    with pytest.raises(kitops.NotFoundError, match="not in the local store"):
        kitops.open("churn:1")


def test_cancelling_stops_between_buffers_and_leaves_nothing(bundle: Path, home: Path, tmp_path: Path) -> None:
    cancel = kitops.Cancel()

    def stop_at_first_bytes(event: Event) -> None:
        if event.phase == "advance":
            cancel.cancel()

    with pytest.raises(kitops.CancelledError):
        client(on_event=stop_at_first_bytes, cancel=cancel).pack(bundle, "churn:1")
    assert kitops.list_kits() == []
    assert not list((home / "storage").glob("ingest/*"))
    kitops.pack(bundle, "churn:1")
    cancel = kitops.Cancel()
    with pytest.raises(kitops.CancelledError):
        client(on_event=stop_at_first_bytes, cancel=cancel).unpack("churn:1", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_that_changes_while_it_is_packed_is_an_error(bundle: Path) -> None:
    def grow(event: Event) -> None:
        if event.phase == "advance" and event.name == "model.bin":
            with (bundle / "model.bin").open("ab") as file:
                file.write(b"more")

    with pytest.raises(kitops.SourceChangedError, match=r"model\.bin"):
        client(on_event=grow).pack(bundle, "churn:1")
    assert kitops.list_kits() == []


def test_an_altered_blob_never_reaches_the_target(bundle: Path, home: Path, tmp_path: Path) -> None:
    record = kitops.pack(bundle, "churn:1")
    blob = home / "storage" / "blobs" / "sha256" / record.layers[0].digest.removeprefix("sha256:")
    blob.chmod(0o644)
    data = bytearray(blob.read_bytes())
    data[1000] ^= 1
    blob.write_bytes(data)
    with pytest.raises(kitops.IntegrityError, match="was altered"):
        kitops.unpack("churn:1", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_packing_from_several_threads_at_once(bundle: Path) -> None:
    records: list[Any] = []
    threads = [
        threading.Thread(target=lambda tag=f"t{index}": records.append(kitops.pack(bundle, f"churn:{tag}")))
        for index in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({record.digest for record in records}) == 1
    assert len(kitops.list_kits()) == 8


def test_a_layer_that_unpacks_to_far_more_than_it_is_needs_a_word(tmp_path: Path) -> None:
    root = tmp_path / "zeros"
    root.mkdir()
    (root / "zeros.csv").write_bytes(bytes(8 * 1024 * 1024))
    (root / "Kitfile").write_text("manifestVersion: 1.0.0\ndatasets:\n  - path: zeros.csv\n")
    kitops.pack(root, "zeros:1", how=kitops.Packing(compression="gzip"))
    with pytest.raises(kitops.UnsafeLayerError, match="more than the whole layer may have") as caught:
        kitops.unpack("zeros:1", tmp_path / "out", max_ratio=10)
    assert "--max-ratio" in caught.value.hint
    assert not (tmp_path / "out").exists()
    assert kitops.unpack("zeros:1", tmp_path / "out").size == 8 * 1024 * 1024
