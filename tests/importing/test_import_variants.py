"""A repository of the Hub with several quantisations: a kit for each, and their index."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from cli_runner import kit, ok
from hub_imports import QUICK
from hub_server import Hub

import kitops_core as kitops
from kitops_core import InvalidInputError, Registries, SourceError
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
    with pytest.raises(SourceError, match="has no variants: its GGUF files name q4_0"):
        kitops.import_kit("acme/one", "one:1", variants=True)
    assert kitops.list_kits(indexes=True) == []
    with pytest.raises(InvalidInputError, match="variants are of a repository of the Hub"):
        kitops.import_kit("mlflow://runs/1", "one:1", variants=True)
    assert kit("import", "acme/one", "--variants", "--print-kitfile").code == 2


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
