"""``kitops index`` and ``--label``, as a person uses them."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from cli_runner import kit, modules_after, ok
from variants import make_index, pack_variant

import kitops_core as kitops


def test_an_index_is_made_filled_shown_and_deleted(tmp_path: Path) -> None:
    q4 = pack_variant(tmp_path, "test/llm", "q4_0").digest
    q8 = pack_variant(tmp_path, "test/llm", "q8_0").digest
    assert ok("index", "create", "test/llm:all").out.startswith("created  test/llm:all  sha256:")
    labels = ["-l", "quantization=q4_0", "-l", "vram=6GB", "-l", 'archs:=["sm_80", "sm_90"]']
    assert ok("index", "add", "test/llm:all", "test/llm:q4_0", *labels, "--annotate", "tested=true").out.endswith(
        "1 kit\n"
    )
    ok("index", "add", "test/llm:all", f"test/llm@{q8}")
    assert (
        ok("index", "info", "test/llm:all").out.splitlines()[1:]
        == [
            "2 ModelKits:",
            "ORIGINAL REFERENCE   SIZE       LABELS                    ANNOTATIONS   DIGEST",
            f"<none>               50.5 KiB   <none>                    <none>        {q8}",
            f'test/llm:q4_0        26.5 KiB   archs=["sm_80","sm_90"]   tested=true   {q4}',
            "                                quantization=q4_0",
            "                                vram=6GB",
        ]
        or ok("index", "info", "test/llm:all").out.count("quantization=q4_0") == 1
    )
    ok("index", "add", "test/llm:all", "test/llm:q4_0", "-l", "vram-")
    found = ok("index", "info", "test/llm:all", "--format", "json").json
    by_digest = {one["digest"]: one for one in found["modelKits"]}
    assert set(by_digest[q4]) == {"reference", "digest", "size", "labels", "annotations"}
    assert set(by_digest[q8]) == {"digest", "size", "labels", "annotations"}
    assert by_digest[q4]["labels"] == {"archs": ["sm_80", "sm_90"], "quantization": "q4_0"}
    assert '"ml.kitops.modelkit.original-tag": "q4_0"' in ok("index", "inspect", "test/llm:all").out
    (listed,) = ok("index", "list", "--format", "json").json
    assert listed == {"repo": "test/llm", "digest": found["digest"], "tags": ["all"], "modelKits": 2}
    assert [line.split()[:2] for line in ok("list").out.splitlines() if "(index of 2)" in line] == [["test/llm", "all"]]
    assert all("all" not in one["tags"] for one in ok("list", "--format", "json").json)
    ok("index", "remove", "test/llm:all", "test/llm:q4_0")
    assert ok("index", "delete", "test/llm:all").out.startswith("deleted  test/llm:all  sha256:")
    assert kit("index", "info", "test/llm:all").code == 4


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["index", "add", "test/llm:all", "test/llm:q4_0", "-l", "bad"], 3, "'bad' is not a change of a label"),
        (["index", "add", "test/llm:all", "other:q4_0"], 3, "'other:q4_0' is not in localhost/test/llm"),
        (["index", "add", "test/llm:all", "test/llm:all"], 3, "test/llm:all is an index, and an index names kits"),
        (["index", "add", "test/llm:all", "test/llm:q4_0", "-l", f"{'x' * 64}=1"], 3, "is not a label's name"),
        (["index", "info", "test/llm:q4_0"], 3, "test/llm:q4_0 is a kit, and no index"),
        (["index", "info", "test/llm:none"], 4, "the index test/llm:none is not in the local store"),
        (["index", "remove", "test/llm:all", "test/llm:q5"], 4, "does not have test/llm:q5. There are:"),
        (["index", "delete"], 2, "Name an index, or give --all"),
        (["index", "delete", "a:b", "--all"], 2, "Name an index, or give --all"),
        (["info", "test/llm:all"], 3, "test/llm:all is an index of 3 kits:"),
        (["unpack", "test/llm:all", "-l", "quantization=q5"], 4, "no kit in test/llm:all has quantization=q5"),
        (["info", "test/llm:all", "-l", "nonsense"], 3, "'nonsense' does not say which variant"),
    ],
)
def test_what_cannot_be_done_is_said_with_what_there_is(tmp_path: Path, args: list[str], code: int, says: str) -> None:
    make_index(tmp_path, "test/llm")
    ran = kit(*args)
    assert (ran.code, ran.out) == (code, "")
    assert says in ran.err
    if "all" in says and "unpack" in args:
        assert "  test/llm:q4_0  (quantization=q4_0, vram=6GB)" in ran.err


@pytest.mark.parametrize("command", ["info", "inspect", "materialize", "unpack"])
def test_commands_that_read_one_kit_choose_it_by_label(tmp_path: Path, command: str) -> None:
    make_index(tmp_path, "test/llm")
    digest = kitops.resolve("test/llm:q8_0")
    where = {"materialize": ["--to", tmp_path / "out"], "unpack": ["-d", tmp_path / "out"]}.get(command, [])
    ran = ok(command, "test/llm:all", "-l", "vram<=16GB", *where)
    assert f"test/llm:all@{digest}" in ran.err + ran.out or digest in ran.out


def test_indexes_go_to_a_registry_and_come_from_it(tmp_path: Path, registry: str) -> None:
    name = f"{registry}/test/{uuid.uuid4().hex[:12]}"
    make_index(tmp_path, name)
    ran = kit("index", "push", f"{name}:all")
    assert ran.code == 4
    assert "does not have every kit that the index names" in ran.err
    for tag in ("q4_0", "q8_0", "f16"):
        ok("push", f"{name}:{tag}")
    assert ok("index", "push", f"{name}:all").out.startswith(f"pushed  {name}:all")
    assert [line.split()[1] for line in ok("index", "list", name).out.splitlines()[1:]] == ["all"]
    ok("index", "delete", f"{name}:all")
    assert "its kits stay in the registry" in ok("index", "pull", f"{name}:all").err
    assert ok("index", "info", "--remote", f"{name}:all").out == ok("index", "info", f"{name}:all").out
    ok("pull", f"{name}:all", "-l", "quantization=q4_0")


def test_a_command_of_the_group_imports_no_models(tmp_path: Path) -> None:
    make_index(tmp_path, "test/llm")
    assert "pydantic" not in modules_after("index", "info", "test/llm:all")
    assert "pydantic" not in modules_after("index", "list")


def test_a_number_is_shown_as_it_was_written(tmp_path: Path) -> None:
    pack_variant(tmp_path, "test/llm", "q4_0")
    ok("index", "create", "test/llm:all")
    ok("index", "add", "test/llm:all", "test/llm:q4_0", "-l", "parameters:=7.0e9", "-l", "bits:=4.50", "-l", "n:=1")
    told = ok("index", "info", "test/llm:all").out
    assert all(text in told for text in ("parameters=7.0e9", "bits=4.50", "n=1"))
