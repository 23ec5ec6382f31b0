"""A catalogue of many kits over the link: seconds, processor time, memory, and how many requests it takes."""

from __future__ import annotations

import json
from pathlib import Path

from fault_proxy import fault_proxy
from registry_fixture import serve_registry

from benchmarks.bench import MIB, Bench, kitops
from benchmarks.link_proxy import slow_link
from benchmarks.measure import run
from kitops_core.evidence.predicate_types import ANNOTATION_UNSIGNED_PREDICATE, SLSA_PROVENANCE
from kitops_core.evidence.statement import PAYLOAD_TYPE, statement_for
from kitops_core.oci import media_types
from kitops_core.oci.manifest import Descriptor, build_manifest, sha256_digest
from kitops_core.oci.own_tags import kept_tag
from kitops_core.oci.referrers_tag import fallback_tag, own_tag

KITS, VERSIONS = 200, 50
FEW_KITS, FEW_VERSIONS = 40, 10


def catalog(bench: Bench) -> None:
    """200 kits of 50 versions, each with provenance, first and again; requests of 40 kits of 10 versions."""
    with serve_registry() as served:
        fill(served.root / "data", FEW_KITS, FEW_VERSIONS)
        with fault_proxy(served.address) as proxy:
            for name in ("first", "again"):
                proxy.seen.clear()
                run(_command(bench, proxy.address, "few"))
                what = f"requests of a catalogue of {FEW_KITS} kits of {FEW_VERSIONS} versions, {name}"
                bench.row(f"{what}, for each version", "", len(proxy.seen) / (FEW_KITS * FEW_VERSIONS))
    with serve_registry() as served:
        fill(served.root / "data", KITS, VERSIONS)
        with slow_link(served.address) as link:
            for name, bound in (("first", 60.0), ("again", None)):
                done = run(_command(bench, link, "many"))
                what = f"catalogue of {KITS} kits of {VERSIONS} versions over the link, {name}"
                bench.row(f"{what} ({done.cpu:.0f} s of processor time)", "", done.wall, bound, " s")
                bench.row(f"peak memory of it, {name}", "", done.peak / MIB, None, " MiB")


def _command(bench: Bench, registry: str, site: str) -> list[str]:
    home = bench.work / "homes" / "catalog"
    home.mkdir(parents=True, exist_ok=True)
    return [*kitops(home, "catalog", f"{registry}/ml/", "--output", str(bench.work / site))]


def fill(data: Path, kits: int, versions: int) -> None:
    """Put kits into the directory of a registry (distribution's layout), as many pushes with provenance would."""
    for number in range(kits):
        repository = Repository(data, f"ml/kit-{number}")
        weights = repository.blob(f"weights of {number}".encode(), "application/vnd.kitops.modelkit.model.v1.tar")
        empty = repository.blob(media_types.EMPTY_CONFIG_BYTES, media_types.EMPTY_CONFIG)
        for version in range(versions):
            kitfile = {
                "manifestVersion": "1.0.0",
                "package": {"name": f"kit-{number}", "version": f"1.{version}", "description": "One of many kits."},
                "model": {"path": "model.bin", "parameters": {"depth": version}, "digest": weights.digest},
            }
            config = repository.blob(json.dumps(kitfile).encode(), media_types.MODELKIT_CONFIG)
            kit = build_manifest(artifact_type=media_types.MODELKIT_ARTIFACT, config=config, layers=[weights])
            repository.manifest(kit.raw, f"1.{version}", kept_tag(kit.digest))
            said = {
                "buildDefinition": {"externalParameters": {"orchestrator": "airflow", "pipeline": f"train_{number}"}},
                "runDetails": {"metadata": {"finishedOn": f"2026-01-{1 + version % 28:02d}T00:00:00Z"}},
            }
            statement = repository.blob(statement_for(kit.digest, SLSA_PROVENANCE, said).to_json(), PAYLOAD_TYPE)
            referrer = build_manifest(
                artifact_type=PAYLOAD_TYPE,
                config=empty,
                layers=[statement],
                annotations={ANNOTATION_UNSIGNED_PREDICATE: SLSA_PROVENANCE},
                subject=kit.descriptor,
            )
            entry = {**referrer.descriptor.to_dict(), "annotations": dict(referrer.annotations)}
            listed = {"schemaVersion": 2, "mediaType": media_types.IMAGE_INDEX, "manifests": [entry]}
            repository.manifest(referrer.raw, own_tag(kit.digest, referrer.digest))
            repository.manifest(json.dumps(listed).encode(), fallback_tag(kit.digest))


class Repository:
    """A repository in a registry's directory."""

    def __init__(self, data: Path, name: str) -> None:
        self._blobs = data / "docker/registry/v2/blobs/sha256"
        self._root = data / "docker/registry/v2/repositories" / name

    def blob(self, content: bytes, media_type: str) -> Descriptor:
        """Write a blob."""
        digest = self._content(content)
        self._link(self._root / "_layers/sha256" / digest[7:], digest)
        return Descriptor(media_type, digest, len(content))

    def manifest(self, content: bytes, *tags: str) -> None:
        """Write a manifest under tags."""
        digest = self._content(content)
        manifests = self._root / "_manifests"
        self._link(manifests / "revisions/sha256" / digest[7:], digest)
        for tag in tags:
            self._link(manifests / "tags" / tag / "current", digest)
            self._link(manifests / "tags" / tag / "index/sha256" / digest[7:], digest)

    def _content(self, content: bytes) -> str:
        digest = sha256_digest(content)
        path = self._blobs / digest[7:9] / digest[7:] / "data"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return digest

    @staticmethod
    def _link(directory: Path, digest: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "link").write_text(digest)
