"""The arguments of ``vllm serve``, from what a Kitfile says."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from cli_runner import kit, ok
from clients import client
from hypothesis import given
from hypothesis import strategies as st
from serving_kits import push, write

import kitops_core as kitops
from kitops_core.errors import InvalidInputError
from kitops_core.serving.vllm import OBJECTS, SWITCHES, VALUES, option_arguments

KITFILE = """\
manifestVersion: 1.0.0
model:
  path: models/churn/model.bin
  parameters: {max_depth: 8, max_model_len: 4096, served_model_name: churn v2, trust_remote_code: true}
"""


class TestOptions:
    @pytest.mark.parametrize(
        ("parameters", "wanted"),
        [
            ({"max_model_len": 8192}, ["--max-model-len", "8192"]),
            ({"max-model-len": 8192}, ["--max-model-len", "8192"]),
            ({"gpu_memory_utilization": 0.85}, ["--gpu-memory-utilization", "0.85"]),
            ({"max_logprobs": -1}, ["--max-logprobs", "-1"]),
            ({"dtype": "bfloat16", "quantization": None}, ["--dtype", "bfloat16"]),
            ({"served_model_name": ["a", "b"]}, ["--served-model-name", "a", "b"]),
            (
                {"enforce_eager": True, "enable_prefix_caching": False},
                ["--no-enable-prefix-caching", "--enforce-eager"],
            ),
            ({"hf_overrides": {"b": [1], "a": "x"}}, ["--hf-overrides", '{"a":"x","b":[1]}']),
            ({"vllm": {"dtype": "half"}, "dtype": "float"}, ["--dtype", "half"]),
            ({"vllm": "0.9", "learning_rate": 0.1, "epochs": 3}, []),
            (None, []),
            ([{"dtype": "half"}], []),
        ],
    )
    def test_what_parameters_become(self, parameters: Any, wanted: list[str]) -> None:
        assert option_arguments(parameters) == wanted

    @pytest.mark.parametrize(
        "name",
        [
            *(
                "trust_remote_code",
                "tokenizer",
                "revision",
                "download_dir",
                "speculative_config",
                "seed",
                "chat_template",
            ),
            *("host", "port", "api_key", "ssl_keyfile", "middleware", "tool_parser_plugin", "logits_processors"),
            *("worker_cls", "model", "config", "hf_token", "otlp_traces_endpoint", "kv_transfer_config"),
            *(
                "allowed_local_media_path",
                "io_processor_plugin",
                "compilation_config",
                "structured_outputs_config",
                "lora_modules",
                "chat_template",
                "generation_config",
            ),
        ],
    )
    def test_what_runs_code_fetches_files_or_decides_about_the_deployment_is_passed_over(self, name: str) -> None:
        for value in (True, "x", {"a": 1}):
            assert option_arguments({name: value, "vllm": {name: value}}) == []

    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"enforce_eager": "yes"}, 'model.parameters.enforce_eager: true or false is expected, not "yes"'),
            ({"vllm": {"dtype": {"a": 1}}}, "model.parameters.vllm.dtype: text or a number is expected"),
            ({"dtype": True}, "model.parameters.dtype: text or a number"),
            ({"dtype": ["half"]}, "model.parameters.dtype: text or a number"),
            ({"served_model_name": []}, "model.parameters.served_model_name: text or a number"),
            ({"hf_overrides": "{}"}, "model.parameters.hf_overrides: a mapping is expected"),
            ({"dtype": "--trust-remote-code"}, "text that does not start with a '-'"),
            ({"served_model_name": ["a", "--trust-remote-code"]}, "text that does not start with a '-'"),
            ({"dtype": "a\nb"}, "text that does not start"),
            ({"dtype": ""}, "text that does not start"),
        ],
    )
    def test_values_that_an_option_cannot_have(self, parameters: Any, message: str) -> None:
        with pytest.raises(InvalidInputError) as caught:
            option_arguments(parameters)
        assert message in str(caught.value)

    @given(
        st.dictionaries(
            st.sampled_from(sorted(SWITCHES | VALUES | OBJECTS)) | st.text(max_size=8),
            st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.dictionaries(st.text(), st.text()),
        )
    )
    def test_no_parameter_becomes_an_option_that_is_not_listed(self, parameters: dict[str, Any]) -> None:
        try:
            arguments = option_arguments(parameters)
        except InvalidInputError:
            return
        options = [argument for argument in arguments if argument.startswith("--")]
        names = {option.removeprefix("--").replace("-", "_") for option in options}
        assert names <= SWITCHES | VALUES | OBJECTS | {f"no_{name}" for name in SWITCHES}
        assert shlex.split(shlex.join(arguments)) == arguments


class TestDirectories:
    WANTED = ("--max-model-len", "4096", "--served-model-name", "churn v2")

    def test_one_that_was_materialized(self, registry: str, tmp_path: Path) -> None:
        reference, to = push(registry, tmp_path / "kit", Kitfile=KITFILE), tmp_path / "models" / "churn"
        ran = ok("materialize", reference, "--to", to, "--vllm")
        assert ran.out == f"{to} --max-model-len 4096 --served-model-name 'churn v2'\n"
        assert ok("materialize", reference, "--to", to, "--vllm", "--json").json == [str(to), *self.WANTED]
        assert kitops.vllm_arguments(to) == [str(to), *self.WANTED]
        assert kit("materialize", reference, "--to", to, "--vllm", "--print").code == 2

    def test_one_that_the_storage_initializer_filled(self, registry: str, tmp_path: Path) -> None:
        client().initialize_storage(push(registry, tmp_path / "kit", Kitfile=KITFILE), tmp_path / "models")
        assert kitops.vllm_arguments(tmp_path / "models") == [str(tmp_path / "models"), *self.WANTED]

    def test_one_with_a_kitfile(self, tmp_path: Path) -> None:
        write(tmp_path, Kitfile=KITFILE)
        assert kitops.vllm_arguments(tmp_path) == [str(tmp_path), *self.WANTED]

    def test_one_that_says_nothing(self, tmp_path: Path) -> None:
        assert kitops.vllm_arguments(tmp_path) == [str(tmp_path)]

    def test_with_a_kit_that_was_opened(self, tmp_path: Path) -> None:
        kitops.pack(write(tmp_path / "kit", Kitfile=KITFILE), "churn:1.0")
        with kitops.open("churn:1.0") as opened:
            assert kitops.vllm_arguments(tmp_path, opened) == [str(tmp_path), *self.WANTED]

    def test_the_parameters_of_a_base_come_first(self, registry: str, tmp_path: Path) -> None:
        base = push(registry, tmp_path / "kit", Kitfile=KITFILE)
        (tmp_path / "tuned").mkdir()
        (tmp_path / "tuned" / "Kitfile").write_text(
            f"manifestVersion: 1.0.0\nmodel: {{path: '{base}', parameters: {{served_model_name: tuned}}}}\n"
        )
        kitops.pack(tmp_path / "tuned", "tuned:1.0")
        kitops.materialize("tuned:1.0", tmp_path / "to")
        assert kitops.vllm_arguments(tmp_path / "to")[1:] == ["--max-model-len", "4096", "--served-model-name", "tuned"]

    def test_a_gguf_file_is_the_model(self, tmp_path: Path) -> None:
        (tmp_path / "model.gguf").write_bytes(b"GGUF")
        assert kitops.vllm_arguments(tmp_path) == [str(tmp_path / "model.gguf")]
        (tmp_path / "config.json").write_text("{}")
        assert kitops.vllm_arguments(tmp_path) == [str(tmp_path)]

    def test_one_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInputError, match="is not a directory"):
            kitops.vllm_arguments(tmp_path / "missing")


def test_the_document_lists_every_option() -> None:
    text = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()
    table = text.partition("## vLLM")[2].partition("Every other parameter")[0]
    listed = {name for line in table.splitlines() if line.startswith("| ") for name in line.split("`")[1::2]}
    assert listed == SWITCHES | VALUES | OBJECTS
    assert json.dumps(sorted(SWITCHES & (VALUES | OBJECTS))) == "[]"
