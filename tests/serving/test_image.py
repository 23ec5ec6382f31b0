"""A container image over a kit's own layers: what it is, when there can be none, and where it goes with the kit."""

from __future__ import annotations

import json
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from blob_tools import read
from cli_runner import kit, ok
from clients import find_kit
from fault_proxy import FaultProxy, Seen
from signing_tools import KEY

import kitops_core as kitops
from kitops_core.errors import (
    ConflictError,
    IntegrityError,
    InvalidInputError,
    InvalidReferenceError,
    NotFoundError,
)
from kitops_core.kitfile import Kitfile
from kitops_core.oci import media_types
from kitops_core.storage.local import LocalStore, collect_garbage

KITFILE = """\
manifestVersion: 1.0.0
package: {name: qwen}
model: {path: models/model.safetensors, parts: [{path: models/config.json}]}
code: [{path: serve.py}]
datasets: [{name: eval, path: eval.csv}]
"""


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    root = tmp_path / "bundle"
    (root / "models").mkdir(parents=True)
    (root / "Kitfile").write_text(KITFILE)
    (root / "models" / "model.safetensors").write_bytes(uuid.uuid4().bytes * 4096)
    (root / "models" / "config.json").write_text("{}")
    (root / "serve.py").write_text("print('serve')\n")
    (root / "eval.csv").write_text("a,b\n")
    return root


@pytest.fixture
def name(either_registry: str) -> str:
    return f"{either_registry}/image/{uuid.uuid4().hex[:8]}"


def parts(reference: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """An image's manifest and config, as its readers see them."""
    found = find_kit(reference)
    with closing(found.storage):
        return json.loads(found.manifest.raw), json.loads(read(found.storage, found.manifest.config))


def test_an_image_has_the_kits_layers_and_a_config_with_their_diff_ids(bundle: Path, name: str) -> None:
    packed = kitops.pack(bundle, f"{name}:1", push=True)
    image = kitops.image(f"{name}:1", tag="1-image")
    manifest, config = parts(image.reference)
    assert [(layer["digest"], layer["size"]) for layer in manifest["layers"]] == [
        (layer.digest, layer.size) for layer in packed.layers
    ]
    assert {layer["mediaType"] for layer in manifest["layers"]} == {"application/vnd.oci.image.layer.v1.tar"}
    assert config == {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in packed.layers]},
    }
    assert manifest["config"]["mediaType"] == "application/vnd.oci.image.config.v1+json"
    assert manifest["subject"]["digest"] == packed.digest
    assert image.kit == f"{name}:1@{packed.digest}"
    assert image.reference == f"{name}:1-image@{image.digest}"
    assert image.storage == "registry"
    assert image.warnings == ()


def test_nothing_in_an_image_makes_a_runtime_take_it_for_an_artifact(bundle: Path, name: str) -> None:
    """CRI-O mounts the layers of what has an artifactType as files, and names them by these annotations."""
    kitops.pack(bundle, f"{name}:1", push=True)
    manifest, _ = parts(kitops.image(f"{name}:1").reference)
    assert set(manifest) == {"schemaVersion", "mediaType", "config", "layers", "subject"}
    assert all(set(layer) == {"mediaType", "digest", "size"} for layer in manifest["layers"])


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_the_diff_ids_of_compressed_layers_are_of_their_uncompressed_bytes(
    compression: Any, bundle: Path, name: str
) -> None:
    plain = kitops.pack(bundle, f"{name}:plain", push=True)
    kitops.pack(bundle, f"{name}:1", push=True, how=kitops.Packing(compression=compression))
    image = kitops.image(f"{name}:1")
    manifest, config = parts(image.reference)
    assert {layer["mediaType"] for layer in manifest["layers"]} == {f"{media_types.IMAGE_LAYER}+{compression}"}
    assert config["rootfs"]["diff_ids"] == [layer.digest for layer in plain.layers]
    assert any("zstd" in warning for warning in image.warnings) is (compression == "zstd")


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_modelpack_has_an_image_as_a_modelkit_has(compression: Any, bundle: Path, name: str) -> None:
    plain = kitops.pack(bundle, f"{name}:kit", push=True)
    pack = kitops.pack(bundle, f"{name}:pack", push=True, how=kitops.Packing(model_pack=True, compression=compression))
    manifest, config = parts(kitops.image(f"{name}:pack").reference)
    assert [layer["digest"] for layer in manifest["layers"]] == [layer.digest for layer in pack.layers]
    assert config["rootfs"]["diff_ids"] == [layer.digest for layer in plain.layers]


def test_the_same_kit_gives_the_same_image_and_says_that_nothing_changed(bundle: Path, name: str) -> None:
    kitops.pack(bundle, f"{name}:1", push=True)
    first = kitops.image(f"{name}:1")
    assert first.changed
    assert not kitops.image(f"{name}:1").changed
    tagged = kitops.image(f"{name}:1", tag="served")
    assert tagged.changed
    assert tagged.digest == first.digest
    assert not kitops.image(f"{name}:1", tag="served").changed
    kitops.pack(bundle, f"{name}-elsewhere:1", push=True)
    assert kitops.image(f"{name}-elsewhere:1").digest == first.digest
    assert [row.digest for row in kitops.referrers(f"{name}:1").referrers] == [first.digest]


def test_a_filter_and_a_platform_make_other_images_of_the_same_kit(bundle: Path, name: str) -> None:
    kitops.pack(bundle, f"{name}:1", push=True)
    whole = kitops.image(f"{name}:1")
    model = kitops.image(f"{name}:1", only=["model"])
    arm = kitops.image(f"{name}:1", only=["model"], platform="linux/arm64/v8")
    assert model.paths == ("models/model.safetensors", "models/config.json")
    assert len({whole.digest, model.digest, arm.digest}) == 3
    assert len(parts(model.reference)[0]["layers"]) == 2
    _, config = parts(arm.reference)
    assert (config["os"], config["architecture"], config["variant"]) == ("linux", "arm64", "v8")


def test_making_an_image_sends_its_config_and_manifest_only(bundle: Path, either_faults: FaultProxy) -> None:
    name = f"{either_faults.address}/image/{uuid.uuid4().hex[:8]}"
    kitops.pack(bundle, f"{name}:1", push=True)
    before = len(either_faults.seen)
    image = kitops.image(f"{name}:1", tag="served")
    sent = [seen for seen in either_faults.seen[before:] if "/blobs/" in seen.path]
    config = parts(image.reference)[0]["config"]
    assert sum(map(sent_bytes, sent)) <= config["size"]


def sent_bytes(seen: Seen) -> int:
    return int(seen.headers.get("content-length", "0")) if seen.method in ("PUT", "PATCH", "POST") else 0


# --- when there can be none ---------------------------------------------------------------------------------------


def test_raw_layers_are_refused_by_name_with_what_to_do(bundle: Path, name: str) -> None:
    kitops.pack(bundle, f"{name}:1", push=True, how=kitops.Packing(layer_format="raw"))
    with pytest.raises(
        InvalidInputError, match=r"'models/model.safetensors', 'models/config.json'.*stored raw"
    ) as said:
        kitops.image(f"{name}:1")
    assert "--layer-format tar" in said.value.hint
    assert kitops.referrers(f"{name}:1").referrers == ()


def test_a_kit_whose_model_is_another_kit_has_no_image_with_a_model(bundle: Path, name: str) -> None:
    kitops.pack(bundle, f"{name}:base", push=True)
    kitfile = Kitfile.parse(
        f"manifestVersion: 1.0.0\nmodel: {{path: '{name}:base'}}\ncode: [{{path: serve.py}}]\n".encode()
    )
    kitops.pack(bundle, f"{name}:tuned", push=True, kitfile=kitfile)
    with pytest.raises(InvalidInputError, match="is another kit") as said:
        kitops.image(f"{name}:tuned")
    assert f"{name}:base" in said.value.hint
    assert kitops.image(f"{name}:tuned", only=["code"]).paths == ("serve.py",)


def test_compressed_layers_without_diff_ids_are_refused(bundle: Path, name: str) -> None:
    """Other tools' ModelPacks may have none."""
    from dataclasses import replace

    from kitops_core.kits.stored_kit import read_kit
    from kitops_core.serving.image import _check_layers

    kitops.pack(bundle, f"{name}:1", push=True, how=kitops.Packing(compression="gzip"))
    found = find_kit(f"{name}:1")
    with closing(found.storage):
        stored = read_kit(found.storage, found.manifest)
    with pytest.raises(InvalidInputError, match="does not say the digest"):
        _check_layers(stored, [replace(stored.layers[0], diff_id="")], name, ())


@pytest.mark.parametrize("platform", ["amd64", "windows/amd64", "linux/", "linux/AMD64", "linux/arm64/v8/x"])
def test_a_platform_that_no_node_has_is_refused(platform: str) -> None:
    with pytest.raises(InvalidInputError, match="platform"):
        kitops.image("never-asked:1", platform=platform)


def test_what_is_not_there_is_said(bundle: Path, name: str) -> None:
    kitops.pack(bundle, f"{name}:1", push=True)
    with pytest.raises(NotFoundError, match="nothing for an image that the filter docs takes"):
        kitops.image(f"{name}:1", only=["docs"])
    with pytest.raises(NotFoundError):
        kitops.image(f"{name}:2")
    with pytest.raises(InvalidReferenceError):
        kitops.image(f"{name}:1", tag="-")


def test_a_tag_that_a_kit_has_is_never_moved_to_an_image(bundle: Path, name: str) -> None:
    packed = kitops.pack(bundle, f"{name}:1", push=True)
    with pytest.raises(ConflictError, match=":1 is a kit") as said:
        kitops.image(f"{name}:1", tag="1")
    assert "1-image" in said.value.hint
    assert kitops.list_kits(name)[0].digest == packed.digest


def test_a_tag_that_an_image_has_moves_to_the_next(bundle: Path, name: str) -> None:
    kitops.pack(bundle, f"{name}:1", push=True)
    kitops.image(f"{name}:1", tag="served")
    (bundle / "models" / "config.json").write_text('{"v": 2}')
    kitops.pack(bundle, f"{name}:2", push=True)
    second = kitops.image(f"{name}:2", tag="served")
    assert second.changed
    assert find_kit(f"{name}:served").manifest.digest == second.digest


# --- where KServe would not find the model ------------------------------------------------------------------------


def test_a_model_outside_models_is_warned_of(tmp_path: Path, name: str) -> None:
    (tmp_path / "model.onnx").write_bytes(b"onnx")
    (tmp_path / "README.md").write_text("# it\n")
    kitops.pack(tmp_path, f"{name}:1", push=True)
    image = kitops.image(f"{name}:1")
    assert len(image.warnings) == 1
    assert image.warnings[0].startswith("model.onnx is not under models/")
    ran = ok("image", f"{name}:1")
    assert "warning: model.onnx is not under models/" in ran.err


def test_more_layers_than_every_runtime_mounts_are_warned_of(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    for number in range(128):
        (tmp_path / "models" / f"{number}.bin").write_text(str(number))
    parts = "".join(f"    - path: models/{number}.bin\n" for number in range(1, 128))
    kitfile = Kitfile.parse(f"manifestVersion: 1.0.0\nmodel:\n  path: models/0.bin\n  parts:\n{parts}".encode())
    kitops.pack(tmp_path, "sharded:1", kitfile=kitfile)
    (warning,) = kitops.image("sharded:1").warnings
    assert warning.startswith("128 layers are more than the 127")
    assert kitops.image("sharded:1", only=[":models/0.bin"]).warnings == ()


# --- where it goes with the kit -----------------------------------------------------------------------------------


def test_an_image_made_in_the_local_store_is_pushed_with_the_kit(bundle: Path, name: str) -> None:
    packed = kitops.pack(bundle, f"{name}:1")
    image = kitops.image(f"{name}:1")
    assert image.storage == "local store"
    kitops.push(f"{name}:1")
    assert [row.digest for row in kitops.referrers(f"{name}:1", where="registry").referrers] == [image.digest]
    assert parts(f"{name}@{image.digest}")[1]["rootfs"]["diff_ids"] == [layer.digest for layer in packed.layers]
    assert kitops.image(f"{name}:1", tag="served", where="registry").digest == image.digest


def test_the_local_store_takes_no_tags_for_images_and_lists_none(bundle: Path, name: str) -> None:
    kitops.pack(bundle, f"{name}:1")
    with pytest.raises(ConflictError, match="local store") as said:
        kitops.image(f"{name}:1", tag="served")
    assert "--remote" in said.value.hint
    kitops.image(f"{name}:1")
    assert [record.tag for record in kitops.list_kits(untagged=True)] == ["1"]


def test_collecting_the_local_store_keeps_a_kits_image_and_removes_it_with_the_kit(bundle: Path) -> None:
    kitops.pack(bundle, "qwen:1")
    image = kitops.image("qwen:1")
    collect_garbage(LocalStore(), grace_seconds=0)
    assert parts(f"qwen@{image.digest}")[0]["subject"]
    kitops.remove("qwen:1")
    collect_garbage(LocalStore(), grace_seconds=0)
    with pytest.raises(NotFoundError):
        find_kit(f"qwen@{image.digest}")


def test_a_copy_takes_the_image_along_and_sends_no_layer_twice(bundle: Path, either_faults: FaultProxy) -> None:
    source, target = (f"{either_faults.address}/image/{uuid.uuid4().hex[:8]}" for _ in range(2))
    kitops.pack(bundle, f"{source}:1")
    image = kitops.image(f"{source}:1")
    before = len(either_faults.seen)
    record = kitops.push(f"{source}:1", f"{target}:1")
    seen = [one for one in either_faults.seen[before:] if "/blobs/" in one.path]
    manifest, config = parts(f"{target}@{image.digest}")
    assert config["rootfs"]["diff_ids"] == [layer.diff_id for layer in record.layers]
    referrer_bytes = manifest["config"]["size"]
    assert sum(map(sent_bytes, seen)) == record.size + referrer_bytes


def test_a_promotion_takes_the_image_and_its_signature_along(bundle: Path, name: str, tmp_path: Path) -> None:
    kitops.pack(bundle, f"{name}:dev", push=True)
    image = kitops.image(f"{name}:dev", tag="dev-image")
    kitops.sign(f"{name}@{image.digest}", KEY)
    policy = f"kit: {name}\nchannels: {{dev: {{}}, prod: {{from: dev, target: {name}-prod}}}}\n"
    (tmp_path / "promotion.yaml").write_text(policy)
    kitops.promote("dev", to="prod", policy=tmp_path / "promotion.yaml")
    assert image.digest in [row.digest for row in kitops.referrers(f"{name}-prod:prod").referrers]
    assert kitops.image(f"{name}-prod:prod", tag="prod-image").digest == image.digest
    assert kitops.verify(f"{name}-prod:prod-image", keys=[KEY.public]).digest == image.digest


def test_a_pruned_kit_leaves_its_tagged_image_whole(bundle: Path, name: str) -> None:
    packed = kitops.pack(bundle, f"{name}:1", push=True)
    image = kitops.image(f"{name}:1", tag="served")
    kitops.remove(f"{name}@{packed.digest}", where="registry")
    manifest, _ = parts(f"{name}:served")
    found = find_kit(f"{name}@{image.digest}")
    with closing(found.storage):
        assert all(found.storage.has_blob(layer) for layer in found.manifest.layers)
    assert len(manifest["layers"]) == len(packed.layers)


def test_an_image_is_no_kit_and_says_which_kit_it_is_of(bundle: Path, name: str) -> None:
    packed = kitops.pack(bundle, f"{name}:1", push=True)
    kitops.image(f"{name}:1", tag="served")
    assert [record.tag for record in kitops.list_kits(name)] == ["1"]
    with pytest.raises(IntegrityError, match="is not a ModelKit") as said:
        kitops.unpack(f"{name}:served", bundle.parent / "out")
    assert packed.digest in said.value.hint
    with pytest.raises(IntegrityError, match="is not a ModelKit"):
        kitops.pull(f"{name}:served")
    assert list(LocalStore().repositories()) == []
    with pytest.raises(IntegrityError, match="is not a ModelKit"):
        kitops.tag(f"{name}:served", ["again"], where="registry")
    with pytest.raises(NotFoundError):
        find_kit(f"{name}:again")


# --- the command --------------------------------------------------------------------------------------------------


def test_the_command_answers_the_pinned_image(bundle: Path, name: str) -> None:
    packed = kitops.pack(bundle, f"{name}:1", push=True)
    ran = ok("image", f"{name}:1", "--tag", "served", "--filter", "model")
    digest = kitops.image(f"{name}:1", only=["model"]).digest
    assert ran.out.startswith(f"made  {name}:served@{digest}  2 layers, ")
    assert ok("image", f"{name}:1", "--tag", "served", "--filter", "model").out.startswith("unchanged  ")
    answer = ok("image", f"{name}:1", "--filter", "model", "--json").json
    assert answer["kit"] == f"{name}:1@{packed.digest}"
    assert answer["digest"] == digest
    assert answer["changed"] is False
    assert f"└─ container image   {digest}" in ok("referrers", f"{name}:1").out
    assert answer["paths"] == ["models/model.safetensors", "models/config.json"]
    assert kit("image", f"{name}:1", "--platform", "plan9/amd64").code == 3
    assert kit("image", f"{name}:1", "--tag", "1").code == 8
