"""What a pack would make, without making it."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_runner import kit, ok
from layer_files import write_files

import kitops_core as kitops
from kitops_core.errors import InvalidInputError, KitfileError, SourceError

KITFILE = (
    "manifestVersion: 1.0.0\npackage: {name: churn}\nmodel: {path: out/m.bin}\ncode: [{path: src}]\n"
    "datasets: [{name: all, remotePath: 's3://lake/all.parquet', remoteHash: abc}]\n"
)
FILES = {
    "Kitfile": KITFILE,
    ".kitignore": "**/*.log\nsrc/tmp\n",
    "out/m.bin": "weights",
    "out/run.log": "log",
    "out/old.bin": "old",
    "src/a.py": "a",
    "src/b.py": "b",
    "src/x.log": "x",
    "src/tmp/y": "y",
    "src/__pycache__/a.pyc": "c",
    ".env": "KEY=1",
    ".git/HEAD": "h",
    "notes.txt": "n",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write_files(tmp_path / "project", FILES)
    (tmp_path / "project" / "src" / "link").symlink_to("../out")
    return tmp_path / "project"


def test_it_says_what_is_in_which_layer(project: Path) -> None:
    plan = kitops.plan(project)
    record = kitops.pack(project, "churn:1")
    assert plan.name == "churn"
    assert [(layer.section, layer.path, layer.files) for layer in plan.layers] == [
        ("model", "out/m.bin", 1),
        ("code", "src", 2),
    ]
    packed = [(layer.section, layer.path, layer.media_type, layer.size) for layer in record.layers]
    assert [(layer.section, layer.path, layer.media_type, layer.size) for layer in plan.layers] == packed
    assert plan.size == sum(layer.size for layer in record.layers)


def test_it_says_what_is_left_out_and_why(project: Path) -> None:
    left_out = {item.path: item.why for item in kitops.plan(project).left_out}
    junk = "a cache or the like: --all-files, or a ! in .kitignore, takes it"
    assert left_out == {
        ".env": "it holds credentials, and no entry names it",
        ".git": junk,
        "notes.txt": "no entry names it",
        "out/old.bin": "no entry names it",
        "out/run.log": ".kitignore leaves it out",
        "s3://lake/all.parquet": "it stays where it is",
        "src/__pycache__": junk,
        "src/link": "a symbolic link to a directory",
        "src/tmp": ".kitignore leaves it out",
        "src/x.log": ".kitignore leaves it out",
    }


def test_nothing_is_written(project: Path, tmp_path: Path) -> None:
    ran = ok("pack", project, "-t", "churn:1", "--dry-run", "--config", tmp_path / "store")
    assert ran.out.splitlines()[:3] == [
        "would pack  churn:1  2 layers  6.0 KiB",
        "  model   out/m.bin   1 file    2.5 KiB",
        "  code    src         2 files   3.5 KiB",
    ]
    assert "  notes.txt               no entry names it" in ran.out
    assert not (tmp_path / "store").exists()
    answer = ok("pack", project, "-t", "churn:1", "--dry-run", "--json").json
    assert answer["reference"] == "churn:1"
    assert answer["layers"][0]["path"] == "out/m.bin"
    assert {"path": "notes.txt", "why": "no entry names it"} in answer["left_out"]


def test_what_could_not_be_packed_is_an_error(project: Path) -> None:
    (project / "src" / ".env").write_text("KEY=1")
    with pytest.raises(SourceError, match=r"'src/\.env' holds credentials"):
        kitops.plan(project)
    with pytest.raises(KitfileError, match="absolute"):
        kitops.plan(project, kitfile=kitops.Kitfile.parse("model: {path: /etc}\n"))
    assert kit("pack", project, "--dry-run").code == 3


def test_contents_by_name_can_be_planned_too(project: Path) -> None:
    plan = kitops.plan(kitops.Contents(model=project / "out", name="x"))
    assert [(layer.path, layer.files) for layer in plan.layers] == [("out", 3)]
    assert plan.left_out == ()


@pytest.mark.slow
def test_more_entries_than_a_manifest_has_room_for_are_said_before_a_file_is_looked_for(tmp_path: Path) -> None:
    entries = "".join(f"- path: data/a-directory/that-is-not-there/{number}.csv\n" for number in range(30_000))
    (tmp_path / "Kitfile").write_text("datasets:\n" + entries)
    with pytest.raises(
        InvalidInputError, match="30000 layers make a manifest larger than registries must take"
    ) as caught:
        kitops.pack(tmp_path, "many:1")
    assert "one may be a whole directory" in caught.value.hint


def test_of_very_many_missing_files_the_first_are_named(tmp_path: Path) -> None:
    entries = "".join(f"- path: {number}.csv\n" for number in range(150))
    (tmp_path / "Kitfile").write_text("datasets:\n" + entries)
    with pytest.raises(SourceError, match="150 paths cannot be packed") as caught:
        kitops.plan(tmp_path)
    lines = str(caught.value).splitlines()
    assert (len(lines), lines[-1]) == (102, "  and 50 more")
