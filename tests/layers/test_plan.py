"""Which files each layer holds, and what is said about paths that cannot be packed."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from golden_cases import Case, load_case, load_cases
from layer_files import Told, names, plan_one, plan_paths, read, write_files

from kitops_core.errors import CancelledError, SourceError
from kitops_core.events import Cancel, Control
from kitops_core.kitfile import Kitfile
from kitops_core.layers.plan import Context, LayerPlan, Part, plan


def plan_case(case: Case, directory: Path) -> list[LayerPlan]:
    kitfile = Kitfile.load(case.write(directory) / "Kitfile")
    parts = [Part(entry.address, entry.section, entry.path) for entry in kitfile.entries()]
    return plan(Context.from_directory(directory), parts, control=Control())


@pytest.mark.parametrize("case", load_cases(fails=False), ids=lambda case: case.name)
def test_layers_hold_what_the_reference_packed(case: Case, tmp_path: Path) -> None:
    layers = plan_case(case, tmp_path / "context")
    assert [names(layer) for layer in layers] == [[e["name"] for e in layer["entries"]] for layer in case.layers]
    if not case.args:  # a compressed layer's size is the encoder's
        assert [layer.size for layer in layers] == [layer["size"] for layer in case.layers]


@pytest.mark.parametrize("name", ["error-escape", "error-missing-path"])
def test_what_the_reference_refuses_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        plan_case(load_case(name), tmp_path / "context")


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A directory to pack."""
    return tmp_path / "context"


# --- membership


def test_a_file_comes_with_the_directories_above_it(context: Path) -> None:
    write_files(context, {"a/b/c.txt": "c", "a/b/d.txt": "d", "a/e.txt": "e"})
    assert names(plan_one(context, "a/b/c.txt")) == ["a", "a/b", "a/b/c.txt"]


def test_names_are_in_byte_order_and_children_follow_their_directory(context: Path) -> None:
    write_files(context, {"a/z": "", "a-b": "", "a.txt": "", "A": "", "é": "", "z": "", "ab/": None, "a b": ""})
    assert names(plan_one(context, ".")) == ["A", "a", "a/z", "a b", "a-b", "a.txt", "ab", "z", "é"]


def test_empty_directories_are_kept(context: Path) -> None:
    write_files(context, {"data/empty": None, "data/x": "x"})
    layer = plan_one(context, "data")
    assert names(layer) == ["data", "data/empty", "data/x"]
    assert layer.file_count == 1


def test_a_layer_for_the_context_itself_has_no_entry_for_it(context: Path) -> None:
    write_files(context, {"x": "x"})
    assert names(plan_one(context, ".")) == ["x"]


@pytest.mark.parametrize("path", ["weights", "./weights/", "weights//", "x/../weights", " weights "])
def test_paths_are_cleaned(context: Path, path: str) -> None:
    write_files(context, {"weights/a": "a", "weightsx/b": "b"})
    layer = plan_one(context, path)
    assert layer.path == "weights"
    assert names(layer) == ["weights", "weights/a"]


def test_what_has_a_layer_of_its_own_is_in_no_other(context: Path) -> None:
    write_files(context, {"src/a": "", "src/sub/b": "", "src/sub/c": "", "model": "", "x": ""})
    everything, src, sub, one, model = plan_paths(context, ".", "src", "src/sub", "src/sub/c", "model")
    assert names(everything) == ["x"]
    assert names(src) == ["src", "src/a"]
    assert names(sub) == ["src", "src/sub", "src/sub/b"]
    assert names(one) == ["src", "src/sub", "src/sub/c"]
    assert names(model) == ["model"]


@pytest.mark.parametrize("case", load_cases(fails=False), ids=lambda case: case.name)
def test_a_layer_planned_alone_is_that_planned_with_all(case: Case, tmp_path: Path) -> None:
    together = plan_case(case, tmp_path / "context")
    for layer in together:
        part = Part(layer.address, layer.section, layer.path)
        others = [other.path for other in together if other is not layer]
        [alone] = plan(Context.from_directory(tmp_path / "context"), [part], others=others, control=Control())
        assert names(alone) == names(layer)
        assert alone.size == layer.size


def test_what_is_packed_elsewhere_need_not_be_here(context: Path) -> None:
    write_files(context, {"src/a": "", "src/sub/b": ""})
    [src] = plan_paths(context, "src", others=["src/sub", "src/gone", "weights"])
    assert names(src) == ["src", "src/a"]


def test_layer_paths_are_compared_as_strings_as_the_reference_does(context: Path) -> None:
    write_files(context, {"model/a": "", "model2/b": "", "model.md": "", "mode/c": "", "x/model/d": ""})
    everything, model = plan_paths(context, ".", "model")
    assert names(everything) == ["mode", "mode/c", "x", "x/model", "x/model/d"]
    assert names(model) == ["model", "model/a"]


def test_a_layer_whose_path_starts_with_anothers_keeps_all_its_files(context: Path) -> None:
    write_files(context, {"model/a": "", "model2/b": "", "model2/model": ""})
    assert [names(layer) for layer in plan_paths(context, "model", "model2")] == [
        ["model", "model/a"],
        ["model2", "model2/b", "model2/model"],
    ]


def test_a_file_beside_its_namesake_is_left_out_of_the_directory_around_them(context: Path) -> None:
    write_files(context, {"data/train": "", "data/train.csv": "", "data/test.csv": ""})
    around, one = plan_paths(context, "data", "data/train")
    assert names(around) == ["data", "data/test.csv"]
    assert names(one) == ["data", "data/train"]


def test_a_directory_whose_files_have_layers_of_their_own_is_still_listed(context: Path) -> None:
    write_files(context, {"weights/1.bin": "", "weights/2.bin": ""})
    assert names(plan_paths(context, ".", "weights/1.bin", "weights/2.bin")[0]) == ["weights"]


def test_a_layer_with_a_dot_in_front_is_not_taken_for_the_context(context: Path) -> None:
    write_files(context, {".cache/a": "", ".cache2": "", "b": ""})
    everything, hidden = plan_paths(context, ".", ".cache")
    assert names(everything) == ["b"]
    assert names(hidden) == [".cache", ".cache/a"]


def test_two_entries_may_name_one_path(context: Path) -> None:
    write_files(context, {"a/x": ""})
    assert [names(layer) for layer in plan_paths(context, "a", "./a")] == [["a", "a/x"]] * 2


def test_names_with_dots_are_names(context: Path) -> None:
    write_files(context, {"a..b/c..d": "", "..x": ""})
    assert names(plan_one(context, ".")) == ["..x", "a..b", "a..b/c..d"]
    assert names(plan_one(context, "..x")) == ["..x"]


def test_names_need_not_be_text(context: Path) -> None:
    write_files(context, {"data/x": "x"})
    (Path(os.fsdecode(os.fsencode(context) + b"/data/caf\xe9"))).write_bytes(b"y")
    layer = plan_one(context, "data")
    assert [os.fsencode(name) for name in names(layer)] == [b"data", b"data/caf\xe9", b"data/x"]
    assert len(read(layer)) == layer.size


# --- what is left out


def test_sockets_and_pipes_are_left_out(context: Path) -> None:
    write_files(context, {"data/x": "x", "data/ok/y": "y"})
    os.mkfifo(context / "data/pipe")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(os.path.relpath(context / "data/socket"))
    assert names(plan_one(context, "data")) == ["data", "data/ok", "data/ok/y", "data/x"]


def test_the_kitfile_and_ignore_file_are_left_out_at_the_root_only(context: Path) -> None:
    write_files(context, {"Kitfile": "", "kitfile": "", ".kitfile": "", ".kitignore": "", "x": ""})
    write_files(context, {"sub/Kitfile": "", "sub/.kitignore": "x\n", "sub/x": ""})
    assert names(plan_one(context, ".")) == ["sub", "sub/.kitignore", "sub/Kitfile", "sub/x", "x"]


def test_ignored_paths_are_in_no_layer(context: Path) -> None:
    write_files(context, {".kitignore": "**/__pycache__\n*.log\n!keep.log\ndata/raw\n"})
    write_files(context, {"a.log": "", "keep.log": "", "src/__pycache__/x": "", "src/b.log": "", "data/raw/y": ""})
    everything, data = plan_paths(context, ".", "data")
    assert names(everything) == ["keep.log", "src", "src/b.log"]
    assert names(data) == ["data"]


def test_what_is_taken_back_comes_without_its_ignored_directory(context: Path) -> None:
    write_files(context, {".kitignore": "docs\n!docs/a/keep.md\n", "docs/a/keep.md": "", "docs/other.md": "", "x": ""})
    assert names(plan_one(context, ".")) == ["docs/a/keep.md", "x"]
    assert names(plan_one(context, "docs")) == ["docs/a/keep.md"]


def test_an_ignored_path_that_an_entry_names_makes_an_empty_layer_and_a_warning(context: Path) -> None:
    write_files(context, {".kitignore": "*.log\nbuild\n", "run.log": "x", "build/out": "x", "logs/a.txt": ""})
    control = Told()
    layers = plan_paths(context, "run.log", "build", "build/out", control=control)
    assert [names(layer) for layer in layers] == [[], [], []]
    assert [layer.size for layer in layers] == [1024, 1024, 1024]
    assert [(event.phase, event.name) for event in control.events] == [
        ("warning", "run.log"),
        ("warning", "build"),
        ("warning", "build/out"),
    ]


def test_a_malformed_ignore_file_is_an_error(context: Path) -> None:
    write_files(context, {".kitignore": "ok\n[\n", "x": ""})
    with pytest.raises(SourceError, match=r"\.kitignore.*'\['"):
        plan_one(context, "x")


def test_an_ignore_file_that_is_no_file_is_an_error(context: Path) -> None:
    write_files(context, {".kitignore/x": "", "x": ""})
    with pytest.raises(SourceError, match=r"'\.kitignore' is not a file"):
        plan_one(context, "x")


def test_nothing_outside_the_named_paths_is_looked_at(context: Path) -> None:
    write_files(context, {"model/a": "", "venv/lib/b": ""})
    (context / "venv/link").symlink_to("lib")
    control = Told()
    plan_paths(context, "model", control=control)
    assert control.events == []


# --- problems


def test_every_problem_is_named_at_once(context: Path) -> None:
    write_files(context, {"ok": "", "dir/x": ""})
    os.mkfifo(context / "pipe")
    (context / "dangling").symlink_to("nowhere")
    (context / "out").symlink_to("/etc")
    with pytest.raises(SourceError) as caught:
        plan_paths(context, "ok", "missing", "ok/below", "pipe", "dangling", "out/hostname", "../up", "/etc/hostname")
    lines = str(caught.value).splitlines()
    assert lines[0] == "7 paths cannot be packed"
    assert lines[1] == f"  * code[1]: 'missing' does not exist in '{context}'"
    assert lines[2] == f"  * code[2]: 'ok/below' does not exist in '{context}'"
    assert lines[3] == "  * code[3]: 'pipe' is neither a file nor a directory"
    assert lines[4] == "  * code[4]: 'dangling' is a symbolic link to nothing"
    assert lines[5].startswith("  * code[5]: 'out/hostname' leads through a symbolic link out of the context to")
    assert lines[6] == "  * code[6]: '../up' is not inside the context"
    assert lines[7] == "  * code[7]: '/etc/hostname' is not inside the context"
    assert caught.value.hint


def test_a_single_problem_is_one_sentence(context: Path) -> None:
    write_files(context, {"x": ""})
    with pytest.raises(SourceError) as caught:
        plan_one(context, "nope.bin")
    assert str(caught.value) == f"code[0]: 'nope.bin' does not exist in '{context}'"


def test_the_context_itself_may_be_behind_a_link(context: Path, tmp_path: Path) -> None:
    write_files(context, {"x": "x"})
    (tmp_path / "link").symlink_to(context)
    assert names(plan_one(tmp_path / "link", "x")) == ["x"]


@pytest.mark.parametrize("name", ["missing", "file"])
def test_a_context_is_a_directory(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError, match="is not a directory"):
        Context.from_directory(tmp_path / name)


def test_everything_unreadable_is_named_at_once() -> None:
    with tempfile.TemporaryDirectory() as directory:
        context = write_files(Path(directory), {"d/secret": "", "d/shut/x": "", "d/ok": "", "alone": ""})
        for path in ("d/secret", "d/shut", "alone"):
            (context / path).chmod(0)
        answer = said_to_an_ordinary_user(lambda: plan_paths(context, "d", "alone", "missing"))
        (context / "d/shut").chmod(0o755)
    assert answer.splitlines() == [
        "4 paths cannot be packed",
        f"  * code[2]: 'missing' does not exist in '{context}'",
        "  * 'alone' cannot be read: Permission denied",
        "  * 'd/secret' cannot be read: Permission denied",
        "  * directory 'd/shut' cannot be read: Permission denied",
    ]


def test_an_unreadable_file_of_a_raw_layer_is_named() -> None:
    with tempfile.TemporaryDirectory() as directory:
        context = write_files(Path(directory), {"m.bin": ""})
        (context / "m.bin").chmod(0o200)
        answer = said_to_an_ordinary_user(lambda: plan_paths(context, "m.bin", layer_format="raw"))
    assert answer == "code[0]: 'm.bin' cannot be read: Permission denied"


def said_to_an_ordinary_user(action: Callable[[], object]) -> str:
    """The SourceError that ``action`` raises in a process of its own, without root's rights if this one has them."""
    from_child, to_parent = os.pipe()
    child = os.fork()
    if not child:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        try:
            action()
        except SourceError as error:
            os.write(to_parent, str(error).encode())
        finally:
            os._exit(0)
    os.close(to_parent)
    with open(from_child) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return text


def test_a_flipped_switch_stops_the_walk(context: Path) -> None:
    write_files(context, {"a/b": ""})
    cancel = Cancel()
    cancel.cancel()
    with pytest.raises(CancelledError):
        plan_paths(context, "a", control=Control(cancel=cancel))


# --- raw layers


def test_a_raw_layer_is_one_file_and_nothing_else(context: Path) -> None:
    write_files(context, {"a/model.bin": b"m" * 700, "docs/x": "x"})
    model, docs = plan_paths(context, "a/model.bin", "docs", layer_format="raw")
    assert (model.format, model.size, model.file_count) == ("raw", 700, 1)
    assert names(model) == ["a/model.bin"]
    assert (docs.format, names(docs)) == ("tar", ["docs", "docs/x"])


def test_a_raw_layer_is_what_was_named_even_where_it_is_ignored(context: Path) -> None:
    write_files(context, {".kitignore": "*.bin\n", "model.bin": "m"})
    (layer,) = plan_paths(context, "model.bin", layer_format="raw")
    assert read(layer) == b"m"


def test_an_mcp_bundle_is_raw_and_a_file(context: Path) -> None:
    write_files(context, {"tools.mcpb": "zip", "dir/x": ""})
    one = Context.from_directory(context)
    (layer,) = plan(one, [Part("mcpServers[0]", "mcpb", "tools.mcpb")], control=Control())
    assert (layer.format, layer.size) == ("raw", 3)
    with pytest.raises(SourceError, match=r"mcpServers\[0\]: 'dir' is a directory"):
        plan(one, [Part("mcpServers[0]", "mcpb", "dir")], control=Control())
