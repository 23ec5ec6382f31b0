"""What a file is for, told by its name: the rules of the reference's ``init``, and what those rules leave out."""

from __future__ import annotations

import re
from typing import Literal

FileKind = Literal["model", "dataset", "code", "docs", "metadata", "media", "prompt", "unknown"]

_PROMPTS = {"agents.md", "skill.md", "claude.md"}
_PROMPT_FILE = re.compile(r"(.*[-_. ])?prompts?\.(txt|md|ya?ml|json|jinja2?|j2)")
_PROMPT_DIRECTORIES = {"prompt", "prompts"}
# What a project is run with, and not part of its model: unless it is MLflow's, which keeps such files beside MLmodel.
_ENVIRONMENT = re.compile(
    r"requirements([-_.].*)?\.(txt|in)|constraints\.txt|environment\.ya?ml|conda\.ya?ml|python_env\.ya?ml"
    r"|(docker-)?compose\.ya?ml|dvc\.ya?ml|promotion\.ya?ml"
)
_SETTINGS = re.compile(r"(config|settings|params|hparams|hyperparameters)([-_.].*)?\.ya?ml")
_MODEL = (
    ".safetensors .pkl .joblib .pth .pt .mar .pt2 .ptl .pb .ckpt .tflite .tfrecords .npy .npz .keras .h5 .caffemodel "
    ".pmml .coreml .gguf .ggml .ggmf .llamafile .onnx .onnx_data .onnx.data .bin .skops .cbm .ubj"
)
_METADATA = ".json .yaml .yml .xml .txt .jinja"
_DOCS = ".md .adoc .html .pdf .rst"
_DATASET = ".tar .zip .parquet .csv .tsv .jsonl .ndjson .arrow .feather .avro .orc"
_CODE = ".py .ipynb .r .sh .sql .js .ts .go .rs .java .c .cc .cpp .h .cu"
_MEDIA = ".jpg .jpeg .png .bmp .gif .webp .tif .tiff .wav .flac .mp3 .ogg .mp4 .avi .mov"
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
    "media": _MEDIA,
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
    if base in _PROMPTS or ".prompt" in base or _PROMPT_FILE.fullmatch(base):
        return "prompt"
    if _ENVIRONMENT.fullmatch(base):
        return "code"
    if _MODEL_FILES.fullmatch(base):
        return "metadata"
    return next((kind for suffix, kind in _BY_SUFFIX if base.endswith(suffix)), "unknown")


def is_prompt_directory(name: str) -> bool:
    """Whether a directory of this name is one of prompts."""
    return name.lower() in _PROMPT_DIRECTORIES


def is_environment(name: str) -> bool:
    """Whether the file says what a project is run with."""
    return _ENVIRONMENT.fullmatch(name.rpartition("/")[2].lower()) is not None


def is_settings(name: str) -> bool:
    """Whether the file has settings, which without a model belong to the code."""
    return _SETTINGS.fullmatch(name.rpartition("/")[2].lower()) is not None


def is_about(name: str) -> bool:
    """Whether the file is about what lies beside it: a README, a licence."""
    return name.lower().startswith(("readme", "license", "licence"))


def is_model_config(name: str) -> bool:
    """Whether the file describes a model or its tokenizer, so that a directory of such files belongs to the model."""
    base = name.rpartition("/")[2].lower()
    return base in _CONFIG_NAMES or _MODEL_FILES.fullmatch(base) is not None
