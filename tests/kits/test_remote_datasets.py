"""Datasets that stay where they are: named in the kit with what they were, fetched and checked when asked for.

S3 is moto's server, a stand-in; the client is AWS's own.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_runner import kit, ok
from layer_files import write_files

import kitops_core as kitops
from kitops_core.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    RegistryError,
    SourceChangedError,
)
from kitops_core.sources.s3 import S3, S3Url

pytest.importorskip("botocore", reason="the objects extra is not installed")
pytestmark = pytest.mark.slow  # a server and a client of S3, whose imports alone take seconds
PART = 5 * 1024 * 1024


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def lake(endpoint: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Any:
    """A client of S3 with a bucket ``lake`` of this test's own."""
    import urllib.request

    from botocore.session import Session

    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST"), timeout=10).close()
    for name, value in {
        "S3_API_ENDPOINT": endpoint,
        "S3_REGION": "us-east-1",
        "S3_ACCESS_KEY_ID": "tester",
        "S3_SECRET_KEY": "correct-horse",
    }.items():
        monkeypatch.setenv(name, value)
    client = Session().create_client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="tester",
        aws_secret_access_key="correct-horse",
    )
    client.create_bucket(Bucket="lake")
    yield client
    client.close()


def upload(client: Any, key: str, *parts: bytes) -> str:
    """An object uploaded in parts; its ETag."""
    upload_id = client.create_multipart_upload(Bucket="lake", Key=key)["UploadId"]
    done = []
    for number, data in enumerate(parts, 1):
        part = client.upload_part(Bucket="lake", Key=key, UploadId=upload_id, PartNumber=number, Body=data)
        done.append({"PartNumber": number, "ETag": part["ETag"]})
    made = client.complete_multipart_upload(Bucket="lake", Key=key, UploadId=upload_id, MultipartUpload={"Parts": done})
    return str(made["ETag"]).strip('"')


def packed(tmp_path: Path, url: str, reference: str = "churn:1") -> kitops.ModelKitRecord:
    write_files(tmp_path / "project", {"m.bin": "weights"})
    contents = kitops.Contents(model=tmp_path / "project" / "m.bin", remote_datasets={"train": url}, name="churn")
    return kitops.pack(contents, reference)


def test_packing_fills_in_hash_and_size_and_sends_no_data(lake: Any, tmp_path: Path) -> None:
    lake.put_object(Bucket="lake", Key="a/train.csv", Body=b"a,b\n" * 1000)
    record = packed(tmp_path, "s3://lake/a/train.csv")
    assert [layer.path for layer in record.layers] == ["m.bin"]
    with kitops.open("churn:1") as opened:
        (dataset,) = opened.kitfile.datasets
    assert (dataset.name, dataset.path, dataset.remote_path) == ("train", "train.csv", "s3://lake/a/train.csv")
    assert dataset.remote_hash == lake.head_object(Bucket="lake", Key="a/train.csv")["ETag"].strip('"')
    assert dataset.parameters == {"size": 4000}


def test_it_is_fetched_only_when_asked_for(lake: Any, tmp_path: Path) -> None:
    lake.put_object(Bucket="lake", Key="train.csv", Body=b"data")
    packed(tmp_path, "s3://lake/train.csv")
    without = kitops.unpack("churn:1", tmp_path / "without")
    assert without.remote == ("s3://lake/train.csv",)
    assert not (tmp_path / "without" / "train.csv").exists()
    fetched = kitops.unpack("churn:1", tmp_path / "with", include_remote=True)
    assert (tmp_path / "with" / "train.csv").read_bytes() == b"data"
    assert (fetched.remote, fetched.size - without.size, fetched.files - without.files) == ((), 4, 1)
    only = kitops.unpack("churn:1", tmp_path / "only", only=["datasets:train"], include_remote=True)
    assert [path.name for path in (tmp_path / "only").iterdir()] == ["train.csv"]
    assert only.files == 1


@pytest.mark.parametrize("sizes", [(PART, 77), (PART, PART), (PART + 3, PART, 9), (100,)])
def test_objects_uploaded_in_parts_are_checked_by_the_etags_rule(
    lake: Any, tmp_path: Path, sizes: tuple[int, ...]
) -> None:
    parts = [bytes([number]) * size for number, size in enumerate(sizes)]
    etag = upload(lake, "big.bin", *parts)
    assert etag.endswith(f"-{len(parts)}")
    packed(tmp_path, "s3://lake/big.bin")
    kitops.unpack("churn:1", tmp_path / "out", include_remote=True)
    assert (tmp_path / "out" / "big.bin").read_bytes() == b"".join(parts)


def test_an_object_that_changed_is_refused_and_nothing_appears(lake: Any, tmp_path: Path) -> None:
    lake.put_object(Bucket="lake", Key="train.csv", Body=b"data")
    packed(tmp_path, "s3://lake/train.csv")
    lake.put_object(Bucket="lake", Key="train.csv", Body=b"tada")
    with pytest.raises(SourceChangedError, match=r"s3://lake/train\.csv is not what the kit names: its ETag is"):
        kitops.unpack("churn:1", tmp_path / "out", include_remote=True)
    assert not (tmp_path / "out").exists()


def test_a_version_stays_what_it_was(lake: Any, tmp_path: Path) -> None:
    lake.put_bucket_versioning(Bucket="lake", VersioningConfiguration={"Status": "Enabled"})
    version = lake.put_object(Bucket="lake", Key="train.csv", Body=b"first")["VersionId"]
    packed(tmp_path, "s3://lake/train.csv")
    lake.put_object(Bucket="lake", Key="train.csv", Body=b"second")
    with kitops.open("churn:1") as opened:
        assert opened.kitfile.datasets[0].remote_path == f"s3://lake/train.csv?versionId={version}"
    kitops.unpack("churn:1", tmp_path / "out", include_remote=True)
    assert (tmp_path / "out" / "train.csv").read_bytes() == b"first"


def test_bytes_that_are_not_those_of_the_etag_are_refused(lake: Any) -> None:
    from kitops_core.sources.s3 import _ETag

    whole, cut = _ETag([]), _ETag([4, 2])
    for data in (b"ab", b"cdef"):
        whole.update(data)
        cut.update(data)
    assert whole.etag() == "e80b5017098950fc58aad83c8c14978e"  # md5 of abcdef
    assert cut.etag() == upload_like(b"abcd", b"ef")


def upload_like(*parts: bytes) -> str:
    """The ETag by S3's rule, worked out at once."""
    from hashlib import md5

    return f"{md5(b''.join(md5(part).digest() for part in parts)).hexdigest()}-{len(parts)}"


def test_what_is_not_there_or_no_address_is_said(lake: Any, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"there is no object s3://lake/gone\.csv"):
        packed(tmp_path, "s3://lake/gone.csv")
    with pytest.raises(NotFoundError, match=r"there is no object s3://desert/gone\.csv"):
        packed(tmp_path, "s3://desert/gone.csv")
    for text in ("s3://lake", "s3:///key", "gs://lake/key", "https://lake/key"):
        with pytest.raises(InvalidInputError, match="no object of S3"):
            packed(tmp_path, text)
    with pytest.raises(InvalidInputError) as caught:
        packed(tmp_path, "s3://me:hunter2@lake/key")
    assert "hunter2" not in str(caught.value) + caught.value.hint


def test_a_server_that_is_away_is_said(tmp_path: Path, lake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_API_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(RegistryError, match=r"S3 cannot be reached for s3://lake/a\.csv"):
        packed(tmp_path, "s3://lake/a.csv")


def test_addresses_are_written_as_they_are_read() -> None:
    for text in ("s3://lake/a/b.csv", "s3://lake/a%20b%3F.csv?versionId=a%2Bb"):
        assert str(S3Url.parse(text)) == text
    assert S3Url.parse("s3://lake/a%20b?versionId=x") == S3Url("lake", "a b", "x")


def test_the_command(lake: Any, tmp_path: Path) -> None:
    lake.put_object(Bucket="lake", Key="train.csv", Body=b"data")
    write_files(tmp_path / "project", {"m.bin": "weights"})
    ok("pack", tmp_path / "project", "-t", "churn:1", "--remote-dataset", "train=s3://lake/train.csv")
    shown = ok("info", "churn:1")
    assert "remotePath: s3://lake/train.csv" in shown.out
    assert "not in the kit: s3://lake/train.csv (`kitops unpack --include-remote` fetches it)" in shown.err
    ran = ok("unpack", "churn:1", "-d", tmp_path / "a")
    assert "not in the kit: s3://lake/train.csv (--include-remote fetches it)" in ran.err
    ok("unpack", "churn:1", "-d", tmp_path / "b", "--include-remote")
    assert (tmp_path / "b" / "train.csv").read_bytes() == b"data"
    assert kit("pack", tmp_path / "project", "--remote-dataset", "train").code == 3


def test_the_datasets_of_another_kit_are_unpacked_from_it(tmp_path: Path) -> None:
    write_files(tmp_path / "lake", {"Kitfile": "code: [{path: a.py}]\ndatasets: [{path: d}]\n", "d/x": "x", "a.py": ""})
    data = kitops.pack(tmp_path / "lake", "lake/data:1")
    record = packed(tmp_path, f"lake/data@{data.digest}")
    assert record.parents == (f"lake/data@{data.digest}",)
    kitops.unpack("churn:1", tmp_path / "out", include_remote=True)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"Kitfile", "m.bin", "d"}


def test_files_in_the_way_are_kept(lake: Any, tmp_path: Path) -> None:
    lake.put_object(Bucket="lake", Key="train.csv", Body=b"data")
    packed(tmp_path, "s3://lake/train.csv")
    write_files(tmp_path / "out", {"train.csv": "mine"})
    with pytest.raises(ConflictError):
        kitops.unpack("churn:1", tmp_path / "out", include_remote=True)
    assert (tmp_path / "out" / "train.csv").read_text() == "mine"


def test_without_the_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "botocore.session", None)
    with pytest.raises(InvalidInputError) as caught:
        S3()
    assert "kitops-core[objects]" in caught.value.hint
