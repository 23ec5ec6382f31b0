"""What a file is for, told by its name: the rules of the reference's ``init``, and what those rules leave out."""

from __future__ import annotations

import re
from typing import Literal

FileKind = Literal["model", "dataset", "code", "docs", "metadata", "prompt", "unknown"]

_PROMPTS = {"agents.md", "skill.md", "claude.md"}
_MODEL = (
    ".safetensors .pkl .joblib .pth .pt .mar .pt2 .ptl .pb .ckpt .tflite .tfrecords .npy .npz .keras .h5 .caffemodel "
    ".pmml .coreml .gguf .ggml .ggmf .llamafile .onnx .onnx_data .onnx.data .bin .skops .cbm .ubj"
)
_METADATA = ".json .yaml .yml .xml .txt .jinja"
_DOCS = ".md .adoc .html .pdf .rst"
_DATASET = ".tar .zip .parquet .csv .tsv .jsonl .ndjson .arrow .feather .avro .orc"
_CODE = ".py .ipynb .r .sh .sql .js .ts .go .rs .java .c .cc .cpp .h .cu"
# A tokenizer's files, pickled training options, and MLflow's description of a model, named like something else.
_MODEL_FILES = re.compile(
    r"tokenizer\.model(\.v\d+)?|tekken\.json|spiece\.model|sentencepiece.*\.model|.*\.spm|vocab\.bpe|.*\.tiktoken"
    r"|training_args\.bin|mlmodel"
)
_SUFFIXES: dict[FileKind, str] = {
    "model": _MODEL,
    "metadata": _METADATA,
    "docs": _DOCS,
    "dataset": _DATASET,
    "code": _CODE,
}
_BY_SUFFIX = tuple((suffix, kind) for kind, suffixes in _SUFFIXES.items() for suffix in suffixes.split())
_CONFIG_NAMES = {
    "config.json",
    "model_index.json",
    "preprocessor_config.json",
    "processor_config.json",
    "scheduler_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
}


def file_kind(name: str) -> FileKind:
    """What the file called ``name`` is for."""
    base = name.rpartition("/")[2].lower()
    if base in _PROMPTS or ".prompt" in base:
        return "prompt"
    if _MODEL_FILES.fullmatch(base):
        return "metadata"
    return next((kind for suffix, kind in _BY_SUFFIX if base.endswith(suffix)), "unknown")


def is_model_config(name: str) -> bool:
    """Whether the file describes a model or its tokenizer, so that a directory of such files belongs to the model."""
    base = name.rpartition("/")[2].lower()
    return base in _CONFIG_NAMES or _MODEL_FILES.fullmatch(base) is not None
