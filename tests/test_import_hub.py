"""Importing from the Hugging Face Hub: the real client and a real registry, before a stand-in for the Hub."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_runner import kit, ok
from fault_proxy import FaultProxy, drop
from hub_server import TOKEN, Fault, Hub, MadeUp, hub_server
from signing_tools import KEY, write_keys

import kitops_core as kitops
from kitops_core.errors import (
    DeniedError,
    IntegrityError,
    InvalidInputError,
    KitfileError,
    NotFoundError,
    RegistryError,
    SourceError,
    UnsafeLayerError,
)
from kitops_core.provenance.evidence import read_evidence
from kitops_core.provenance.predicate_types import SLSA_PROVENANCE
from kitops_core.provenance.slsa_read import read_build
from kitops_core.verbs.locate import find_kit

hub_api = pytest.importorskip("huggingface_hub", reason="the huggingface extra is not installed")

WEIGHTS = os.urandom(300_000)
FILES = {
    "model.safetensors": WEIGHTS,
    "config.json": b'{"model_type": "llama", "architectures": ["LlamaForCausalLM"], "dtype": "bfloat16", '
    b'"max_position_embeddings": 2048, "quantization_config": {"quant_method": "awq"}}',
    "generation_config.json": b'{"temperature": 0.6, "top_p": 0.9, "transformers_version": "5.0"}',
    "tokenizer.json": b"{}",
    "README.md": b"---\nlicense: apache-2.0\nbase_model: acme/base\npipeline_tag: text-generation\n---\n# tiny\n",
    ".gitattributes": b"*.safetensors filter=lfs\n",
}
QUICK = kitops.RegistryOptions(backoff=0.01, retries=3)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The stand-in, as the hub that the client talks to."""
    with hub_server() as served:
        served.use(monkeypatch)
        yield served


@pytest.fixture
def name(registry: str) -> str:
    return f"{registry}/imported/{uuid.uuid4().hex[:12]}"


def imported(source: str, name: str, **more: Any) -> kitops.ModelKitRecord:
    return kitops.import_kit(source, f"{name}:1", push=True, registry=QUICK, **more)


def provenance(reference: str) -> Any:
    found = find_kit(reference)
    (evidence,) = read_evidence(found.storage, found.manifest.digest, predicate_type=SLSA_PROVENANCE)
    found.storage.close()
    assert evidence.statement is not None
    return evidence.statement.predicate


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
    assert said["buildType"] == "https://kitops.org/build/import/v1"
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


@pytest.mark.parametrize("no_range", [False, True])
def test_a_dropped_connection_is_taken_up_where_it_broke(hub: Hub, name: str, no_range: bool) -> None:
    weights = MadeUp(3_000_000)
    hub.repo("acme/tiny").commit({**FILES, "model.safetensors": weights})
    hub.faults += [Fault("cdn/.*safetensors", cut=700_000), Fault("cdn/.*safetensors", cut=900_000, no_range=no_range)]
    hub.faults += [Fault("cdn/.*safetensors", no_range=no_range)]
    record = imported("acme/tiny", name)
    assert f"sha256:{weights.digest('sha256')}" in {layer.digest for layer in record.layers}
    ranges = [seen.range for seen in hub.seen if "/cdn/" in seen.path]
    assert ranges[0] == ""
    assert len(ranges) == 3
    assert all(asked.startswith("bytes=") for asked in ranges[1:])


@pytest.mark.parametrize(
    "path", ["resolve/.*config.json", "cdn/.*safetensors", "resolve/.*safetensors", "revision/|models/acme/tiny$"]
)
@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_the_hub_refuses_for_a_while_is_asked_again(hub: Hub, name: str, path: str, status: int) -> None:
    hub.repo("acme/tiny").commit(FILES)
    hub.faults.append(Fault(path, times=2, status=status))
    assert imported("acme/tiny", name).changed


def test_the_hub_says_how_long_to_wait(hub: Hub, name: str) -> None:
    hub.repo("acme/tiny").commit(FILES)
    hub.faults.append(Fault("cdn/.*safetensors", status=429, headers={"Retry-After": "1"}))
    said: list[str] = []
    imported("acme/tiny", name, on_event=lambda event: said.append(event.detail))
    assert "the Hub answered 429; trying again in 1.0 s (1 of 3)" in said


def test_a_hub_that_stays_broken_is_named(hub: Hub, name: str) -> None:
    hub.repo("acme/tiny").commit(FILES)
    hub.faults.append(Fault("cdn/", times=99, status=500))
    with pytest.raises(
        RegistryError, match=r"cannot read 'model.safetensors' of hf://acme/tiny@\w+: the Hub answered 500"
    ):
        imported("acme/tiny", name)
    assert nothing_at(name)


def flipped(piece: bytes) -> bytes:
    return bytes([piece[0] ^ 1]) + piece[1:]


@pytest.mark.parametrize("path", ["model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("push", [True, False])
def test_altered_bytes_are_refused_and_nothing_is_tagged(hub: Hub, name: str, path: str, push: bool) -> None:
    hub.repo("acme/tiny").commit(FILES)
    hub.faults.append(Fault(rf"(cdn|resolve)/.*{path}", times=99, alter=flipped))
    with pytest.raises(IntegrityError, match=f"'{path}' of hf://acme/tiny"):
        kitops.import_kit("acme/tiny", f"{name}:1", push=push, registry=QUICK)
    assert nothing_at(name)


def test_a_wrong_digest_told_by_the_hub_is_refused(hub: Hub, name: str) -> None:
    repo = hub.repo("acme/tiny")
    repo.commit(FILES)
    repo.lfs_digests["model.safetensors"] = "1" * 64
    with pytest.raises(IntegrityError, match=r"'model.safetensors' .* from the Hub: blob sha256:1{64} was altered"):
        imported("acme/tiny", name)
    del repo.lfs_digests["model.safetensors"]
    repo.git_oids["config.json"] = "2" * 40
    with pytest.raises(IntegrityError, match=r"'config.json' .* was altered: the Hub announced git blob 2{40}"):
        imported("acme/tiny", name)
    assert nothing_at(name)


@pytest.mark.parametrize("more", [-1, 1])
@pytest.mark.parametrize("path", ["model.safetensors", "tokenizer.json"])
def test_a_file_of_another_size_than_announced_is_refused(hub: Hub, name: str, path: str, more: int) -> None:
    repo = hub.repo("acme/tiny")
    repo.commit(FILES)
    repo.sizes[path] = len(FILES[path]) + more
    with pytest.raises((RegistryError, IntegrityError), match=f"'{path}' of hf://acme/tiny"):
        imported("acme/tiny", name)
    assert nothing_at(name)


def nothing_at(name: str) -> bool:
    try:
        find_kit(f"{name}:1").storage.close()
    except NotFoundError:
        return True
    return False


@pytest.mark.parametrize("access", ["private", "gated"])
def test_a_token_opens_what_is_closed_and_goes_to_the_hub_only(hub: Hub, name: str, access: str) -> None:
    hub.repo("acme/closed").commit(FILES)
    hub.repo("acme/closed").access = access
    with pytest.raises(DeniedError) as denied:
        imported("acme/closed", name, token="hf_wrong_token_wrong_token")
    assert "HF_TOKEN" in denied.value.hint
    assert "wrong_token" not in str(denied.value)
    assert imported("acme/closed", name, token=TOKEN).changed
    for seen in hub.seen:
        assert (TOKEN not in seen.token) == seen.host.startswith("localhost") or "wrong" in seen.token
    assert TOKEN not in str(provenance(f"{name}:1"))


def test_the_token_of_the_environment_is_used(hub: Hub, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.repo("acme/closed").commit(FILES)
    hub.repo("acme/closed").access = "private"
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert imported("acme/closed", name).changed


@pytest.mark.parametrize(
    ("source", "ref", "error", "says"),
    [
        ("acme/none", "", DeniedError, "does not exist, or may not be read"),
        ("acme/tiny", "nowhere", NotFoundError, "no such revision"),
        ("acme/tiny@main", "", InvalidInputError, "not a repository"),
        ("spaces/acme/demo", "", InvalidInputError, "Space"),
        ("./model", "", InvalidInputError, "not a repository"),
        ("a/b/c", "", InvalidInputError, "not a repository"),
        ("https://models.example.com/acme/tiny", "", InvalidInputError, "not on the hub"),
        ("https://huggingface.co/acme/tiny/blob/main/config.json", "", InvalidInputError, "inside a repository"),
        ("hf://acme/tiny@v1", "v2", InvalidInputError, "names the revision"),
    ],
)
def test_what_cannot_be_imported_is_said(
    hub: Hub, name: str, source: str, ref: str, error: type[Exception], says: str
) -> None:
    hub.repo("acme/tiny").commit(FILES)
    with pytest.raises(error, match=says):
        imported(source, name, ref=ref)


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


@pytest.mark.parametrize("path", ["../evil.json", "a/../../evil.json", "/etc/passwd", "a//b", "half\ud800.json"])
def test_names_that_lead_out_are_refused(hub: Hub, name: str, path: str) -> None:
    hub.repo("acme/evil").commit({**FILES, path: b"x"})
    with pytest.raises(UnsafeLayerError, match="no path below a directory"):
        imported("acme/evil", name)


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
    monkeypatch.setattr("kitops_core.importing.describe.MOST_ENTRIES", 20)
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
    packed = kitops.pack(tmp_path, "all:1", kitfile=kitops.describe_import("acme/all"), layer_format="raw")
    assert record.digest == packed.digest


def test_a_cancelled_import_leaves_nothing(hub: Hub, name: str) -> None:
    hub.repo("acme/tiny").commit({**FILES, "model.safetensors": MadeUp(5_000_000)})
    cancel = kitops.Cancel()

    def on_event(event: kitops.Event) -> None:
        if event.phase == "advance" and event.name == "model.safetensors":
            cancel.cancel()

    with pytest.raises(kitops.CancelledError):
        imported("acme/tiny", name, on_event=on_event, cancel=cancel)
    assert nothing_at(name)


def test_a_registry_that_drops_an_upload_gets_the_file_again(hub: Hub, faults: FaultProxy) -> None:
    hub.repo("acme/tiny").commit({**FILES, "model.safetensors": MadeUp(3_000_000, seed=uuid.uuid4().int % 2**60)})
    faults.fault("PATCH", "/blobs/uploads/", drop(1_000_000))
    record = imported("acme/tiny", f"{faults.address}/imported/{uuid.uuid4().hex[:12]}")
    assert record.changed
    assert len([seen for seen in hub.seen if "/cdn/" in seen.path]) == 2


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


def test_offline_is_said(hub: Hub, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.repo("acme/tiny").commit(FILES)
    monkeypatch.setattr(hub_api.constants, "HF_HUB_OFFLINE", True)
    hub_api.close_session()
    try:
        with pytest.raises(InvalidInputError, match="HF_HUB_OFFLINE is set"):
            imported("acme/tiny", name)
    finally:
        hub_api.close_session()


def test_without_the_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(InvalidInputError) as refused:
        kitops.import_kit("acme/tiny")
    assert "kitops-core[huggingface]" in refused.value.hint


def test_an_endpoint_that_is_not_there_is_named(hub: Hub, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_api.constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(RegistryError, match=r"find hf://acme/tiny: http://127.0.0.1:9 cannot be reached"):
        imported("acme/tiny", name)


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
