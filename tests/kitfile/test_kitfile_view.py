"""Which layer belongs to which entry; kits whose manifest and config disagree; artifacts without a Kitfile."""

import json

import pytest
from golden_cases import load_artifact, load_case, load_cases

from kitops_core.errors import IntegrityError, UnsafeLayerError
from kitops_core.kitfile import Code, Dataset, Docs, Kitfile, McpServer, Model, ModelPart, Package, Prompt, view
from kitops_core.kitfile.modelpack import to_modelpack_config
from kitops_core.oci import media_types
from kitops_core.oci.manifest import Descriptor, build_manifest, parse_manifest, sha256_digest
from kitops_core.oci.media_types import LayerType

EMPTY = Descriptor(media_types.EMPTY_CONFIG, sha256_digest(b"{}"), 2)


def layer(section, content="x", *, compression="none", format="tar", **annotations):
    media_type = LayerType(section, format, compression).modelkit()
    if section == "prompt":
        annotations[media_types.ANNOTATION_SUBTYPE] = media_types.SUBTYPE_PROMPT
    return Descriptor(media_type, sha256_digest(content.encode()), len(content), annotations)


def titled(name, media_type="application/octet-stream", **annotations):
    return Descriptor(media_type, sha256_digest(name.encode()), 1, {media_types.ANNOTATION_TITLE: name, **annotations})


def kit(kitfile, layers, digests=True):
    """The view of a kit whose config says each entry is the layer at its place."""
    found = {e.address: (d.digest, d.digest) for e, d in zip(kitfile.entries(), layers, strict=False)}
    config = kitfile.to_config(found if digests else {})
    return view(manifest(config, layers), config, "k")


def manifest(config, layers, media_type=media_types.MODELKIT_CONFIG, annotations=None):
    return build_manifest(
        artifact_type=media_types.MODELKIT_ARTIFACT,
        config=Descriptor(media_type, sha256_digest(config), len(config)),
        layers=layers,
        annotations=annotations,
    )


# --- ModelKits


@pytest.mark.parametrize("case", load_cases(fails=False), ids=lambda case: case.name)
def test_every_entry_of_a_kit_of_the_reference_has_its_layer(case):
    found = view(parse_manifest(json.dumps(case.expected["manifest"]).encode(), "k"), case.config.encode())
    entries = found.kitfile.entries()
    assert [found.layers[e.address].digest for e in entries] == [e.digest for e in entries]
    assert [found.types[e.address].modelkit() for e in entries] == [d["mediaType"] for d in case.layers]
    assert found.kitfile.to_config({}).decode() == case.config


def test_kits_without_digests_are_matched_by_order():
    case = load_case("parts-and-ignore")
    config = Kitfile.parse(case.kitfile).to_config({})
    found = view(parse_manifest(json.dumps(case.expected["manifest"]).encode(), "k"), config)
    assert [d.digest for d in found.layers.values()] == [d["digest"] for d in case.layers]
    assert list(found.layers) == [e.address for e in found.kitfile.entries()]


def test_layers_in_another_order_are_found_by_digest():
    kitfile = Kitfile(model=Model(path="m"), docs=[Docs(path="d")])
    layers = [layer("model", "m"), layer("docs", "d")]
    config = kitfile.to_config({"model": (layers[0].digest, ""), "docs[0]": (layers[1].digest, "")})
    found = view(manifest(config, layers[::-1]), config)
    assert found.layers == {"model": layers[0], "docs[0]": layers[1]}


def test_entries_with_equal_content_each_get_a_layer_of_their_own_section():
    kitfile = Kitfile(code=[Code(path="a")], datasets=[Dataset(path="b")], docs=[Docs(path="c"), Docs(path="d")])
    layers = [layer("code"), layer("dataset"), layer("docs"), layer("docs")]
    found = kit(kitfile, layers[::-1])
    assert [t.section for t in found.types.values()] == ["code", "dataset", "docs", "docs"]


def test_prompts_are_code_layers_with_an_annotation_and_bundles_are_raw():
    kitfile = Kitfile(
        code=[Code(path="a")], prompts=[Prompt(path="p")], mcp_servers=[McpServer(name="s", path="s.mcpb")]
    )
    found = kit(kitfile, [layer("code", "a"), layer("prompt", "p"), layer("mcpb", "s", format="raw")])
    assert found.types["prompts[0]"] == LayerType("prompt")
    assert found.types["mcpServers[0]"] == LayerType("mcpb", "raw")


def test_a_model_reference_and_a_remote_dataset_have_no_layer():
    kitfile = Kitfile(
        model=Model(path="base:v1"), datasets=[Dataset(path="d", remote_path="s3://b/k", remote_hash="h")]
    )
    assert kit(kitfile, []).layers == {}


def test_layers_of_kinds_yet_unknown_are_left_out():
    new = Descriptor("application/vnd.kitops.modelkit.weather.v1.tar", sha256_digest(b"w"), 1)
    assert list(kit(Kitfile(code=[Code(path="a")]), [layer("code"), new]).layers) == ["code[0]"]


def test_a_missing_layer_is_an_integrity_error():
    with pytest.raises(IntegrityError, match="k: the Kitfile has 2 packed entries, the manifest 1 layers"):
        kit(Kitfile(code=[Code(path="a"), Code(path="b")]), [layer("code")])


def test_a_layer_that_no_entry_names_is_an_integrity_error():
    with pytest.raises(IntegrityError, match="1 packed entries, the manifest 2 layers"):
        kit(Kitfile(code=[Code(path="a")]), [layer("code", "a"), layer("code", "b")])


def test_a_digest_that_is_not_in_the_manifest_is_an_integrity_error():
    config = Kitfile(code=[Code(path="a")]).to_config({"code[0]": (sha256_digest(b"other"), "")})
    with pytest.raises(IntegrityError, match=r"code\[0\] has the layer sha256:.* not in the manifest"):
        view(manifest(config, [layer("code")]), config, "k")


@pytest.mark.parametrize("digests", [True, False])
def test_a_layer_of_another_section_is_an_integrity_error(digests):
    with pytest.raises(IntegrityError, match=r"the layer of code\[0\] is a model layer"):
        kit(Kitfile(code=[Code(path="a")]), [layer("model")], digests)


def test_digests_on_some_entries_only_are_an_integrity_error():
    config = Kitfile(code=[Code(path="a"), Code(path="b")]).to_config({"code[0]": (layer("code", "a").digest, "")})
    with pytest.raises(IntegrityError, match=r"code\[0\] has a digest, code\[1\] has none"):
        view(manifest(config, [layer("code", "a"), layer("code", "b")]), config, "k")


def test_an_uncompressed_layer_with_another_diff_id_is_an_integrity_error():
    digest = layer("code").digest
    config = Kitfile(code=[Code(path="a")]).to_config({"code[0]": (digest, sha256_digest(b"other"))})
    with pytest.raises(IntegrityError, match=r"code\[0\] has diffId"):
        view(manifest(config, [layer("code")]), config, "k")
    assert view(manifest(config, [layer("code", compression="gzip")]), config).layers


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "a\0"])
def test_a_path_outside_the_kit_is_refused(path):
    with pytest.raises(UnsafeLayerError, match="outside the kit"):
        kit(Kitfile(code=[Code(path=path)]), [layer("code")])


# --- ModelPacks


def test_a_modelpack_of_another_tool_gets_a_kitfile_from_its_layers():
    artifact = load_artifact("foreign/modelpack-by-modctl")
    parsed = parse_manifest(artifact.manifest, "m")
    found = view(parsed, artifact.blobs[parsed.config.digest])
    config, weights, code, docs = parsed.layers
    assert Kitfile.from_data(found.kitfile) == Kitfile(
        package=Package(name="tiny"),
        model=Model(
            path="model.safetensors", format="safetensors", digest=weights.digest, diff_id=weights.digest,
            parts=[ModelPart(path="config.json", digest=config.digest, diff_id=config.digest)],
        ),
        code=[Code(path="train.py", digest=code.digest, diff_id=code.digest)],
        docs=[Docs(path="README.md", digest=docs.digest, diff_id=docs.digest)],
    )  # fmt: skip
    assert found.layers == {"model": weights, "model.parts[0]": config, "code[0]": code, "docs[0]": docs}
    assert {layer_type.format for layer_type in found.types.values()} == {"raw"}


def test_the_kitfile_annotation_of_a_modelpack_wins():
    layers = [Descriptor(LayerType("model").modelpack(), sha256_digest(b"m"), 1),
              Descriptor(LayerType("prompt").modelpack(), sha256_digest(b"p"), 1)]  # fmt: skip
    kitfile = Kitfile(package=Package(name="n"), model=Model(path="m"), prompts=[Prompt(path="p")])
    text = kitfile.to_config({"model": (layers[0].digest, ""), "prompts[0]": (layers[1].digest, "")}).decode()
    config = to_modelpack_config(kitfile.data(), [d.digest for d in layers])
    parsed = manifest(config, layers, media_types.MODELPACK_CONFIG, {media_types.ANNOTATION_KITFILE: text})
    found = view(parsed, config)
    assert found.kitfile.package == {"name": "n"}
    assert found.types == {"model": LayerType("model"), "prompts[0]": LayerType("prompt")}


def test_a_modelpack_config_holds_what_the_specification_asks_for():
    kitfile = Kitfile(
        package=Package(name="n", version="1", description="<d>", license="MIT", authors=["a"]),
        model=Model(path="m", format="gguf", license="Apache-2.0", parts=[ModelPart(path="p", license="MIT")]),
    )
    assert to_modelpack_config(kitfile.data(), ["sha256:a", "sha256:b"]).decode() == (
        '{"descriptor":{"authors":["a"],"name":"n","version":"1","title":"n","description":"\\u003cd\\u003e",'
        '"licenses":["Apache-2.0","MIT"]},"modelfs":{"type":"layers","diffIds":["sha256:a","sha256:b"]},'
        '"config":{"format":"gguf"}}'
    )
    bare = json.loads(to_modelpack_config(Kitfile().data(), [], created="2026-01-02T00:00:00Z"))
    assert bare == {
        "descriptor": {"createdAt": "2026-01-02T00:00:00Z"},
        "modelfs": {"type": "layers", "diffIds": []},
        "config": {},
    }


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (b"{", "is not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"modelfs":{"diffIds":["sha256:1"]}}', "diffIds are not digests"),
        (b'{"modelfs":{"diffIds":[]}}', "0 diffIds, the manifest 1 layers"),
    ],
)
def test_a_modelpack_config_that_contradicts_the_manifest_is_an_integrity_error(config, problem):
    with pytest.raises(IntegrityError, match=problem):
        view(manifest(config, [titled("m.gguf")], media_types.MODELPACK_CONFIG), config)


# --- files pushed by oras


def test_files_pushed_by_oras_are_told_apart_by_name_and_are_raw():
    artifact = load_artifact("foreign/files-by-oras")
    parsed = parse_manifest(artifact.manifest, "m")
    found = view(parsed, artifact.blobs[parsed.config.digest])
    assert found.layers == dict(zip(["model", "model.parts[0]", "docs[0]"], parsed.layers, strict=True))
    assert [e.path for e in found.kitfile.entries()] == ["model.safetensors", "config.json", "README.md"]
    assert {layer_type.format for layer_type in found.types.values()} == {"raw"}


def foreign(*layers):
    return view(build_manifest(artifact_type="a/b", config=EMPTY, layers=layers), b"{}", "k")


def test_a_directory_pushed_by_oras_is_a_tar():
    found = foreign(
        titled("src", "application/vnd.oci.image.layer.v1.tar+gzip", **{"io.deis.oras.content.unpack": "true"})
    )
    assert found.types == {"code[0]": LayerType("code", "tar", "gzip")}


def test_the_first_weight_is_the_model_and_the_others_are_parts():
    found = foreign(titled("config.json"), titled("b.gguf"), titled("a.gguf"), titled("d.csv"), titled("AGENTS.md"))
    assert [(e.address, e.path) for e in found.kitfile.entries()] == [
        ("model", "b.gguf"), ("model.parts[0]", "config.json"), ("model.parts[1]", "a.gguf"),
        ("datasets[0]", "d.csv"), ("prompts[0]", "AGENTS.md"),
    ]  # fmt: skip
    assert [e.path for e in foreign(titled("x.json")).kitfile.entries()] == ["x.json"]
    assert list(foreign(titled("x.json")).layers) == ["datasets[0]"]


def test_a_weight_named_like_a_reference_still_has_an_entry_with_a_layer():
    found = foreign(titled("llama:q4.gguf"))
    assert [e.address for e in found.kitfile.entries()] == list(found.layers)


def test_unnamed_layers_are_left_out_and_nothing_named_is_no_kit():
    unnamed = Descriptor("application/octet-stream", sha256_digest(b"x"), 1)
    assert list(foreign(unnamed, titled("a.py")).layers) == ["code[0]"]
    with pytest.raises(IntegrityError, match="k is not a ModelKit") as caught:
        foreign(unnamed)
    assert caught.value.hint


def test_two_files_at_one_path_and_paths_outside_are_refused():
    with pytest.raises(IntegrityError, match="two layers have the path 'a\\.py'"):
        foreign(titled("a.py"), titled("./a.py"))
    with pytest.raises(UnsafeLayerError):
        foreign(titled("../a.py"))
