"""Packing what is in an S3 store, from a real server to a real registry."""

from __future__ import annotations

import os
import resource
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import s3fs
from cli_runner import kit, ok, run
from clients import client
from layer_files import write_files
from s3_server import BUCKET, SECRET_KEY, S3Server

import kitops_core as kitops
from kitops_core.objects.store import StoredObject

pytestmark = pytest.mark.slow  # a real server of S3: it takes seconds to start, and a fifth of a core while it waits
MODEL = os.urandom(9 * 1024 * 1024 + 123)  # five parts
FILES = {
    "model.onnx": MODEL,
    "src/train.py": "pass\n",
    "src/größe und mehr%20.py": "x = 1\n",
    "README.md": "# Churn\n",
    "data/empty.csv": "",
    "data/train.csv": "a,b\n1,2\n",
}


@pytest.fixture
def name() -> str:
    return f"bundle-{uuid.uuid4().hex[:8]}/churn"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_files(tmp_path / "churn", FILES)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The URLs of the objects that are read, one for each request."""
    urls: list[str] = []
    read = StoredObject.read

    def counted(self: StoredObject, start: int, end: int) -> bytes:
        urls.append(self.url)
        return read(self, start, end)

    monkeypatch.setattr(StoredObject, "read", counted)
    return urls


def test_a_directory_has_the_digest_of_the_same_files_on_a_disk(
    s3: S3Server, bundle: Path, name: str, registry: str
) -> None:
    url = s3.put(bundle, name)
    for how in (kitops.Packing(), kitops.Packing(compression="zstd"), kitops.Packing(layer_format="raw")):
        here = client().pack(bundle, "here:1", how=how)
        assert client().pack(url, f"{registry}/{name}:1", push=True, how=how).digest == here.digest
        assert client().pack(f"{url}/", "there:1", how=how).digest == here.digest


def test_contents_may_be_in_several_places(s3: S3Server, bundle: Path, name: str) -> None:
    url = s3.put(bundle, name)
    here = kitops.Contents(model=bundle / "model.onnx", code=[bundle / "src"], docs=[bundle / "README.md"])
    there = kitops.Contents(model=f"{url}/model.onnx", code=[f"{url}/src/"], docs=[bundle / "README.md"])
    assert client().pack(there, "there:1").digest == client().pack(here, "here:1").digest


def test_a_path_that_brings_its_file_system_needs_no_environment(
    s3: S3Server, bundle: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from test_location import BroughtPath

    s3.put(bundle, name)
    for variable in s3.environment:
        monkeypatch.delenv(variable)
    source = BroughtPath(s3.fs(), f"{BUCKET}/{name}")
    assert client().pack(source, "there:1").digest == client().pack(bundle, "here:1").digest


def test_the_kitfile_and_the_ignore_rules_beside_the_objects_decide(s3: S3Server, tmp_path: Path, name: str) -> None:
    kitfile = "manifestVersion: 1.0.0\npackage:\n  name: churn\ncode:\n  - path: src\n"
    files = {**FILES, "Kitfile": kitfile, ".kitignore": "**/*.log\n", "src/run.log": "", "src/__pycache__/a.pyc": "x"}
    bundle = write_files(tmp_path / "churn", files)
    packed = client().pack(s3.put(bundle, name), "there:1")
    assert [layer.path for layer in packed.layers] == ["src"]
    assert packed.digest == client().pack(bundle, "here:1").digest
    with client().open("there:1") as found:
        found.unpack(tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out/src").iterdir()) == ["größe und mehr%20.py", "train.py"]


def test_a_generated_kitfile_leaves_out_what_one_of_a_directory_does(s3: S3Server, tmp_path: Path, name: str) -> None:
    files = {**FILES, ".kitignore": "notes\n*.log\n", "notes/a.md": "x", "run.log": "x", ".env": "TOKEN=x"}
    bundle = write_files(tmp_path / "churn", files)
    packed = client().pack(s3.put(bundle, name), "there:1")
    assert packed.digest == client().pack(bundle, "here:1").digest
    assert not {"notes", "run.log", ".env"} & {layer.path for layer in packed.layers}


def test_what_did_not_change_is_not_read_again(
    s3: S3Server, bundle: Path, name: str, registry: str, reads: list[str]
) -> None:
    url = s3.put(bundle, name)
    contents = kitops.Contents(model=f"{url}/model.onnx", code=[f"{url}/src"])
    first = client().pack(contents, f"{registry}/{name}:1", push=True)
    assert f"{url}/model.onnx" in reads
    reads.clear()
    again = client().pack(contents, f"{registry}/{name}:1", push=True)
    assert (again.digest, again.changed, again.sent, reads) == (first.digest, False, 0, [])
    s3.fs().pipe_file(f"{BUCKET}/{name}/src/train.py", b"past\n")  # of the same size
    changed = client().pack(contents, f"{registry}/{name}:1", push=True)
    assert changed.digest != first.digest
    assert {url.rpartition("/")[2] for url in reads} == {"train.py", "größe und mehr%20.py"}


def test_large_objects_are_read_once_and_in_parts(s3: S3Server, bundle: Path, name: str, reads: list[str]) -> None:
    url = s3.put(bundle, name)
    client().pack(kitops.Contents(model=f"{url}/model.onnx"), "there:1")
    assert reads == [f"{url}/model.onnx"] * 5


@pytest.mark.parametrize("size", [len(MODEL), len(MODEL) - 1, len(MODEL) + 1, 5])
def test_a_large_object_that_changes_while_it_is_read_is_an_error(
    s3: S3Server, bundle: Path, name: str, registry: str, size: int
) -> None:
    url = s3.put(bundle, name)

    def replace(event: kitops.Event) -> None:
        if event.phase == "start" and event.name == "model.onnx":
            s3.fs().pipe_file(f"{BUCKET}/{name}/model.onnx", b"\1" * size)

    packing = client(on_event=replace)
    with pytest.raises(kitops.SourceChangedError, match=f"'{url}/model.onnx' .* while it was packed"):
        packing.pack(kitops.Contents(model=f"{url}/model.onnx"), f"{registry}/{name}:1", push=True)
    with pytest.raises(kitops.NotFoundError):
        client().open(f"{registry}/{name}:1")


@pytest.mark.parametrize("count", [3, 30])
@pytest.mark.parametrize("gone", [False, True])
def test_small_objects_that_change_while_they_are_read_are_an_error(
    s3: S3Server, tmp_path: Path, name: str, count: int, gone: bool
) -> None:
    files = {f"data/{number:03}.csv": "1,2\n" * 25_000 for number in range(count)}
    url = s3.put(write_files(tmp_path / "churn", files), name)

    def change(event: kitops.Event) -> None:
        if event.phase == "start" and event.name == "data":
            path = f"{BUCKET}/{name}/data/{count - 1:03}.csv"
            s3.fs().rm_file(path) if gone else s3.fs().pipe_file(path, b"2,1\n" * 25_000)

    with pytest.raises(kitops.SourceChangedError, match=f"{count - 1:03}.csv' was (removed|replaced)"):
        client(on_event=change).pack(kitops.Contents(datasets=f"{url}/data"), "there:1")


def test_credentials_among_the_objects_stop_the_pack(s3: S3Server, tmp_path: Path, name: str, reads: list[str]) -> None:
    key = "-----BEGIN EC PRIVATE KEY-----\nx\n"
    url = s3.put(write_files(tmp_path / "churn", {"src/a.py": "", "src/id.pem": key, "src/.env": "A=1"}), name)
    with pytest.raises(kitops.SourceError, match="2 paths cannot be packed") as error:
        client().pack(kitops.Contents(code=f"{url}/src"), "there:1")
    assert "src/id.pem" in str(error.value)
    assert reads == [f"{url}/src/id.pem"]
    how = kitops.Packing(allow_secrets=True)
    assert client().pack(kitops.Contents(code=f"{url}/src"), "there:1", how=how).changed


def test_weights_that_are_not_all_there_stop_the_pack(s3: S3Server, tmp_path: Path, name: str) -> None:
    header = b'{"w":{"dtype":"F32","shape":[1000],"data_offsets":[0,4000]}}'
    cut = len(header).to_bytes(8, "little") + header + bytes(100)
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "a" * 64 + "\nsize 12345\n"
    gguf = b"GGUF" + (3).to_bytes(4, "little") + (1).to_bytes(8, "little") + (1).to_bytes(8, "little")
    files = {"m/a.safetensors": cut, "m/b.bin": pointer, "m/c.gguf": gguf}
    url = s3.put(write_files(tmp_path / "churn", files), name)
    with pytest.raises(kitops.SourceError, match="3 paths cannot be packed") as error:
        client().pack(kitops.Contents(model=f"{url}/m"), "there:1")
    assert "'m/b.bin' is a Git LFS pointer" in str(error.value)


def test_the_command_packs_a_url(s3: S3Server, bundle: Path, name: str, registry: str) -> None:
    url = s3.put(bundle, name)
    here = ok("pack", bundle, "-t", "here:1", "--json").json
    assert ok("pack", url, "-t", "there:1", "--json").json["digest"] == here["digest"]
    assert ok("pack", "--from", url, "-t", f"{registry}/{name}:1", "--push", "--json").json["digest"] == here["digest"]
    unnamed = kit("pack", url)
    assert unnamed.code == 2
    assert "--tag" in unnamed.err


def test_a_worker_packs_its_entries_from_the_store(s3: S3Server, tmp_path: Path, name: str, registry: str) -> None:
    kitfile = "manifestVersion: 1.0.0\npackage:\n  name: churn\ncode:\n  - path: src\ndocs:\n  - path: README.md\n"
    url = s3.put(write_files(tmp_path / "churn", {**FILES, "Kitfile": kitfile}), name)
    target = f"{registry}/{name}:1"
    parts = [client().pack_layers(url, target, [entry], push=True) for entry in ("src", "README.md")]
    made = client().assemble(target, [*parts[0], *parts[1]], kitfile=kitops.Kitfile.parse(kitfile), push=True)
    assert made.digest == client().pack(url, "there:1").digest
    s3.fs().rm_file(f"{BUCKET}/{name}/Kitfile")
    with pytest.raises(kitops.InvalidInputError, match="has no Kitfile"):
        client().pack_layers(url, target, ["src"], push=True)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (f"s3://{BUCKET}/not/there", f"there is nothing at 's3://{BUCKET}/not/there'"),
        ("s3://no-such-bucket/model", "there is nothing at 's3://no-such-bucket/model'"),
    ],
)
def test_what_is_not_there_is_named(s3: S3Server, url: str, message: str) -> None:
    for source in (url, kitops.Contents(model=url)):
        with pytest.raises(kitops.SourceError, match=message):
            client().pack(source, "there:1")


def test_wrong_credentials_are_told_without_their_secret(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    s3fs.S3FileSystem.clear_instance_cache()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", f"not-{SECRET_KEY}")
    ran = kit("pack", f"s3://{BUCKET}/model", "-t", "there:1")
    assert ran.code == 5
    assert f"'s3://{BUCKET}/model' may not be read" in ran.err
    assert SECRET_KEY not in ran.err + ran.out


def test_a_server_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch, s3: S3Server) -> None:
    s3fs.S3FileSystem.clear_instance_cache()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(kitops.SourceError, match=f"'s3://{BUCKET}/model' cannot be read"):
        client().pack(f"s3://{BUCKET}/model", "there:1")


def test_nothing_is_written_to_a_disk_on_the_way_to_a_registry(
    s3: S3Server, bundle: Path, name: str, registry: str
) -> None:
    url = s3.put(bundle, name)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    options: dict[str, Any] = {"preexec_fn": limit, "env": environment}
    ran = run("pack", url, "-t", f"{registry}/{name}:1", "--push", "--json", **options)
    assert ran.code == 0, ran
    assert ran.json["digest"] == client().pack(bundle, "here:1").digest
