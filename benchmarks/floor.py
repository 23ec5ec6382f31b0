"""The floor: the same bytes by curl, sha256sum and tar, as shell scripts with every digest known beforehand."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path


def push_script(registry: str, repository: str, blobs: Sequence[tuple[str, Path]], manifest: Path) -> str:
    """Upload blobs by curl, two at a time, each by one POST and one PUT, then the manifest."""
    base = f"http://{registry}/v2/{repository}"
    pairs = " ".join(f"{digest} {shlex.quote(str(path))}" for digest, path in blobs)
    return (
        f"set -e; echo {pairs} | xargs -n2 -P2 sh -c {shlex.quote(_upload(base))} sh; "
        f'curl -sS -f -o /dev/null -X PUT -H "Content-Type: application/vnd.oci.image.manifest.v1+json" '
        f"--data-binary @{shlex.quote(str(manifest))} {base}/manifests/1"
    )


def tar_and_push_script(registry: str, repository: str, directory: Path, work: Path) -> str:
    """``tar | sha256sum`` to learn the digest of a directory's tar, then the tar by curl."""
    base = f"http://{registry}/v2/{repository}"
    return (
        f"set -e; mkdir -p {work}; tar -C {shlex.quote(str(directory))} --sort=name -cf - data | tee {work}/layer.tar "
        f"| sha256sum > {work}/sum; hex=$(cut -d' ' -f1 {work}/sum); "
        f"sh -c {shlex.quote(_upload(base))} sh sha256:$hex {work}/layer.tar; rm -r {work}"
    )


def _upload(base: str) -> str:
    return (
        "set -e; digest=$1 file=$2; "
        f"location=$(curl -sS -f -o /dev/null -X POST -w '%header{{location}}' {base}/blobs/uploads/); "
        'curl -sS -f -o /dev/null -H "Content-Type: application/octet-stream" -H "Expect:" '
        '-T "$file" "$location&digest=$digest"'
    )


def pull_script(registry: str, repository: str, digests: Sequence[str], work: Path) -> str:
    """Fetch each blob by curl, check it by sha256sum, unpack it by tar, one after the other."""
    steps = [f"set -e; mkdir -p {work}/out"]
    for digest in digests:
        hex_ = digest.removeprefix("sha256:")
        steps.append(
            f"curl -sS -f -o {work}/{hex_} http://{registry}/v2/{repository}/blobs/{digest}; "
            f"echo '{hex_}  {work}/{hex_}' | sha256sum --quiet -c -; "
            f"tar -C {work}/out -xf {work}/{hex_}; rm {work}/{hex_}"
        )
    return "; ".join(steps)


def export_blobs(store: Path, manifest: dict[str, object], to: Path) -> tuple[list[tuple[str, Path]], Path]:
    """The blobs of a packed kit as files, and its manifest, for the scripts to send."""
    config, layers = manifest["config"], manifest["layers"]
    assert isinstance(config, dict)
    assert isinstance(layers, list)
    blobs = [
        (str(item["digest"]), store / "storage" / "blobs" / "sha256" / str(item["digest"]).removeprefix("sha256:"))
        for item in (config, *layers)
    ]
    path = to / "manifest.json"
    path.write_text(json.dumps(manifest))
    return blobs, path
