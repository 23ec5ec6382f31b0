"""What the files of a model tell about it: framework, format, and a few facts of its configuration."""

from __future__ import annotations

import json
import struct
from collections.abc import Collection
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from kitops_core.kitfile.listing import ReadStart

_READ_BYTES = 8 * 1024 * 1024
_PICKLE_BYTES = 64 * 1024
_FORMATS = {
    ".safetensors": "safetensors",
    ".gguf": "gguf",
    ".ggml": "ggml",
    ".onnx": "onnx",
    ".joblib": "joblib",
    ".pkl": "pickle",
    ".skops": "skops",
    ".pt": "pytorch",
    ".pth": "pytorch",
    ".pt2": "pytorch",
    ".ptl": "pytorch",
    ".mar": "torchserve",
    ".keras": "keras",
    ".h5": "hdf5",
    ".tflite": "tflite",
    ".pb": "protobuf",
    ".npy": "numpy",
    ".npz": "numpy",
    ".pmml": "pmml",
    ".cbm": "catboost",
    ".ubj": "ubjson",
}
_FRAMEWORKS = {
    "gguf": "llama.cpp",
    "ggml": "llama.cpp",
    "onnx": "onnx",
    "joblib": "scikit-learn",
    "skops": "scikit-learn",
    "pytorch": "pytorch",
    "torchserve": "pytorch",
    "keras": "keras",
    "hdf5": "keras",
    "tflite": "tensorflow",
    "protobuf": "tensorflow",
    "catboost": "catboost",
    "ubjson": "xgboost",
}
_TENSOR_FORMATS = {"pt": "pytorch", "tf": "tensorflow", "flax": "jax", "mlx": "mlx"}
# Files that a library writes beside its models, most telling first.
_MARKERS = (
    ("model_index.json", "diffusers"),
    ("adapter_config.json", "peft"),
    ("config_sentence_transformers.json", "sentence-transformers"),
)
_PICKLED = ((b"xgboost", "xgboost"), (b"lightgbm", "lightgbm"), (b"catboost", "catboost"), (b"sklearn", "scikit-learn"))
_CONFIG_FACTS = ("model_type", "architectures", "torch_dtype", "max_position_embeddings")
_GENERATION_FACTS = ("do_sample", "temperature", "top_k", "top_p", "min_p", "repetition_penalty", "max_new_tokens")


class ModelInfo(NamedTuple):
    """What was found; empty where nothing was."""

    framework: str
    format: str
    parameters: dict[str, Any]


def model_info(read: ReadStart, path: str, others: Collection[str]) -> ModelInfo:
    """Look at a model's file and what lies beside it. Nothing is unpickled or executed.

    Args:
        read: Reads the starts of files.
        path: The model's path in the kit.
        others: Paths of the other files of the kit that may describe the model.
    """
    suffix = PurePosixPath(path).suffix.lower()
    format_ = _FORMATS.get(suffix, "pytorch" if suffix == ".bin" and "pytorch_model" in path else "")
    config = _config(read, path, "config.json", others)
    generation = _config(read, path, "generation_config.json", others)
    framework = next((name for marker, name in _MARKERS if _beside(path, marker, others)), "")
    if not framework and ("model_type" in config or "architectures" in config):
        framework = "transformers"
    if not framework and format_ == "safetensors":
        framework = _safetensors_framework(read, path)
    if not framework and format_ in ("pickle", "joblib"):
        framework = _pickled_by(read(path, _PICKLE_BYTES))
    # Under names that no server takes for an option: it reads the configuration itself, and may know better.
    facts = _facts({"torch_dtype": config.get("dtype"), **config}, _CONFIG_FACTS)
    quantization = config.get("quantization_config")
    if isinstance(quantization, dict) and isinstance(quantization.get("quant_method"), str):
        facts["quant_method"] = quantization["quant_method"]
    if defaults := _facts(generation, _GENERATION_FACTS):
        facts["generation"] = defaults
    return ModelInfo(framework or _FRAMEWORKS.get(format_, ""), format_, facts)


def _beside(path: str, name: str, others: Collection[str]) -> str:
    directory = path.rpartition("/")[0]
    near = f"{directory}/{name}" if directory else name
    return next((candidate for candidate in (near, name) if candidate in others), "")


def _facts(config: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    return {key: config[key] for key in names if config.get(key) not in (None, [], "")}


def _config(read: ReadStart, path: str, file: str, others: Collection[str]) -> dict[str, Any]:
    name = _beside(path, file, others)
    try:
        config = json.loads(read(name, _READ_BYTES)) if name else {}
    except (ValueError, RecursionError):
        return {}
    return config if isinstance(config, dict) else {}


def _safetensors_framework(read: ReadStart, path: str) -> str:
    try:
        (length,) = struct.unpack("<Q", read(path, 8))
        header = json.loads(read(path, 8 + length)[8:]) if length <= _READ_BYTES else {}
        return _TENSOR_FORMATS.get(header["__metadata__"]["format"], "")
    except (ValueError, TypeError, KeyError, RecursionError, struct.error):
        return ""


def _pickled_by(start: bytes) -> str:
    return next((framework for module, framework in _PICKLED if module in start), "")
