"""OCI image layout directories: plain enough for every other tool, safe for several writers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from golden_cases import load_artifact
from local_kits import StreamSource, blob_digests, digests_of, put_kit, put_referrer, read_kit

from kitops_core.errors import IntegrityError, InvalidReferenceError, NotFoundError, StoreError
from kitops_core.events import Control
from kitops_core.oci import media_types
from kitops_core.oci.manifest import sha256_digest
from kitops_core.storage.local import LayoutRepository

REF_NAME = "org.opencontainers.image.ref.name"


@pytest.fixture
def layout(tmp_path: Path) -> LayoutRepository:
    return LayoutRepository(tmp_path / "layout", create=True, fsync=False)


def index_of(layout: LayoutRepository) -> list[dict[str, Any]]:
    path = Path(layout.name.removeprefix("oci:")) / "index.json"
    manifests: list[dict[str, Any]] = json.loads(path.read_text())["manifests"]
    return manifests


def write_layout(root: Path, entries: list[dict[str, Any]], blobs: dict[str, bytes]) -> LayoutRepository:
    """A layout as another tool writes it."""
    (root / "blobs" / "sha256").mkdir(parents=True)
    for digest, data in blobs.items():
        (root / "blobs" / "sha256" / digest.removeprefix("sha256:")).write_bytes(data)
    (root / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (root / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))
    return LayoutRepository(root, fsync=False)


class TestTheDirectory:
    def test_holds_what_the_image_spec_says_and_nothing_else(self, layout: LayoutRepository, tmp_path: Path) -> None:
        manifest = put_kit(layout, "1.0")
        layout.close()
        root = tmp_path / "layout"
        assert {path.name for path in root.iterdir()} == {"oci-layout", "index.json", "blobs"}
        assert json.loads((root / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
        assert blob_digests(root) == digests_of(manifest)
        assert json.loads((root / "index.json").read_text()) == {
            "schemaVersion": 2,
            "mediaType": media_types.IMAGE_INDEX,
            "manifests": [
                {
                    "mediaType": media_types.IMAGE_MANIFEST,
                    "digest": manifest.digest,
                    "size": len(manifest.raw),
                    "artifactType": media_types.MODELKIT_ARTIFACT,
                    "annotations": {REF_NAME: "1.0"},
                }
            ],
        }

    def test_is_made_by_the_first_write_only(self, layout: LayoutRepository, tmp_path: Path) -> None:
        for action in (
            lambda: layout.resolve("1.0"),
            lambda: layout.untag("1.0"),
            lambda: layout.delete(sha256_digest(b"")),
            lambda: list(layout.tags()),
            lambda: layout.referrers(sha256_digest(b"")),
        ):
            with pytest.raises(NotFoundError, match="no OCI image layout"):
                action()
        assert list(tmp_path.iterdir()) == []
        put_kit(layout, "1.0")
        read_kit(layout, "1.0")

    def test_is_not_made_unless_asked_for(self, tmp_path: Path) -> None:
        with pytest.raises(NotFoundError, match="no OCI image layout"):
            put_kit(LayoutRepository(tmp_path / "layout"), "1.0")
        assert list(tmp_path.iterdir()) == []

    def test_must_not_hold_something_else(self, tmp_path: Path) -> None:
        (tmp_path / "Kitfile").write_text("manifestVersion: 1.0.0")
        with pytest.raises(StoreError, match="not an OCI image layout and not empty: it has 'Kitfile'"):
            put_kit(LayoutRepository(tmp_path, create=True), "1.0")
        assert [path.name for path in tmp_path.iterdir()] == ["Kitfile"]

    def test_must_not_be_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(StoreError, match="Not a directory"):
            put_kit(LayoutRepository(tmp_path / "file", create=True), "1.0")

    def test_of_an_unknown_version_is_refused(self, layout: LayoutRepository, tmp_path: Path) -> None:
        put_kit(layout, "1.0")
        (tmp_path / "layout" / "oci-layout").write_text('{"imageLayoutVersion": "9"}')
        with pytest.raises(StoreError, match=r"'9' is not '1\.0\.0'"):
            layout.resolve("1.0")

    def test_with_a_broken_index_names_the_file(self, layout: LayoutRepository, tmp_path: Path) -> None:
        put_kit(layout, "1.0")
        (tmp_path / "layout" / "index.json").write_text("{")
        with pytest.raises(StoreError, match=r"index\.json is broken"):
            put_kit(layout, "2.0")
        assert (tmp_path / "layout" / "index.json").read_text() == "{"


class TestTags:
    def test_move_and_leave_their_manifest_listed(self, layout: LayoutRepository) -> None:
        first = put_kit(layout, "latest", model=b"1")
        second = put_kit(layout, "latest", "2.0", model=b"2")
        assert list(layout.tags()) == ["2.0", "latest"]
        assert layout.resolve("latest").digest == second.digest
        assert layout.manifest(first.digest).raw == first.raw
        assert [(e["digest"], e.get("annotations")) for e in index_of(layout)] == [
            (first.digest, None),
            (second.digest, {REF_NAME: "latest"}),
            (second.digest, {REF_NAME: "2.0"}),
        ]

    def test_one_of_several_goes_without_a_trace(self, layout: LayoutRepository) -> None:
        manifest = put_kit(layout, "1.0", "latest")
        layout.untag("latest")
        assert [e["annotations"] for e in index_of(layout)] == [{REF_NAME: "1.0"}]
        layout.untag("1.0")
        assert [e["digest"] for e in index_of(layout)] == [manifest.digest]
        with pytest.raises(NotFoundError, match=r":1\.0 is not there"):
            layout.untag("1.0")

    def test_can_be_given_to_what_is_listed_only(self, layout: LayoutRepository) -> None:
        manifest = put_kit(layout)
        layout.tag(manifest.descriptor, "late")
        assert [e["annotations"] for e in index_of(layout)] == [{REF_NAME: "late"}]
        with pytest.raises(NotFoundError):
            layout.tag(manifest.config, "config")
        with pytest.raises(InvalidReferenceError):
            layout.tag(manifest.descriptor, "not a tag")

    def test_go_with_their_manifest(self, layout: LayoutRepository) -> None:
        first = put_kit(layout, "a", "b", model=b"1")
        put_kit(layout, "c", model=b"2")
        layout.delete(first.digest)
        assert list(layout.tags()) == ["c"]
        with pytest.raises(NotFoundError) as caught:
            layout.delete(first.digest)
        assert caught.value.hint == "its tags are c"

    def test_that_only_hold_referrers_are_not_listed(self, layout: LayoutRepository) -> None:
        put_kit(layout, "1.0", sha256_digest(b"").replace(":", "-"))
        assert list(layout.tags()) == ["1.0"]


class TestReferrers:
    def test_are_found_and_listed_without_a_tag(self, layout: LayoutRepository) -> None:
        subject = put_kit(layout, "1.0")
        signature = put_referrer(layout, subject.descriptor)
        assert [d.digest for d in layout.referrers(subject.digest)] == [signature.digest]
        assert layout.referrers(subject.digest, "application/other") == []
        assert list(layout.tags()) == ["1.0"]

    def test_that_cosign_wrote_are_found(self, tmp_path: Path) -> None:
        artifact = load_artifact("signatures/cosign-referrers")
        manifests = {
            digest: data
            for digest, data in artifact.blobs.items()
            if data.startswith(b'{"schemaVersion"') and b'"layers"' in data
        }
        entries = [
            {"mediaType": media_types.IMAGE_MANIFEST, "digest": digest, "size": len(data)}
            for digest, data in manifests.items()
        ]
        layout = write_layout(tmp_path / "signed", entries, dict(artifact.blobs))
        found = layout.referrers(artifact.manifest_digest)
        assert found
        assert {d.digest for d in found} < set(manifests)
        assert all(read_kit(layout, d.digest) for d in found)


class TestOtherTools:
    def test_what_they_wrote_is_read(self, tmp_path: Path) -> None:
        artifact = load_artifact("foreign/files-by-oras")
        entry = {
            "mediaType": media_types.IMAGE_MANIFEST,
            "digest": artifact.manifest_digest,
            "size": len(artifact.manifest),
            "annotations": {REF_NAME: "v1", "org.example.by": "oras"},
        }
        layout = write_layout(tmp_path / "theirs", [entry], dict(artifact.blobs))
        assert list(layout.tags()) == ["v1"]
        assert layout.manifest("v1").raw == artifact.manifest
        read_kit(layout, "v1")
        assert layout.resolve("v1").annotations == {"org.example.by": "oras"}

    def test_fields_and_entries_of_theirs_survive(self, tmp_path: Path) -> None:
        image = b'{"schemaVersion":2,"mediaType":"%s","manifests":[]}' % media_types.IMAGE_INDEX.encode()
        entry = {
            "mediaType": media_types.IMAGE_INDEX,
            "digest": sha256_digest(image),
            "size": len(image),
            "platform": {"architecture": "amd64", "os": "linux"},
            "annotations": {REF_NAME: "image", "io.containerd.image.name": "example.com/image:1"},
        }
        layout = write_layout(tmp_path / "theirs", [entry], {sha256_digest(image): image})
        index = json.loads((tmp_path / "theirs" / "index.json").read_text())
        (tmp_path / "theirs" / "index.json").write_text(json.dumps({**index, "annotations": {"kept": "yes"}}))
        put_kit(layout, "kit")
        assert index_of(layout)[0] == entry
        assert json.loads((tmp_path / "theirs" / "index.json").read_text())["annotations"] == {"kept": "yes"}
        with pytest.raises(IntegrityError, match="an index of several manifests, not one kit"):
            layout.manifest("image")

    def test_files_of_theirs_stay(self, layout: LayoutRepository, tmp_path: Path) -> None:
        put_kit(layout, "1.0")
        (tmp_path / "layout" / "README").write_text("mine")
        put_kit(layout, "2.0", model=b"2")
        assert (tmp_path / "layout" / "README").exists()


def test_an_altered_blob_is_detected_when_read(layout: LayoutRepository, tmp_path: Path) -> None:
    manifest = put_kit(layout, "1.0", model=b"weights")
    path = tmp_path / "layout" / "blobs" / "sha256" / manifest.layers[0].digest.removeprefix("sha256:")
    path.chmod(0o644)
    path.write_bytes(b"weighty")
    with pytest.raises(IntegrityError, match="altered"):
        read_kit(layout, "1.0")


def test_a_manifest_without_its_blobs_is_refused(layout: LayoutRepository, tmp_path: Path) -> None:
    manifest = put_kit(LayoutRepository(tmp_path / "other", create=True, fsync=False), "1.0")
    with pytest.raises(NotFoundError, match="which is not here"):
        layout.put_manifest(manifest, ["1.0"])


def test_a_failed_write_leaves_no_partial_file(layout: LayoutRepository, tmp_path: Path) -> None:
    known = layout.write_blob(StreamSource(b"right"), Control()).descriptor
    (tmp_path / "layout" / "blobs" / "sha256" / known.digest[7:]).unlink()
    with pytest.raises(IntegrityError):
        layout.write_blob(StreamSource(b"wrong", known=known), Control())
    layout.close()
    assert not (tmp_path / "layout" / "ingest").exists()
    assert blob_digests(tmp_path / "layout") == set()


def test_several_processes_make_and_fill_one_layout(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from local_kits import put_kit\n"
        "from kitops_core.storage.local import LayoutRepository\n"
        "print(flush=True); sys.stdin.readline()\n"
        "for round in range(5):\n"
        "    layout = LayoutRepository(Path(sys.argv[1]), create=True)\n"
        "    put_kit(layout, f'{sys.argv[2]}-{round}', model=sys.argv[2].encode() * 1000)\n"
        "    layout.close()\n"
    )
    path = os.pathsep.join([str(Path(__file__).parents[2] / "support"), str(Path(__file__).parents[3])])
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, tmp_path / "layout", str(number)],
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for number in range(6)
    ]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    for process in processes:
        process.communicate(b"go\n", timeout=60)
    assert [process.returncode for process in processes] == [0] * 6
    layout = LayoutRepository(tmp_path / "layout")
    assert list(layout.tags()) == sorted(f"{n}-{r}" for n in range(6) for r in range(5))
    for tag in layout.tags():
        read_kit(layout, tag)
    assert {path.name for path in (tmp_path / "layout").iterdir()} == {"oci-layout", "index.json", "blobs"}
