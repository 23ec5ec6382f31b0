"""A repository of the Hub with several quantisations: a kit for each, and their index."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from cli_runner import kit, ok
from hub_imports import QUICK
from hub_server import Content, Hub

import kitops_core as kitops
from kitops_core import InvalidInputError, Registries, SourceError
from kitops_core.importing.revisions import labels_of
from kitops_core.importing.variants import _quantization

pytest.importorskip("huggingface_hub", reason="the huggingface extra is not installed")

FILES = {
    "tiny-Q4_K_M.gguf": b"GGUF four" * 1000,
    "tiny-Q8_0-00001-of-00002.gguf": b"GGUF eight, one" * 1000,
    "tiny-Q8_0-00002-of-00002.gguf": b"GGUF eight, two" * 1000,
    "BF16/tiny.gguf": b"GGUF sixteen" * 1000,
    "mmproj-tiny-f16.gguf": b"GGUF eyes" * 1000,
    "README.md": b"---\nlicense: apache-2.0\n---\n# tiny\n",
}


@pytest.fixture
def name(registry: str) -> str:
    return f"{registry}/imported/{uuid.uuid4().hex[:12]}"


def test_each_quantisation_is_a_kit_and_all_are_one_index(hub: Hub, name: str, tmp_path: Path) -> None:
    commit = hub.repo("acme/tiny-GGUF").commit(FILES)
    ran = ok("import", "acme/tiny-GGUF", "--push", f"{name}:all", "--variants")
    assert ran.out.startswith(f"imported  {name}:all  sha256:")
    assert ran.out.endswith(f"from  hf://acme/tiny-GGUF@{commit}\n")
    record = kitops.index(f"{name}:all", where="registry")
    assert {one.tag: one.labels["quantization"] for one in record.variants or ()} == {
        "all-bf16": "bf16",
        "all-q4_k_m": "q4_k_m",
        "all-q8_0": "q8_0",
    }
    kitops.unpack(f"{name}:all?quantization=q8_0", tmp_path / "out")
    found = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    shared = {"mmproj-tiny-f16.gguf", "README.md", "Kitfile"}
    assert found == {"tiny-Q8_0-00001-of-00002.gguf", "tiny-Q8_0-00002-of-00002.gguf", *shared}
    assert len(kitops.lineage(f"{name}:all?quantization=bf16").nodes) == 2
    again = kitops.Client(registries=Registries(others=QUICK)).import_kit(
        "acme/tiny-GGUF", f"{name}:all", push=True, variants=True
    )
    assert (again.changed, again.digest) == (False, record.digest)


def test_another_format_is_a_variant_too_and_latest_gives_plain_tags(hub: Hub) -> None:
    hub.repo("acme/tiny").commit({"tiny.Q4_0.gguf": b"GGUF", "model.safetensors": b"\x02\0\0\0\0\0\0\0{}"})
    record = kitops.Client(registries=Registries(others=QUICK)).import_kit("acme/tiny", "tiny", variants=True)
    assert {one.tag: one.labels for one in record.variants or ()} == {
        "q4_0": {"format": "gguf", "quantization": "q4_0"},
        "safetensors": {"format": "safetensors"},
    }


def test_what_has_no_variants_is_refused_before_anything_is_made(hub: Hub) -> None:
    hub.repo("acme/one").commit({"one-q4_0.gguf": b"GGUF", "README.md": b"# one\n"})
    hub.repo("acme/one").commit({"one-q4_0.gguf": b"GGUF", "README.md": b"# two\n", "x": b"x"}, "v2")
    with pytest.raises(SourceError, match="has no variants: its GGUF files, branches and tags name q4_0"):
        kitops.import_kit("acme/one", "one:1", variants=True)
    with pytest.raises(SourceError, match="has no variants: its GGUF files name q4_0"):
        kitops.import_kit("acme/one", "one:1", ref="v2", variants=True)
    hub.repo("acme/alike").commit({"A-q4_0.gguf": b"GGUF", "a-q4_0.gguf": b"GGUF too"})
    with pytest.raises(SourceError, match="would have the same tag: a-q4_0, a-q4_0"):
        kitops.import_kit("acme/alike", "one:1", variants=True)
    assert kitops.list_kits(indexes=True) == []
    with pytest.raises(InvalidInputError, match="variants are of a repository of the Hub"):
        kitops.import_kit("mlflow://runs/1", "one:1", variants=True)
    assert kit("import", "acme/one", "--variants", "--print-kitfile").code == 2


GPTQ = b'{"torch_dtype": "float16", "quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 128}}'


def revision(weights: bytes, config: bytes = b"{}") -> dict[str, bytes | Content]:
    shared = {"tokenizer.json": b'{"shared": true}' * 100, "README.md": b"# tiny\n"}
    return {"model.safetensors": weights * 1000, "config.json": config, **shared}


def test_each_revision_that_is_a_quantisation_is_a_kit(hub: Hub, name: str, tmp_path: Path) -> None:
    """The stand-in's branches as the repositories of GPTQ weights have them: one on main, others named."""
    repo = hub.repo("acme/tiny-GPTQ")
    commit = repo.commit(revision(b"four, 128", GPTQ))
    repo.commit({**revision(b"four, 32"), "a": b""}, "gptq-4bit-32g-actorder_True")
    repo.commit({**revision(b"eight"), "a": b"", "b": b""}, "gptq-8bit--1g-actorder_True")
    repo.commit({"README.md": b"# how it was measured\n"}, "measurement-4bit")
    repo.commit({**revision(b"other"), "c": b""}, "step1000")
    ran = ok("import", "acme/tiny-GPTQ", "--push", f"{name}:all", "--variants")
    assert ran.out.endswith(f"from  hf://acme/tiny-GPTQ@{commit}\n")
    record = kitops.index(f"{name}:all", where="registry")
    assert {one.tag: one.labels for one in record.variants or ()} == {
        "all-main": {"format": "gptq", "quantization": "4bit-128g", "bits": 4, "group_size": 128},
        "all-gptq-4bit-32g-actorder_true": {
            "format": "gptq",
            "quantization": "gptq-4bit-32g-actorder_true",
            "bits": 4,
            "group_size": 32,
        },
        "all-gptq-8bit--1g-actorder_true": {
            "format": "gptq",
            "quantization": "gptq-8bit--1g-actorder_true",
            "bits": 8,
            "group_size": -1,
        },
    }
    kitops.unpack(f"{name}:all?bits>=5", tmp_path / "out")
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == b"eight" * 1000
    layers = [{one.digest for one in kitops.open(f"{name}:{one.tag}").manifest.layers} for one in record.variants or ()]
    assert set.intersection(*layers)  # the tokenizer, moved once
    again = kitops.Client(registries=Registries(others=QUICK)).import_kit(
        "acme/tiny-GPTQ", f"{name}:all", push=True, variants=True
    )
    assert (again.changed, again.digest) == (False, record.digest)


def test_two_names_of_one_commit_are_one_variant(hub: Hub) -> None:
    repo = hub.repo("acme/tiny-exl2")
    repo.commit({"README.md": b"# see the branches\n", "measurement.json": b"{}"})
    repo.commit(revision(b"six and a half"), "6_5")
    repo.branches["6.5bpw"] = repo.commit({**revision(b"four"), "a": b""}, "4_25")
    record = kitops.Client(registries=Registries(others=QUICK)).import_kit("acme/tiny-exl2", "tiny", variants=True)
    assert {one.tag: one.labels for one in record.variants or ()} == {
        "4_25": {"format": "exl2", "quantization": "4_25", "bits": 4.25},
        "6_5": {"format": "exl2", "quantization": "6_5", "bits": 6.5},
    }


@pytest.mark.parametrize(
    ("revision", "repository", "told"),
    [
        ("gptq-4bit-32g-actorder_True", "Llama-2-7B-GPTQ", {"format": "gptq", "bits": 4, "group_size": 32}),
        ("4bit-128g", "Llama-2-7B-AWQ", {"format": "awq", "bits": 4, "group_size": 128}),
        ("8.0bpw", "Mixtral-8x7B-exl2", {"format": "exl2", "bits": 8}),
        ("4.65bpw-h6", "Mixtral-8x7B-exl2", {"format": "exl2", "bits": 4.65}),
        ("3_5", "Llama-3-8B-Instruct-exl2", {"format": "exl2", "bits": 3.5}),
        ("w4a16", "Qwen", {"bits": 4}),
        ("fp8", "Qwen", {"bits": 8}),
        ("bf16", "Qwen", {"bits": 16}),
        ("main", "Llama-2-7B-GPTQ", None),
        ("2.0", "Qwen", None),
        ("v1.1", "Qwen-exl2", None),
        ("step1000", "pythia", None),
        ("f1-score", "Qwen", None),
    ],
)
def test_the_name_of_a_revision_tells_its_quantisation(
    revision: str, repository: str, told: dict[str, object] | None
) -> None:
    assert labels_of(revision, repository) == (told and {"quantization": revision.lower(), **told})


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("Llama-3-8B-Instruct-Q4_K_M.gguf", ("Llama-3-8B-Instruct", "q4_k_m")),
        ("llama-2-7b.Q5_K_S.gguf", ("llama-2-7b", "q5_k_s")),
        ("model-IQ2_XXS.gguf", ("model", "iq2_xxs")),
        ("model-f16.gguf", ("model", "f16")),
        ("gpt-oss-mxfp4.gguf", ("gpt-oss", "mxfp4")),
        ("Q6_K/model-Q6_K-00001-of-00003.gguf", ("model", "q6_k")),
        ("UD-Q4_K_XL/model.gguf", ("model", "q4_k_xl")),
        ("mmproj-model-f16.gguf", None),
        ("model.gguf", None),
        ("model-q4_0.safetensors", None),
    ],
)
def test_the_name_of_a_file_tells_model_and_quantisation(path: str, told: tuple[str, str] | None) -> None:
    assert _quantization(path) == told
