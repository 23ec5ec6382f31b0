"""Importing from the Hugging Face Hub: what a kit is made of, and what is moved for it.

The real client and a real registry, before a stand-in for the Hub.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from pathlib import Path

import pytest
from cli_runner import kit, ok
from hub_imports import FILES, WEIGHTS, imported, provenance
from hub_server import Hub
from signing_tools import KEY, write_keys

import kitops_core as kitops
from kitops_core.errors import KitfileError, SourceError
from kitops_core.evidence.slsa_read import read_build

pytest.importorskip("huggingface_hub", reason="the huggingface extra is not installed")


@pytest.fixture
def name(registry: str) -> str:
    return f"{registry}/imported/{uuid.uuid4().hex[:12]}"


def test_files_go_to_the_registry_as_they_are_described_and_with_their_origin(
    hub: Hub, name: str, tmp_path: Path
) -> None:
    commit = hub.repo("acme/tiny").commit(FILES)
    record = imported("acme/tiny", name)
    assert record.changed
    assert record.origin == f"hf://acme/tiny@{commit}"
    layers = {layer.path: layer for layer in record.layers}
    assert set(layers) == set(FILES) - {".gitattributes"}
    for path, layer in layers.items():
        assert layer.digest == f"sha256:{hashlib.sha256(FILES[path]).hexdigest()}"
        assert layer.media_type.endswith(".raw")
    unpacked = kitops.unpack(f"{name}:1", tmp_path / "out")
    assert unpacked.digest == record.digest
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir() if path.name != "Kitfile"} == {
        path: data for path, data in FILES.items() if path != ".gitattributes"
    }
    with kitops.open(f"{name}:1") as opened:
        kitfile = opened.kitfile
    assert kitfile.package.name == "tiny"
    assert kitfile.package.authors == ["acme"]
    assert kitfile.model is not None
    assert (kitfile.model.framework, kitfile.model.format, kitfile.model.license) == (
        "transformers",
        "safetensors",
        "Apache-2.0",
    )
    assert {part.path for part in kitfile.model.parts} == {"config.json", "generation_config.json", "tokenizer.json"}
    assert kitfile.model.parameters == {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "torch_dtype": "bfloat16",
        "max_position_embeddings": 2048,
        "quant_method": "awq",
        "generation": {"temperature": 0.6, "top_p": 0.9},
        "base_model": "acme/base",
        "pipeline_tag": "text-generation",
    }
    said = provenance(f"{name}:1")["buildDefinition"]
    assert said["buildType"] == "urn:kitops-core:build/import/v1"
    assert said["resolvedDependencies"] == [
        {"uri": f"hf://acme/tiny@{commit}", "digest": {"gitCommit": commit}, "name": "tiny"},
        {"uri": "hf://acme/base", "name": "base model"},
    ]
    lineage = kitops.lineage(f"{name}:1")
    assert any(node.reference == "hf://acme/tiny" and node.digest == commit for node in lineage.nodes)
    assert any(node.reference == "hf://acme/base" for node in lineage.nodes)


def test_the_hub_is_told_who_asks(hub: Hub, name: str) -> None:
    hub.repo("acme/tiny").commit(FILES)
    imported("acme/tiny", name)
    asked = [seen for seen in hub.seen if "acme/tiny" in seen.path and "/cdn/" not in seen.path]
    assert {len(seen.agents) for seen in asked} == {1}, asked
    assert all("kitops-core" in seen.agents[0] for seen in asked), asked
    assert any("hf_hub/" in seen.agents[0] for seen in hub.fetched())


def test_an_unchanged_import_sends_and_fetches_no_weights(hub: Hub, name: str) -> None:
    hub.repo("acme/tiny").commit(FILES)
    first = imported("acme/tiny", name)
    hub.seen.clear()
    again = imported("acme/tiny", name)
    assert (again.digest, again.changed, again.sent) == (first.digest, False, 0)
    assert not hub.fetched("model.safetensors")
    assert len(provenance(f"{name}:1")["buildDefinition"]["resolvedDependencies"]) == 2


def test_another_machine_sends_nothing_for_what_the_registry_has(hub: Hub, name: str, tmp_path: Path) -> None:
    hub.repo("acme/tiny").commit(FILES)
    first = imported("acme/tiny", name, store=tmp_path / "one")
    hub.seen.clear()
    again = imported("acme/tiny", name, store=tmp_path / "two")
    assert (again.digest, again.changed, again.sent) == (first.digest, False, 0)
    assert not hub.fetched("model.safetensors")


def test_a_new_commit_with_one_new_file_sends_that_file(hub: Hub, name: str) -> None:
    hub.repo("acme/tiny").commit(FILES)
    first = imported("acme/tiny", name)
    hub.repo("acme/tiny").commit({**FILES, "tokenizer.json": b'{"version": "1.0"}'})
    second = imported("acme/tiny", name)
    assert second.previous_digest == first.digest != second.digest
    assert [layer.path for layer in second.layers if layer.outcome == "written"] == ["tokenizer.json"]


def test_what_another_repository_has_is_mounted_and_not_fetched(hub: Hub, name: str) -> None:
    hub.repo("acme/tiny").commit(FILES)
    imported("acme/tiny", name)
    hub.seen.clear()
    other = imported("acme/tiny", f"{name}-other")
    assert other.changed
    assert {layer.outcome for layer in other.layers} == {"mounted"}
    assert not hub.fetched("model.safetensors")


def test_without_a_reference_it_goes_into_the_local_store(hub: Hub, home: Path) -> None:
    hub.repo("Acme/Tiny_Model").commit(FILES)
    record = kitops.import_kit("Acme/Tiny_Model")
    assert record.reference == "acme/tiny-model:latest"
    assert kitops.import_kit("Acme/Tiny_Model").changed is False


def test_the_branch_is_resolved_once(hub: Hub, name: str) -> None:
    """The branch moves while files are fetched; the kit has the files of the commit that was found first."""
    repo = hub.repo("acme/tiny")
    commit = repo.commit(FILES)

    def on_event(event: kitops.Event) -> None:
        if event.phase == "start" and len(repo.files) == 1:
            repo.commit({**FILES, "model.safetensors": os.urandom(300_000)})

    record = imported("acme/tiny", name, on_event=on_event)
    assert len(repo.files) == 2
    assert record.origin.endswith(commit)
    assert all(commit in seen.path for seen in hub.fetched())
    assert hashlib.sha256(WEIGHTS).hexdigest() in str(record.layers)


@pytest.mark.parametrize("ref", ["v1.0", "feature/long", "refs/pr/3"])
def test_a_revision_by_name(hub: Hub, name: str, ref: str) -> None:
    repo = hub.repo("acme/tiny")
    old = repo.commit(FILES, ref)
    repo.commit({**FILES, "extra.json": b"{}"})
    assert imported("acme/tiny", name, ref=ref).origin == f"hf://acme/tiny@{old}"
    assert provenance(f"{name}:1")["buildDefinition"]["externalParameters"]["parameters"] == {"revision": ref}
    assert imported("acme/tiny", f"{name}-2", ref=old).origin == f"hf://acme/tiny@{old}"


def test_a_dataset(hub: Hub, name: str) -> None:
    files = {"data/train.parquet": os.urandom(5000), "data/test.parquet": os.urandom(3000), "README.md": b"# d\n"}
    commit = hub.repo("datasets/acme/rows").commit(files)
    record = imported("datasets/acme/rows", name)
    assert record.origin == f"hf://datasets/acme/rows@{commit}"
    assert {layer.path for layer in record.layers if layer.section == "dataset"} == {
        "data/train.parquet",
        "data/test.parquet",
    }


def test_a_repository_that_was_renamed_is_recorded_under_its_name(hub: Hub, name: str) -> None:
    commit = hub.repo("acme/new").commit(FILES)
    hub.moved["models/old"] = "acme/new"
    assert imported("old", name).origin == f"hf://acme/new@{commit}"


@pytest.mark.parametrize(
    "form",
    [
        "hf://acme/tiny",
        "hf://acme/tiny@main",
        "https://huggingface.co/acme/tiny",
        "{hub}/acme/tiny/tree/main",
        "models/acme/tiny",
    ],
)
def test_ways_to_name_a_repository(hub: Hub, name: str, form: str) -> None:
    commit = hub.repo("acme/tiny").commit(FILES)
    assert imported(form.replace("{hub}", hub.address), name).origin == f"hf://acme/tiny@{commit}"


def test_odd_files_arrive_as_they_are(hub: Hub, name: str, tmp_path: Path) -> None:
    files = {
        "model one.safetensors": os.urandom(2000),
        "größe/文件 %20?.json": b"{}",
        "empty.txt": b"",
        "one.bin": WEIGHTS,
        "two.bin": WEIGHTS,
    }
    hub.repo("acme/odd").commit(files)
    hub.page = 2
    record = imported("acme/odd", name)
    assert len([seen for seen in hub.seen if "/tree/" in seen.path]) == 3
    assert [layer.outcome for layer in record.layers if layer.path in ("one.bin", "two.bin")].count("written") == 1
    kitops.unpack(f"{name}:1", tmp_path / "out")
    assert {path: (tmp_path / "out" / path).read_bytes() for path in files} == files


def test_a_repository_without_files_is_refused(hub: Hub, name: str) -> None:
    hub.repo("acme/empty").commit({".gitattributes": b""})
    with pytest.raises(SourceError, match="has no files to import"):
        imported("acme/empty", name)


def test_many_files_share_layers_by_directory(hub: Hub, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kitops_core.importing.hub_kitfile.MOST_ENTRIES", 20)
    hub.repo("datasets/acme/rows").commit({f"data/{number:03}.jsonl": b"{}\n" for number in range(30)})
    record = imported("datasets/acme/rows", name)
    assert [(layer.path, layer.section) for layer in record.layers] == [("data", "dataset")]
    again = imported("datasets/acme/rows", name)
    assert (again.changed, again.sent) == (False, 0)


def test_a_directory_in_a_kitfile_is_the_layer_that_packing_it_makes(hub: Hub, name: str, tmp_path: Path) -> None:
    files = {"weights/a.bin": os.urandom(4000), "weights/sub/b.bin": b"b", "src/x.py": b"x = 1\n", "Kitfile": b"no"}
    hub.repo("acme/dirs").commit(files)
    kitfile = "manifestVersion: 1.0.0\npackage: {name: dirs}\nmodel: {path: weights}\ncode: [{path: src}]\n"
    record = imported("acme/dirs", name, kitfile=kitops.Kitfile.parse(kitfile))
    for path, data in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    (tmp_path / "Kitfile").write_text(kitfile)
    packed = kitops.pack(tmp_path, "dirs:1")
    assert record.digest == packed.digest
    again = imported("acme/dirs", name, kitfile=kitops.Kitfile.parse(kitfile), store=tmp_path / "elsewhere")
    assert (again.changed, again.sent) == (False, 0)


def test_the_kit_is_the_one_that_packing_a_download_makes(hub: Hub, name: str, tmp_path: Path) -> None:
    unknown = {f"part-{number}": bytes([number]) * 10 for number in range(7)}  # so many that they share a layer
    files = {**FILES, **unknown, "1_Pooling/config.json": b"{}", "scripts/run.sh": b"true\n"}
    hub.repo("acme/all").commit(files)
    record = imported("acme/all", name)
    assert [layer.media_type.rpartition(".")[2] for layer in record.layers if layer.path == "."] == ["tar"]
    for path, data in files.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(data)
    (tmp_path / ".gitattributes").unlink()
    packed = kitops.pack(
        tmp_path, "all:1", kitfile=kitops.describe_import("acme/all"), how=kitops.Packing(layer_format="raw")
    )
    assert record.digest == packed.digest


def test_all_that_a_kitfile_names_in_vain_is_said(hub: Hub, name: str) -> None:
    hub.repo("acme/tiny").commit(FILES)
    text = "manifestVersion: 1.0.0\nmodel: {path: none.bin, parts: [{path: config.json}, {path: gone.json}]}\n"
    with pytest.raises(SourceError) as refused:
        imported("acme/tiny", name, kitfile=kitops.Kitfile.parse(text))
    assert "model: 'none.bin' does not exist in hf://acme/tiny@" in str(refused.value)
    assert "model.parts[1]: 'gone.json' does not exist" in str(refused.value)
    with pytest.raises(KitfileError, match="names no files"):
        imported("acme/tiny", name, kitfile=kitops.Kitfile.parse("manifestVersion: 1.0.0\n"))


def test_a_name_that_reads_as_a_reference_is_refused(hub: Hub, name: str) -> None:
    hub.repo("acme/colon").commit({"model:v1": WEIGHTS, "config.json": b"{}"})
    with pytest.raises(KitfileError, match="reads as a ModelKit reference"):
        imported("acme/colon", name)


def test_the_command(hub: Hub, name: str, tmp_path: Path) -> None:
    write_keys(tmp_path, KEY, "release")
    commit = hub.repo("acme/tiny").commit(FILES)
    ran = ok("import", "acme/tiny", "--push", f"{name}:1", "--sign-key", tmp_path / "release.key")
    assert ran.out.startswith(f"imported  {name}:1  sha256:")
    assert ran.out.endswith(f"from  hf://acme/tiny@{commit}\n")
    again = ok("import", "acme/tiny", "--push", f"{name}:1", "--json").json
    assert (again["changed"], again["origin"]) == (False, f"hf://acme/tiny@{commit}")
    shown = ok("lineage", f"{name}:1").out
    assert "hf://acme/tiny" in shown
    assert commit[:7] in shown
    text = "manifestVersion: 1.0.0\nmodel: {path: model.safetensors}\n"
    local = ok("import", "acme/tiny", "-t", "mine:1", "--file", "-", "--json", stdin=text).json
    assert [layer["path"] for layer in local["layers"]] == ["model.safetensors"]
    shown = ok("import", "acme/tiny", "--print-kitfile").out
    assert kitops.Kitfile.parse(shown) == kitops.describe_import("acme/tiny")
    (tmp_path / "Kitfile").write_text(shown)
    edited = ok("import", "acme/tiny", "--push", f"{name}:1", "--file", tmp_path / "Kitfile", "--json").json
    assert edited["changed"] is False
    assert kit("import", "acme/tiny", "--print-kitfile", "--push", f"{name}:1").code == 2
    refused = kit("import", "acme/none", "--token", "hf_secret_secret_secret")
    assert refused.code == 4
    assert "this token may not read it" in refused.err
    assert "secret" not in refused.err + refused.out
    assert kit("import", "acme/tiny", "--push", "a:1", "--tag", "b:1").code == 2
    assert kit("import", "acme/tiny", "--push", "a:1").code == 3


def test_a_policy_can_ask_for_the_origin(hub: Hub, name: str) -> None:
    commit = hub.repo("acme/tiny").commit(FILES)
    imported("acme/tiny", name)
    build = read_build(provenance(f"{name}:1"))
    assert (build.repository, build.commit) == ("hf://acme/tiny", commit)


def test_init_describes_a_repository_of_the_hub(hub: Hub, tmp_path: Path) -> None:
    hub.repo("acme/tiny").commit(FILES)
    ok("init", tmp_path, "--remote", "acme/tiny", "--desc", "Ours")
    text = (tmp_path / "Kitfile").read_text()
    assert "path: model.safetensors" in text
    assert "description: Ours" in text
    made = ok("import", "acme/tiny", "--print-kitfile").out
    assert text == made.replace("Imported from hf://acme/tiny", "Ours")
    assert kit("init", tmp_path, "--remote", "acme/tiny").code == 8
    assert kit("init", tmp_path, "--ref", "main", "-f").code == 2
    assert kit("init", tmp_path, "--remote", "acme/gone", "-f").code == 5
