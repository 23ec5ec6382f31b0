"""What was materialized loads where it is meant to be loaded: transformers (without torch), scikit-learn, ONNX Runtime.

They are large, so only ``make test-core`` installs them (the ``serving`` group); elsewhere these tests are skipped.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
from clients import client

import kitops_core as kitops

pass

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

CHAT = "{% for message in messages %}{{ message.role }} : {{ message.content }}\n{% endfor %}"
SCATTERED = """\
manifestVersion: 1.0.0
model:
  path: weights/tiny/model-00001-of-00002.safetensors
  parts:
    - path: weights/tiny/model-00002-of-00002.safetensors
    - path: weights/tiny/model.safetensors.index.json
    - path: configuration/config.json
    - path: configuration/generation_config.json
    - path: tokenizer
"""


def write_transformer(weights: Path, configuration: Path, tokenizer: Path) -> None:
    """A Llama of a few hundred parameters in two shards, with random weights, a tokenizer and a chat template."""
    np = pytest.importorskip("numpy", reason="numpy is not installed")
    safetensors = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
    tokenizers = pytest.importorskip("tokenizers", reason="tokenizers is not installed")
    for directory in (weights, configuration, tokenizer):
        directory.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(7)
    shards = {
        "model-00001-of-00002.safetensors": {"model.embed_tokens.weight": random.normal(size=(16, 8))},
        "model-00002-of-00002.safetensors": {
            "model.norm.weight": random.normal(size=8),
            "lm_head.weight": np.eye(16, 8),
        },
    }
    for name, tensors in shards.items():
        safetensors.save_file({key: value.astype("float32") for key, value in tensors.items()}, str(weights / name))
    index = {"metadata": {}, "weight_map": {key: name for name, tensors in shards.items() for key in tensors}}
    (weights / "model.safetensors.index.json").write_text(json.dumps(index))
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 8, "num_hidden_layers": 1}
    config |= {"num_attention_heads": 2, "intermediate_size": 16, "vocab_size": 16, "max_position_embeddings": 64}
    (configuration / "config.json").write_text(json.dumps(config))
    (configuration / "generation_config.json").write_text(json.dumps({"max_new_tokens": 5, "temperature": 0.5}))
    words = ["<unk>", "</s>", "hello", "world", "user", ":"]
    made = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>")
    )
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.save(str(tokenizer / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "<unk>", "eos_token": "</s>"}
    (tokenizer / "tokenizer_config.json").write_text(json.dumps({**settings, "chat_template": CHAT}))


def check_transformer(directory: Path, original: Path) -> None:
    """Load all that transformers loads without torch, and the tensors."""
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    safetensors = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
    config = transformers.AutoConfig.from_pretrained(directory, local_files_only=True)
    assert (config.model_type, config.hidden_size, config.vocab_size) == ("llama", 8, 16)
    generation = transformers.GenerationConfig.from_pretrained(directory, local_files_only=True)
    assert (generation.max_new_tokens, generation.temperature) == (5, 0.5)
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory, local_files_only=True)
    assert tokenizer("hello world nobody")["input_ids"] == [2, 3, 0]
    assert tokenizer.decode([2, 3]) == "hello world"
    chat = tokenizer.apply_chat_template([{"role": "user", "content": "hello"}], tokenize=False)
    assert chat == "user : hello\n"
    index = json.loads((directory / "model.safetensors.index.json").read_text())
    assert len(index["weight_map"]) == 3
    for name in set(index["weight_map"].values()):
        loaded, wanted = (safetensors.load_file(str(place / name)) for place in (directory, original))
        assert loaded.keys() == wanted.keys()
        assert all((loaded[key] == wanted[key]).all() for key in wanted)


@pytest.fixture
def reference(registry: str) -> str:
    return f"{registry}/frameworks/{uuid.uuid4().hex[:12]}:1.0"


class TestTransformers:
    def test_a_model_as_the_hub_has_it_described_by_init(self, reference: str, tmp_path: Path) -> None:
        write_transformer(tmp_path / "tiny", tmp_path / "tiny", tmp_path / "tiny")
        kitops.pack(tmp_path / "tiny", reference, push=True)
        kitops.materialize(reference, tmp_path / "models" / "tiny")
        check_transformer(tmp_path / "models" / "tiny", tmp_path / "tiny")

    def test_a_model_whose_files_are_scattered_over_the_kit(self, reference: str, tmp_path: Path) -> None:
        kit = tmp_path / "kit"
        write_transformer(kit / "weights" / "tiny", kit / "configuration", kit / "tokenizer")
        (kit / "Kitfile").write_text(SCATTERED)
        kitops.pack(kit, reference, push=True)
        kitops.materialize(reference, tmp_path / "models" / "tiny")
        check_transformer(tmp_path / "models" / "tiny", kit / "weights" / "tiny")

    def test_a_model_that_the_storage_initializer_put_there(self, reference: str, tmp_path: Path) -> None:
        kit = tmp_path / "kit"
        write_transformer(kit / "weights" / "tiny", kit / "configuration", kit / "tokenizer")
        (kit / "Kitfile").write_text(SCATTERED)
        kitops.pack(kit, reference, push=True, how=kitops.Packing(layer_format="raw"))
        client().initialize_storage(reference, tmp_path / "models")
        check_transformer(tmp_path / "models", kit / "weights" / "tiny")

    def test_a_tokenizer_of_this_kit_over_the_weights_of_another(self, reference: str, tmp_path: Path) -> None:
        base, tuned = tmp_path / "base", tmp_path / "tuned"
        write_transformer(base / "tiny", base / "tiny", tuned)
        kitops.pack(base, reference, push=True)
        parts = "[{path: tokenizer.json}, {path: tokenizer_config.json}]"
        (tuned / "Kitfile").write_text(f"manifestVersion: 1.0.0\nmodel: {{path: '{reference}', parts: {parts}}}\n")
        kitops.pack(tuned, f"{reference}-tuned", push=True)
        kitops.materialize(f"{reference}-tuned", tmp_path / "models" / "tuned")
        check_transformer(tmp_path / "models" / "tuned", base / "tiny")


def test_a_scikit_learn_model_predicts(reference: str, tmp_path: Path) -> None:
    np = pytest.importorskip("numpy", reason="numpy is not installed")
    joblib = pytest.importorskip("joblib", reason="joblib is not installed")
    linear = pytest.importorskip("sklearn.linear_model", reason="scikit-learn is not installed")
    features = np.array([[0.0, 1.0], [1.0, 0.0], [0.9, 0.2], [0.1, 0.8]])
    model = linear.LogisticRegression().fit(features, [0, 1, 1, 0])
    (tmp_path / "kit" / "out").mkdir(parents=True)
    joblib.dump(model, tmp_path / "kit" / "out" / "model.joblib")
    (tmp_path / "kit" / "Kitfile").write_text("manifestVersion: 1.0.0\nmodel: {path: out/model.joblib}\n")
    kitops.pack(tmp_path / "kit", reference, push=True)

    kitops.materialize(reference, tmp_path / "models" / "churn")
    loaded = joblib.load(tmp_path / "models" / "churn" / "model.joblib")
    assert list(loaded.predict(features)) == [0, 1, 1, 0]
    assert (loaded.predict_proba(features) == model.predict_proba(features)).all()


def test_an_onnx_model_predicts(reference: str, tmp_path: Path) -> None:
    np = pytest.importorskip("numpy", reason="numpy is not installed")
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    weights = np.array([[1.0], [2.0], [3.0]], "float32")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "linear",
        [helper.make_tensor_value_info("x", floats, [None, 3])],
        [helper.make_tensor_value_info("y", floats, [None, 1])],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    place = tmp_path / "kit" / "onnx"
    place.mkdir(parents=True)
    # Large models keep their weights beside the graph, which names that file.
    onnx.save_model(
        model, str(place / "model.onnx"), save_as_external_data=True, location="model.data", size_threshold=0
    )
    (tmp_path / "kit" / "Kitfile").write_text(
        "manifestVersion: 1.0.0\nmodel: {path: onnx/model.onnx, parts: [{path: onnx/model.data}]}\n"
    )
    kitops.pack(tmp_path / "kit", reference, push=True)

    kitops.materialize(reference, tmp_path / "models" / "linear")
    session = runtime.InferenceSession(str(tmp_path / "models" / "linear" / "model.onnx"))
    (result,) = session.run(None, {"x": np.array([[1.0, 1.0, 1.0], [0.0, 0.0, 2.0]], "float32")})
    assert result.tolist() == [[6.0], [6.0]]
