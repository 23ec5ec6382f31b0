"""Which path a kit's file gets in the directory that a server loads."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitops_core.errors import ConflictError
from kitops_core.kitfile import KitEntry
from kitops_core.serving.arrange import arrange, flat_paths, list_files


def entries(model: str, *parts: str, **others: str) -> list[KitEntry]:
    found = [KitEntry("model", "model", model)] if model else []
    found += [KitEntry(f"model.parts[{index}]", "modelpart", path) for index, path in enumerate(parts)]
    return found + [KitEntry(f"{section}[0]", section, path) for section, path in others.items()]  # type: ignore[arg-type]


def flat(files: str, *args: str, **others: str) -> dict[str, str]:
    return flat_paths(files.split(), entries(*args, **others))


class TestTheRoot:
    def test_is_the_directory_that_the_models_file_is_in(self) -> None:
        found = flat("m/llama/w.safetensors m/llama/config.json", "m/llama/w.safetensors", "m/llama/config.json")
        assert list(found.values()) == ["w.safetensors", "config.json"]

    def test_is_the_models_directory_itself(self) -> None:
        assert flat("m/a.bin m/b/c.bin", "m") == {"m/a.bin": "a.bin", "m/b/c.bin": "b/c.bin"}

    def test_is_the_whole_kit_where_the_model_lies_at_its_top(self) -> None:
        found = flat("w.safetensors 1_Pooling/config.json", "w.safetensors", "1_Pooling/config.json")
        assert all(source == path for source, path in found.items())

    @pytest.mark.parametrize("name", ["modules.json", "model_index.json"])
    def test_is_the_pipelines_directory_where_the_model_is_one_of_its_modules(self, name: str) -> None:
        files = f"st/{name} st/0_Transformer/w.safetensors st/0_Transformer/config.json st/1_Pooling/config.json"
        found = flat(files, "st/0_Transformer/w.safetensors", f"st/{name}", "st/0_Transformer", "st/1_Pooling")
        assert set(found.values()) == {
            name,
            "0_Transformer/w.safetensors",
            "0_Transformer/config.json",
            "1_Pooling/config.json",
        }

    def test_is_the_one_directory_with_a_configuration_below_the_models(self) -> None:
        found = flat("m/README m/llama/config.json m/llama/vision/config.json m/llama/w.bin", "m")
        assert list(found.values()) == ["README", "config.json", "vision/config.json", "w.bin"]

    def test_is_the_models_directory_where_two_below_have_a_configuration(self) -> None:
        found = flat("m/a/config.json m/b/config.json", "m")
        assert list(found.values()) == ["a/config.json", "b/config.json"]

    def test_is_that_of_the_kit_at_the_end_of_a_chain(self) -> None:
        chain = [*entries("", "top/config.json"), *entries("base/w.bin", "base/tokenizer.json")]
        found = flat_paths(["base/tokenizer.json", "base/w.bin", "top/config.json"], chain)
        assert list(found.values()) == ["tokenizer.json", "w.bin", "config.json"]


class TestWhatLiesElsewhere:
    def test_a_part_that_is_a_file_goes_beside_the_model(self) -> None:
        found = flat("m/w.bin etc/config.json", "m/w.bin", "etc/config.json")
        assert found["etc/config.json"] == "config.json"

    def test_the_files_of_a_part_that_is_a_directory_keep_their_paths_in_it(self) -> None:
        found = flat("m/w.bin tok/tokenizer.json tok/extra/x.json", "m/w.bin", "tok")
        assert found["tok/tokenizer.json"] == "tokenizer.json"
        assert found["tok/extra/x.json"] == "extra/x.json"

    @pytest.mark.parametrize("parts", [["lora/sql"], ["lora/sql/adapter_config.json", "lora/sql/a.safetensors"]])
    def test_an_adapter_keeps_its_directorys_name(self, parts: list[str]) -> None:
        found = flat("m/w.bin lora/sql/adapter_config.json lora/sql/a.safetensors", "m/w.bin", *parts)
        assert set(found.values()) == {"w.bin", "sql/adapter_config.json", "sql/a.safetensors"}

    def test_code_datasets_and_docs_keep_their_paths(self) -> None:
        found = flat("m/w.bin src/a.py docs/b.md", "m/w.bin", code="src", docs="docs")
        assert found["src/a.py"] == "src/a.py"
        assert found["docs/b.md"] == "docs/b.md"

    def test_code_below_the_models_directory_stays_with_the_model(self) -> None:
        assert flat("m/w.bin m/tokenizer.model", "m/w.bin", code="m/tokenizer.model")["m/tokenizer.model"] == (
            "tokenizer.model"
        )

    def test_a_configuration_of_something_else_does_not_move_the_root(self) -> None:
        found = flat("m/w.bin data/modules.json modules.json", "m/w.bin", dataset="data", code="modules.json")
        assert found["m/w.bin"] == "w.bin"

    def test_without_a_model_every_path_stays(self) -> None:
        assert flat("src/a.py data/b.csv", "", code="src", dataset="data") == {
            "src/a.py": "src/a.py",
            "data/b.csv": "data/b.csv",
        }


class TestMovingThem:
    @staticmethod
    def tree(directory: Path, **files: str) -> Path:
        for name, text in files.items():
            path = directory / "tree" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return directory / "tree"

    def test_puts_every_file_at_its_path(self, tmp_path: Path) -> None:
        tree = self.tree(tmp_path, **{"m/w.bin": "w", "etc/config.json": "{}"})
        arrange(tree, entries("m/w.bin", "etc"), tmp_path / "flat")
        assert list_files(tmp_path / "flat") == ["config.json", "w.bin"]
        assert (tmp_path / "flat" / "w.bin").read_text() == "w"

    def test_two_files_of_one_name_and_different_bytes_are_a_conflict_that_names_both(self, tmp_path: Path) -> None:
        tree = self.tree(tmp_path, **{"m/w.bin": "w", "a/config.json": "a", "b/config.json": "b"})
        with pytest.raises(ConflictError, match=r"'b/config\.json' and 'a/config\.json' would both be") as e:
            arrange(tree, entries("m/w.bin", "a", "b"), tmp_path / "flat")
        assert "--keep-paths" in e.value.hint

    def test_two_files_of_one_name_and_the_same_bytes_are_one(self, tmp_path: Path) -> None:
        tree = self.tree(tmp_path, **{"m/w.bin": "w", "a/LICENSE": "x", "b/LICENSE": "x"})
        arrange(tree, entries("m/w.bin", "a", "b"), tmp_path / "flat")
        assert list_files(tmp_path / "flat") == ["LICENSE", "w.bin"]

    @pytest.mark.parametrize(("first", "second"), [("a/x", "b/x/y"), ("b/x/y", "c/x")])
    def test_a_file_with_the_name_of_a_directory_is_a_conflict(self, tmp_path: Path, first: str, second: str) -> None:
        tree = self.tree(tmp_path, **{"m/w.bin": "w", first: "1", second: "2"})
        with pytest.raises(ConflictError, match="would both be 'x'"):
            arrange(tree, entries("m/w.bin", first.split("/")[0], second.split("/")[0]), tmp_path / "flat")


_NAMES = st.sampled_from(["a", "b", "config.json", "modules.json", "adapter_config.json"])
_PATHS = st.lists(_NAMES, min_size=1, max_size=4).map("/".join)


@given(st.sets(_PATHS, min_size=1, max_size=6), st.data())
def test_every_path_stays_inside_and_ends_with_its_files_own_name(files: set[str], data: st.DataObject) -> None:
    files -= {file for file in files if any(other.startswith(f"{file}/") for other in files)}
    chosen = data.draw(st.lists(st.sampled_from([*sorted(files), ".", "a", "b"]), max_size=4))
    found = flat_paths(sorted(files), entries(*(chosen or [""])))
    assert set(found) == files
    for source, path in found.items():
        assert path.split("/")[-1] == source.split("/")[-1]
        assert not {"", ".", ".."} & set(path.split("/"))
