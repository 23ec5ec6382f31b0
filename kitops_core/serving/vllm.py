"""The arguments of ``vllm serve`` for a directory with a model, from what its Kitfile says about it.

A kit may say how its model wants to be served, and no more: only options that describe the model and what it takes are
passed on. What would run code of the kit (``trust_remote_code``, plugins), fetch other files, or decide about the
deployment (host, port, keys, logs) is for whoever starts the server to say.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kitops_core.errors import InvalidInputError
from kitops_core.serving import mount, releases
from kitops_core.serving.releases import Release

if TYPE_CHECKING:
    from kitops_core.kits.modelkit import ModelKit

SECTION = "vllm"
"""The parameter whose own entries count more than entries beside it."""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


SWITCHES = _names(
    "async_scheduling calculate_kv_scales disable_cascade_attn disable_chunked_mm_input disable_custom_all_reduce "
    "disable_hybrid_kv_cache_manager disable_sliding_window enable_auto_tool_choice enable_chunked_prefill "
    "enable_eplb enable_expert_parallel enable_lora enable_mm_embeds enable_prefix_caching enable_prompt_embeds "
    "enable_sleep_mode enforce_eager fully_sharded_loras interleave_mm_strings kv_sharing_fast_prefill "
    "language_model_only skip_mm_profiling skip_tokenizer_init"
)
"""Options that are on or off: ``--enforce-eager``, ``--no-enforce-eager``."""

VALUES = _names(
    "block_size chat_template_content_format config_format convert cpu_offload_gb cudagraph_capture_sizes "
    "data_parallel_size decode_context_parallel_size dtype expert_placement_strategy gpu_memory_utilization "
    "kv_cache_dtype kv_cache_memory_bytes load_format logprobs_mode lora_dtype mamba_block_size mamba_cache_dtype "
    "mamba_ssm_cache_dtype max_cpu_loras max_logprobs max_lora_rank max_loras max_model_len max_num_batched_tokens "
    "max_num_seqs mm_encoder_tp_mode mm_processor_cache_gb model_impl pipeline_parallel_size quantization "
    "reasoning_parser response_role runner scheduling_policy served_model_name tensor_parallel_size tokenizer_mode "
    "tool_call_parser video_pruning_rate"
)
"""Options with a value: text, a number, or several of them."""

OBJECTS = _names(
    "default_chat_template_kwargs eplb_config hf_overrides limit_mm_per_prompt media_io_kwargs "
    "mm_processor_kwargs override_generation_config pooler_config"
)
"""Options with a mapping, passed as JSON. Those whose mapping can name code to run are not among them."""

_SEVERAL = ("cudagraph_capture_sizes", "served_model_name")


def vllm_arguments(directory: str | os.PathLike[str], kit: ModelKit | None = None) -> list[str]:
    """The arguments for ``vllm serve``: the model, then the options.

    Where the directory holds no ``config.json`` but one ``.gguf`` file, that file is the model. Parameters that are
    none of :data:`SWITCHES`, :data:`VALUES` and :data:`OBJECTS` are for others, and are passed over.

    Args:
        directory: The directory, as ``materialize`` or the storage initializer made it, or any with a Kitfile in it.
        kit: The kit that says how; what the directory came from where it is not given.

    Raises:
        InvalidInputError: The directory does not exist, or a parameter has a value that its option cannot have.
        KitfileError: The Kitfile in the directory cannot be used.
    """
    place = Path(os.path.abspath(directory))
    if not place.is_dir():
        raise InvalidInputError(f"'{directory}' is not a directory", hint="materialize the kit first")
    if kit is not None:
        parameters = kit.kitfile.model.parameters if kit.kitfile.model else None
    else:
        parameters = _parameters_of(place)
    return [str(_model(place)), *option_arguments(parameters)]


def option_arguments(parameters: Any) -> list[str]:
    """The options that a Kitfile's ``model.parameters`` stand for, sorted by name.

    Raises:
        InvalidInputError: A parameter has a value that its option cannot have.
    """
    if not isinstance(parameters, Mapping):
        return []
    found = {name: (f"model.parameters.{key}", value) for key, value in parameters.items() if (name := _known(key))}
    inner = parameters.get(SECTION)
    if isinstance(inner, Mapping):
        where = f"model.parameters.{SECTION}"
        found.update({name: (f"{where}.{key}", value) for key, value in inner.items() if (name := _known(key))})
    arguments: list[str] = []
    for name, (where, value) in sorted(found.items()):
        arguments += _option(name, where, value)
    return arguments


def _known(key: Any) -> str:
    name = str(key).replace("-", "_")
    return name if name in SWITCHES or name in VALUES or name in OBJECTS else ""


def _option(name: str, where: str, value: Any) -> list[str]:
    flag = name.replace("_", "-")
    if value is None:
        return []
    if name in SWITCHES:
        if not isinstance(value, bool):
            raise _unusable(where, value, "true or false")
        return [f"--{flag}" if value else f"--no-{flag}"]
    if name in OBJECTS:
        if not isinstance(value, Mapping):
            raise _unusable(where, value, "a mapping")
        return [f"--{flag}", json.dumps(value, separators=(",", ":"), sort_keys=True)]
    values = list(value) if isinstance(value, list) and value and name in _SEVERAL else [value]
    return [f"--{flag}", *(_text(where, item) for item in values)]


def _text(where: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise _unusable(where, value, "text or a number")
    text = str(value)
    if not text or not text.isprintable() or (isinstance(value, str) and text.startswith("-")):
        raise _unusable(where, value, "text that does not start with a '-'")
    return text


def _unusable(where: str, value: Any, wanted: str) -> InvalidInputError:
    shown = json.dumps(value, default=str)
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    return InvalidInputError(f"{where}: {wanted} is expected, not {shown}", hint="mend the Kitfile and pack again")


def _model(directory: Path) -> Path:
    names = sorted(os.listdir(directory))
    models = [name for name in names if name.lower().endswith(".gguf")]
    return directory / models[0] if len(models) == 1 and "config.json" not in names else directory


def _parameters_of(directory: Path) -> Any:
    """What the kit said that a directory came from: its marker has it, or a Kitfile in it."""
    beside = directory.resolve().parent / releases.MARKER
    for marker in (beside, directory / mount.MARKER):
        release = Release.load(marker, directory)
        if release is not None:
            return release.parameters
    from kitops_core.kitfile import Kitfile, find_kitfile

    path = find_kitfile(directory)
    model = Kitfile.load(path).model if path else None
    return model.parameters if model else None
