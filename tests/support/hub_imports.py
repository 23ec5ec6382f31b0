"""What tests that import from the stand-in for the Hub share: a small model, and how it is imported."""

from __future__ import annotations

import os
from typing import Any

from clients import client, find_kit

import kitops_core as kitops
from kitops_core import Registries
from kitops_core.errors import NotFoundError
from kitops_core.evidence.predicate_types import SLSA_PROVENANCE
from kitops_core.evidence.statements import read_evidence

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
QUICK = kitops.RegistryOptions(backoff=0.01, keep_trying=2)


def imported(source: str, name: str, **more: Any) -> kitops.ModelKitRecord:
    how = {key: more.pop(key) for key in ("store", "on_event", "cancel", "signer", "run") if key in more}
    return client(registries=Registries(others=QUICK), **how).import_kit(source, f"{name}:1", push=True, **more)


def provenance(reference: str) -> Any:
    found = find_kit(reference)
    (evidence,) = read_evidence(found.storage, found.manifest.digest, predicate_type=SLSA_PROVENANCE)
    found.storage.close()
    assert evidence.statement is not None
    return evidence.statement.predicate


def nothing_at(name: str) -> bool:
    try:
        find_kit(f"{name}:1").storage.close()
    except NotFoundError:
        return True
    return False
