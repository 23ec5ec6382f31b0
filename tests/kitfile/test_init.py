"""The Kitfile that ``kitops init`` makes of a directory."""

import json
import struct

import pytest
from identify.vendor.licenses import LICENSES

import kitops_core as kitops
from kitops_core.errors import SourceError
from kitops_core.kitfile import Code, Dataset, Docs, Kitfile, ModelPart, Prompt
from kitops_core.kitfile.file_kinds import file_kind
from kitops_core.kitfile.generator import MAX_ENTRIES, generate
from kitops_core.kitfile.validation import check_kitfile

TEXTS = dict(LICENSES)


@pytest.fixture
def make(tmp_path):
    """Write files (text, bytes, or a size) into the directory ``project``, and return it."""

    def write(files):
        for name, content in files.items():
            path = tmp_path / "project" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else bytes(content))
        return tmp_path / "project"

    return write


def paths(entries):
    return [entry.path for entry in entries]


def safetensors(metadata):
    header = json.dumps({"__metadata__": metadata}).encode()
    return struct.pack("<Q", len(header)) + header


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("model.safetensors", "model"), ("a/pytorch_model-00001-of-00002.bin", "model"), ("m.GGUF", "model"),
        ("model.onnx", "model"), ("model.bin", "model"), ("clf.joblib", "model"), ("weights.npz", "model"),
        ("config.json", "metadata"), ("vocab.txt", "metadata"), ("params.yml", "metadata"),
        ("tokenizer.model", "metadata"), ("tokenizer.model.v3", "metadata"), ("spiece.model", "metadata"),
        ("training_args.bin", "metadata"), ("chat_template.jinja", "metadata"),
        ("train.jsonl", "dataset"), ("train.csv", "dataset"), ("a.parquet", "dataset"), ("shards.tar", "dataset"),
        ("notes.md", "docs"), ("paper.pdf", "docs"), ("AGENTS.md", "prompt"), ("x/claude.md", "prompt"),
        ("system.prompt.md", "prompt"), ("a.prompt", "prompt"), ("train.py", "code"), ("eda.ipynb", "code"),
        ("Makefile", "unknown"), ("data.xyz", "unknown"),
    ],
)  # fmt: skip
def test_a_file_is_told_by_its_name(name, kind):
    assert file_kind(name) == kind


def test_a_small_project(make):
    root = make(
        {"model.joblib": 9, "train.py": "", "data.csv": "a", "README.md": "# r", "params.json": "{}", "Kitfile": ""}
    )
    kitfile = generate(root, description="d", authors=["A"])
    assert kitfile.package.name == "project"
    assert (kitfile.package.description, kitfile.package.authors) == ("d", ["A"])
    assert (kitfile.model.path, kitfile.model.name) == ("model.joblib", "model")
    assert (kitfile.model.framework, kitfile.model.format) == ("scikit-learn", "joblib")
    assert kitfile.model.parts == [ModelPart(path="params.json")]
    assert kitfile.code == [Code(path="train.py")]
    assert kitfile.datasets == [Dataset(path="data.csv")]
    assert kitfile.docs == [Docs(path="README.md", description="Readme file")]
    check_kitfile(kitfile.data())
    assert Kitfile.parse(kitfile.to_yaml()) == kitfile


def test_a_name_given_is_the_packages(make):
    assert generate(make({"a": "x"}), name="given").package.name == "given"


def test_a_hugging_face_repository(make):
    card = "---\nlicense: apache-2.0\nbase_model: org/base\npipeline_tag: text-generation\n---\n# Card\n"
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "torch_dtype": "bfloat16", "vocab_size": 9}
    root = make(
        {
            "README.md": card, "config.json": json.dumps(config), "generation_config.json": "{}",
            "tokenizer.json": "{}", "tokenizer.model": "x", "model-00001-of-00002.safetensors": 1000,
            "model-00002-of-00002.safetensors": 900, "model.safetensors.index.json": "{}", ".gitattributes": "x",
        }
    )  # fmt: skip
    kitfile = generate(root)
    model = kitfile.model
    assert (model.name, model.path) == ("model", "model-00001-of-00002.safetensors")
    assert (model.framework, model.format, model.license) == ("transformers", "safetensors", "Apache-2.0")
    assert paths(model.parts) == [
        "model-00002-of-00002.safetensors", "config.json", "generation_config.json", "model.safetensors.index.json",
        "tokenizer.json", "tokenizer.model",
    ]  # fmt: skip
    assert model.parameters == {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "torch_dtype": "bfloat16",
        "base_model": "org/base", "pipeline_tag": "text-generation",
    }  # fmt: skip
    assert (kitfile.code, kitfile.datasets) == ([], [])


def test_the_weight_far_larger_than_the_others_is_the_model(make):
    model = generate(make({"adapter.safetensors": 10, "base.safetensors": 1000})).model
    assert (model.path, paths(model.parts)) == ("base.safetensors", ["adapter.safetensors"])
    equal = generate(make({"a.gguf": 1000, "adapter.safetensors": 1000})).model
    assert equal.path == "a.gguf"


@pytest.mark.parametrize(
    ("files", "framework", "format_"),
    [
        ({"m.safetensors": safetensors({"format": "pt"})}, "pytorch", "safetensors"),
        ({"m.safetensors": safetensors({"format": "mlx"})}, "mlx", "safetensors"),
        ({"m.safetensors": b"not safetensors"}, "", "safetensors"),
        ({"m.safetensors": struct.pack("<Q", 2**62)}, "", "safetensors"),
        ({"m.safetensors": b"", "config.json": "[]"}, "", "safetensors"),
        ({"m.safetensors": b"", "config.json": "{"}, "", "safetensors"),
        ({"m.safetensors": b"", "config.json": '{"model_type": "bert"}'}, "transformers", "safetensors"),
        ({"w/m.safetensors": b"", "w/config.json": '{"architectures": ["A"]}'}, "transformers", "safetensors"),
        ({"adapter_model.safetensors": b"", "adapter_config.json": "{}"}, "peft", "safetensors"),
        ({"unet/m.safetensors": b"", "unet/config.json": "{}", "model_index.json": "{}"}, "diffusers", "safetensors"),
        ({"m.gguf": b""}, "llama.cpp", "gguf"),
        ({"m.onnx": b""}, "onnx", "onnx"),
        ({"m.joblib": b"\x80csklearn.ensemble"}, "scikit-learn", "joblib"),
        ({"m.joblib": b"\x80cxgboost.core sklearn"}, "xgboost", "joblib"),
        ({"m.pkl": b"\x80csklearn"}, "scikit-learn", "pickle"),
        ({"m.pkl": b"\x80c__main__"}, "", "pickle"),
        ({"m.pt": b""}, "pytorch", "pytorch"),
        ({"pytorch_model.bin": b""}, "pytorch", "pytorch"),
        ({"m.bin": b""}, "", ""),
        ({"m.keras": b""}, "keras", "keras"),
    ],
)
def test_framework_and_format_are_read_from_the_files(make, files, framework, format_):
    model = generate(make(files)).model
    assert (model.framework, model.format) == (framework, format_)


def test_metadata_without_a_model_is_data(make):
    assert paths(generate(make({"a.json": "{}", "b.yaml": ""})).datasets) == ["a.json", "b.yaml"]


def test_many_unknown_files_become_one_catch_all(make):
    few = make({f"f{n}": "" for n in range(5)})
    assert paths(generate(few).code) == ["f0", "f1", "f2", "f3", "f4"]
    assert paths(generate(make({"g.py": ""})).code) == ["."]


def test_directories_are_taken_whole(make):
    root = make(
        {
            "docs/x.weird": "", "src/a.py": "", "lib/x.md": "", "data/train.json": "{}", "tables/a.csv": "",
            "guides/a.md": "", "guides/conf.json": "", "prompts/a.prompt": "", "mixed/a.csv": "", "mixed/b.md": "",
            "deep/down/a.csv": "", "only/settings.json": "{}", "tokenizer/tokenizer_config.json": "{}",
            "weights/m.gguf": 10, "weights/config.json": "{}",
        }
    )  # fmt: skip
    (root / "empty" / "inner").mkdir(parents=True)
    kitfile = generate(root)
    assert paths(kitfile.docs) == ["docs/", "guides/"]
    assert paths(kitfile.code) == ["deep/", "lib/", "mixed/", "only/", "src/"]
    assert paths(kitfile.datasets) == ["data/", "tables/"]
    assert paths(kitfile.prompts) == ["prompts/"]
    assert (kitfile.model.path, kitfile.model.name) == ("weights/m.gguf", "weights/m")
    assert paths(kitfile.model.parts) == ["tokenizer/", "weights/config.json"]
    check_kitfile(kitfile.data())


def test_depth_takes_subdirectories_file_by_file(make):
    root = make({"a/b/c/x.csv": "", "a/b/y.csv": "", "a/z.csv": "", "a/odd": ""})
    assert paths(generate(root, depth=1).datasets) == ["a/z.csv"]
    assert paths(generate(root, depth=2).datasets) == ["a/z.csv", "a/b/y.csv", "a/b/c/"]
    assert paths(generate(root, depth=-1).datasets) == ["a/z.csv", "a/b/y.csv", "a/b/c/x.csv"]
    assert paths(generate(root, depth=-1).code) == ["a/odd"]


def test_a_directory_with_a_skill_is_one_prompt(make):
    skill = "---\nname: review\ndescription: Reviews code.\nlicense: MIT\n---\nDo it.\n"
    whole = generate(make({"SKILL.md": skill, "helper.py": ""}))
    assert whole.prompts == [Prompt(path=".", name="review", description="Reviews code.")]
    assert (whole.code, whole.docs) == ([], [])
    assert (whole.package.name, whole.package.description, whole.package.license) == ("review", "Reviews code.", "MIT")


def test_a_skill_beside_a_model_does_not_name_the_package(make):
    kitfile = generate(make({"m.gguf": 1, "skills/skill.md": "---\nname: s\nlicense: MIT\n---\n"}))
    assert kitfile.prompts == [Prompt(path="skills", name="s")]
    assert (kitfile.package.name, kitfile.package.license) == ("project", "MIT")


def test_links_and_what_packing_leaves_out_are_not_listed(make, tmp_path):
    root = make(
        {"a.csv": "", ".git/config": "", "__pycache__/a.pyc": "", ".kitignore": "", "raw/b.csv": "", "c.csv": ""}
    )
    (root / "link.csv").symlink_to("raw/b.csv")
    (root / "linked").symlink_to("raw")
    kitfile = generate(root, ignored=lambda path, is_directory: path == "c.csv" or (path == "raw" and is_directory))
    assert [entry.path for entry in kitfile.entries()] == ["a.csv", "link.csv"]


def test_what_is_no_directory_is_named(tmp_path):
    with pytest.raises(SourceError, match="missing cannot be listed: No such file"):
        generate(tmp_path / "missing")


# --- licences


@pytest.mark.parametrize("spdx", ["MIT", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "GPL-3.0", "AGPL-3.0", "ISC"])
def test_a_licence_file_is_recognised_by_its_text(make, spdx):
    text = "Copyright (c) 2026 Somebody\n\n" + TEXTS[spdx].replace("\n", "\r\n") + "\nOne more line.\n"
    kitfile = generate(make({"LICENSE": text, "m.gguf": 1}))
    assert kitfile.model.license == spdx
    assert kitfile.docs == [Docs(path="LICENSE", description="License file")]


@pytest.mark.parametrize(
    ("text", "spdx"),
    [
        ("SPDX-License-Identifier: MIT OR Apache-2.0\n", "MIT OR Apache-2.0"),
        ("All mine.", ""),
        ("", ""),
        (b"\xff\xfe", ""),
    ],
)
def test_a_licence_file_may_state_its_identifier_or_nothing(make, text, spdx):
    assert generate(make({"license.txt": text, "m.gguf": 1})).model.license == spdx


@pytest.mark.parametrize(
    ("stated", "spdx"),
    [("mit", "MIT"), ("cc-by-nc-4.0", "CC-BY-NC-4.0"), ("llama3", "llama3"), ("other", ""), ("unknown", ""),
     ("[apache-2.0]", "Apache-2.0"), ("[mit, gpl]", ""), ("other\nlicense_name: acme-1", "acme-1"), ("", "")],
)  # fmt: skip
def test_a_card_states_the_licence_where_no_file_does(make, stated, spdx):
    assert generate(make({"README.md": f"---\nlicense: {stated}\n---\n", "m.gguf": 1})).model.license == spdx


@pytest.mark.parametrize(
    "card",
    [
        "---\nlicense: mit\n",
        "x\n---\nlicense: mit\n---\n",
        "---\nlicense: [\n---\n",
        "---\n- a\n---\n",
        "---\n---\n",
        "",
    ],
)
def test_a_readme_without_clean_front_matter_states_nothing(make, card):
    assert generate(make({"README.md": card, "m.gguf": 1})).model.license == ""


def test_the_licence_goes_where_it_belongs(make):
    root = make({"LICENSE": TEXTS["MIT"], "a.csv": ""})
    assert generate(root).datasets[0].license == "MIT"
    root = make({"b.csv": "", "c.py": ""})
    assert generate(root).code[0].license == "MIT"
    root = make({"d.py": ""})
    assert generate(root).package.license == "MIT"
    root = make({"m.gguf": 1, "sub/LICENSE": "SPDX-License-Identifier: ISC\n"})
    assert generate(root, depth=1).model.license == "MIT"


@pytest.mark.parametrize(
    ("name", "section", "path"),
    [
        ("{}.parquet", "datasets", "."),
        ("{}.md", "docs", "."),
        ("{}.safetensors", "parts", "."),
        ("a/{}.csv", "datasets", "a/"),
    ],
)
def test_very_many_files_are_taken_as_one_directory(make, name, section, path):
    files = {name.format(number): "x" for number in range(400)} | {"model.onnx": b"weights", "README.md": "# Read"}
    kitfile = generate(make(files), depth=-1)
    assert len(kitfile.entries()) <= MAX_ENTRIES
    entries = kitfile.model.parts if section == "parts" else getattr(kitfile, section)
    assert path in paths(entries)
    assert kitfile.model.path == "model.onnx" or section == "parts"
    check_kitfile(kitfile.data())


def test_of_very_many_files_of_several_kinds_most_decide_and_nothing_is_left_out(make, tmp_path):
    files = {f"{number}.{kind}": "x" for number in range(400) for kind in ("csv", "md", "xyz")}
    directory = make(files | {"rows/1.csv": "x"})
    kitfile = generate(directory)
    assert [paths(kitfile.datasets), paths(kitfile.docs), paths(kitfile.code)] == [["."], [], []]
    with kitops.Client(store=tmp_path / "store") as client:
        client.pack(directory, "many:1")
        client.unpack("many:1", tmp_path / "out")
    there = {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert there >= {path.name for path in directory.rglob("*") if path.is_file()}


def test_files_go_where_people_look_for_them(make):
    kitfile = generate(
        make(
            {
                "data/raw/train.csv": "a", "data/README.md": "# Data", "images/cat.jpg": "j", "images/LICENSE": "mit",
                "prompts/system.txt": "You", "system_prompt.txt": "You", "notebooks/look.ipynb": "{}",
                "requirements.txt": "a", "requirements-dev.txt": "b", "environment.yml": "c", "config.yaml": "d",
                "train.py": "e", "docker-compose.yaml": "f",
            }
        )
    )  # fmt: skip
    assert paths(kitfile.datasets) == ["data/", "images/"]
    assert paths(kitfile.prompts) == ["system_prompt.txt", "prompts/"]
    assert sorted(paths(kitfile.code)) == [
        "config.yaml", "docker-compose.yaml", "environment.yml", "notebooks/", "requirements-dev.txt",
        "requirements.txt", "train.py",
    ]  # fmt: skip
    assert kitfile.model is None


def test_settings_beside_a_model_are_its_own_and_requirements_are_not(make):
    model = generate(make({"m.joblib": "m", "config.yaml": "a: 1", "requirements.txt": "x"})).model
    assert paths(model.parts) == ["config.yaml"]


def test_what_mlflow_keeps_beside_its_model_stays_there(make):
    kitfile = generate(make({"MLmodel": "a", "model.pkl": "m", "conda.yaml": "b", "requirements.txt": "c"}))
    assert sorted(paths(kitfile.model.parts)) == ["MLmodel", "conda.yaml", "requirements.txt"]
    assert kitfile.code == []


@pytest.mark.parametrize("depth", [0, -1])
def test_a_directory_of_thousands_of_pictures_is_one_dataset(make, depth):
    kitfile = generate(make({f"images/{n}.jpg": "j" for n in range(2000)} | {"train.py": "t"}), depth=depth)
    assert (paths(kitfile.datasets), paths(kitfile.code)) == (["images/"], ["train.py"])
    flat = generate(make({f"{n}.jpg": "j" for n in range(2000)}), depth=depth)
    assert "." in paths(flat.datasets)


def test_prompts_are_prompts_at_any_depth(make):
    kitfile = generate(make({"prompts/a.txt": "a", "prompts/b.md": "b", "prompts/render.py": "c"}), depth=-1)
    assert (paths(kitfile.prompts), paths(kitfile.code)) == (["prompts/a.txt", "prompts/b.md"], ["prompts/render.py"])
