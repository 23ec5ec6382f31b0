"""What things are called, as OpenLineage's naming says for what it knows, so that its other integrations agree."""

from __future__ import annotations

import pytest

from kitops_core.evidence.inputs import Input
from kitops_core.openlineage.naming import input_name, kit_name
from kitops_core.reference import parse_reference

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (Input("s3://bucket/raw/train.csv"), ("s3://bucket", "raw/train.csv", "")),
        (Input("s3a://bucket/raw/"), ("s3://bucket", "raw", "")),
        (Input("s3://bucket"), ("s3://bucket", "/", "")),
        (Input("s3://bucket/train.csv?versionId=7x"), ("s3://bucket", "train.csv", "7x")),
        (Input("s3://bucket/train.csv", {"etag": "9b"}), ("s3://bucket", "train.csv", "etag:9b")),
        (Input("gs://bucket/train.csv", {"sha256": "ab"}), ("gs://bucket", "train.csv", "sha256:ab")),
        (Input("gcs://bucket/train.csv"), ("gs://bucket", "train.csv", "")),
        (
            Input("abfss://raw@acme.dfs.core.windows.net/train.csv"),
            ("abfss://raw@acme.dfs.core.windows.net", "train.csv", ""),
        ),
        (Input("hdfs://namenode:8020/raw/train.csv"), ("hdfs://namenode:8020", "raw/train.csv", "")),
        (Input("file:///data/train.csv"), ("file", "/data/train.csv", "")),
        (Input("file://host/data/train.csv"), ("file://host", "/data/train.csv", "")),
        (Input("data/train.csv", {"sha256": "ab"}), ("file", "data/train.csv", "sha256:ab")),
        (Input("bigquery://project/dataset/table"), ("bigquery", "project.dataset.table", "")),
        (Input("hf://acme/tiny@c0ffee", {"gitCommit": "c0ffee"}), ("hf", "acme/tiny", "c0ffee")),
        (Input("hf://datasets/acme/words@main"), ("hf", "datasets/acme/words", "main")),
        (Input("https://example.com/train.csv"), ("https://example.com", "train.csv", "")),
        (Input("urn:acme:table"), ("urn", "acme:table", "")),
        (Input(f"oci://R.example.com:5000/ml/base@{DIGEST}"), ("oci://r.example.com:5000", "ml/base", DIGEST)),
        (Input(f"oci://localhost/base@{DIGEST}"), ("oci://localhost", "base", DIGEST)),
    ],
)
def test_an_input_is_called_as_others_call_it(item: Input, expected: tuple[str, str, str]) -> None:
    assert tuple(input_name(item)) == expected


@pytest.mark.parametrize(
    "uri",
    [
        "https://user:hunter2@example.com/train.csv?token=hunter2#hunter2",
        "s3://AKIAIOSFODNN7EXAMPLE:hunter2@bucket/train.csv?X-Amz-Signature=hunter2&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE",
        "az://raw/train.csv?sv=2024&sig=hunter2",
        "hf://user:hunter2@acme/tiny",
    ],
)
def test_no_credential_is_part_of_a_name(uri: str) -> None:
    assert "hunter2" not in "".join(input_name(Input(uri)))
    assert "AKIA" not in "".join(input_name(Input(uri)))


def test_a_kit_in_a_layout_is_called_by_its_directory() -> None:
    assert tuple(kit_name(parse_reference("oci:/srv/kits:1.0"))) == ("file", "/srv/kits", "")
