"""Packing what is in an object store: time, memory and what is written, beside copying it to a disk first."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from s3_server import BUCKET, s3_server

from benchmarks.bench import GIB, MIB, Bench, kitops, size_of
from benchmarks.measure import Side

_OBJECTS = 8
# In a process of its own: a command's peak memory is at least that of the process which started it.
_FILL = """
import boto3, random, sys
bucket, prefix, number, size = sys.argv[1:]
s3 = boto3.client("s3")
for each in range(int(number)):
    s3.put_object(Bucket=bucket, Key=f"{prefix}/weights/{each}.bin", Body=random.Random(each).randbytes(int(size)))
"""
# What `aws s3 cp` does, by the library that it does it with.
_DOWNLOAD = """
import boto3, pathlib, sys
from boto3.s3.transfer import TransferConfig
bucket, prefix, target = sys.argv[1:]
s3, how = boto3.client("s3"), TransferConfig(max_concurrency=10)
for found in s3.list_objects_v2(Bucket=bucket, Prefix=prefix + "/")["Contents"]:
    path = pathlib.Path(target, found["Key"].removeprefix(prefix + "/"))
    path.parent.mkdir(parents=True, exist_ok=True)
    s3.download_file(bucket, found["Key"], str(path), Config=how)
"""


def objects(bench: Bench) -> None:
    """``pack --push`` of a URL: 1 GiB in 8 objects."""
    with s3_server() as server:
        fill = [sys.executable, "-c", _FILL, BUCKET, "large", str(_OBJECTS), str(GIB // _OBJECTS)]
        subprocess.run(fill, check=True, env={**os.environ, **server.environment})
        home, copy = bench.work / "homes" / "objects", bench.work / "objects-copy"
        ours = Side(
            "kitops pack s3:// --push",
            lambda i: kitops(home, "pack", f"s3://{BUCKET}/large", "-t", bench.reference("objects", i), "--push"),
            before=lambda _: bench.home("objects") and None,
            environment={**server.environment, "TMPDIR": str(home)},
        )

        def copied(i: int) -> list[str]:
            pack = kitops(bench.home("objects-copy"), "pack", str(copy), "-t", bench.reference("copied", i), "--push")
            steps = '"$0" -c "$1" "$2" "$3" "$4" && shift 4 && exec "$@"'
            return ["sh", "-c", steps, sys.executable, _DOWNLOAD, BUCKET, "large", str(copy), *pack]

        first = Side(
            "download as aws s3 cp does, then kitops pack --push",
            copied,
            after=lambda _: shutil.rmtree(copy),
            environment=server.environment,
        )
        bench.compare("pack --push of 1 GiB in 8 objects of S3", ours, [(first, 0.6)])
        bench.row("peak memory, pack --push of 1 GiB in S3", "", ours.peak / MIB, 150, " MiB")
        bench.row("written locally by pack --push of 1 GiB in S3", "", size_of(home) / MIB, 1, " MiB")
