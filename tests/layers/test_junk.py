"""Caches, environments and version control inside directories: left out, unless somebody asks for them."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_runner import kit, ok
from layer_files import Told, names, plan_one, plan_paths, write_files

import kitops_core as kitops

JUNK = [
    *(
        "__pycache__/train.cpython-311.pyc",
        "old.pyc",
        ".git/HEAD",
        ".ipynb_checkpoints/a.ipynb",
        ".DS_Store",
        "Thumbs.db",
    ),
    *(".pytest_cache/README.md", ".venv/bin/python", "venv/bin/python", "node_modules/a/index.js", "wandb/run/log"),
    *("mlruns/0/meta.yaml", ".cache/huggingface/download/a.lock"),
]


@pytest.mark.parametrize("junk", JUNK)
@pytest.mark.parametrize("deeper", ["", "lib/"])
def test_it_is_left_out_of_directories_wherever_it_is(tmp_path: Path, junk: str, deeper: str) -> None:
    write_files(tmp_path, {"src/train.py": "", f"src/{deeper}{junk}": "", "src/lib/a.py": ""})
    kept = names(plan_one(tmp_path, "src"))
    assert [name for name in kept if name != f"src/{deeper}.cache"] == [
        "src",
        "src/lib",
        "src/lib/a.py",
        "src/train.py",
    ]


def test_running_the_code_changes_no_digest(tmp_path: Path) -> None:
    write_files(tmp_path, {"Kitfile": "manifestVersion: 1.0.0\ncode: [{path: src}]\n", "src/train.py": "x = 1\n"})
    before = kitops.pack(tmp_path, "code:1")
    write_files(tmp_path, {"src/__pycache__/train.cpython-311.pyc": b"\0"})
    assert kitops.pack(tmp_path, "code:1").changed is False
    assert kitops.pack(tmp_path, "code:2", how=kitops.Packing(all_files=True)).digest != before.digest


def test_what_a_kitfile_names_itself_is_packed(tmp_path: Path) -> None:
    write_files(tmp_path, {"mlruns/1/model/weights.bin": "", "venv": ""})
    assert names(plan_one(tmp_path, "mlruns/1/model"))[-1] == "mlruns/1/model/weights.bin"
    assert names(plan_one(tmp_path, "venv")) == ["venv"]  # a file of that name is no environment
    assert names(plan_one(tmp_path, "."))[-1] == "venv"


def test_ignore_rules_take_it_back(tmp_path: Path) -> None:
    write_files(tmp_path, {"src/__pycache__/a.pyc": "", "src/wandb/log": "", ".kitignore": "!**/__pycache__\n"})
    assert names(plan_one(tmp_path, "src")) == ["src", "src/__pycache__", "src/__pycache__/a.pyc"]


def test_how_much_it_was_is_said_in_one_line(tmp_path: Path) -> None:
    write_files(tmp_path, {"src/a": "", "src/__pycache__/a.pyc": "", "src/.git/HEAD": "", "src/wandb/log": ""})
    control = Told()
    plan_paths(tmp_path, "src", control=control)
    (event,) = control.events
    assert event.detail == (
        "3 caches and the like left out: --all-files, or a ! in .kitignore, takes them (src/.git, …)"
    )


def test_the_command_packs_it_when_told(tmp_path: Path) -> None:
    write_files(tmp_path, {"Kitfile": "manifestVersion: 1.0.0\ncode: [{path: src}]\n", "src/a": "", "src/b.pyc": ""})
    plain = ok("pack", tmp_path, "-t", "code:1")
    assert (
        "warning: 1 caches and the like left out: --all-files, or a ! in .kitignore, takes them (src/b.pyc)"
        in plain.err
    )
    assert "left out" not in kit("pack", tmp_path, "-t", "code:2", "--all-files").err
    assert ok("diff", "code:1", "code:2").code == 0
