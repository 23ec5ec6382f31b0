"""Unpacking, and names, by the command in this process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cli_runner import kit, ok, write_project


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory with a model, code and documentation, and no Kitfile."""
    return write_project(tmp_path / "my-model")


def files(root: Path) -> dict[str, bytes]:
    """Every file below a directory."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


class TestUnpack:
    @pytest.fixture(autouse=True)
    def _packed(self, project: Path) -> None:
        ok("pack", project, "-t", "m:1", "--progress", "none")

    def test_gives_the_same_files_and_the_kitfile(self, project: Path, tmp_path: Path) -> None:
        ran = ok("unpack", "m:1", "-d", tmp_path / "out")
        assert ran.out.startswith("unpacked  sha256:")
        assert ran.out.endswith(f"4 files, 4.9 KiB in {tmp_path}/out\n")
        assert "m:1@sha256:" in ran.err
        assert ": from the local store" in ran.err
        assert files(tmp_path / "out") == {**files(project), "Kitfile": ok("info", "m:1").out.encode()}

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            (["--filter", "model"], {"model.safetensors"}),
            (["-f", "docs,code"], {"README.md", "src/train.py"}),
            (["-f", "docs:README.md", "-f", "kitfile"], {"README.md", "Kitfile"}),
            (["--model", "--kitfile"], {"model.safetensors", "Kitfile"}),
            (["--code", "--docs", "-f", "model"], {"model.safetensors", "README.md", "src/train.py"}),
        ],
    )
    def test_takes_what_the_filters_say(self, tmp_path: Path, options: list[str], expected: set[str]) -> None:
        ok("unpack", "m:1", "-d", tmp_path / "out", *options)
        assert set(files(tmp_path / "out")) == expected

    def test_into_the_current_directory_by_default(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")
        ok("unpack", "m:1", "--docs")
        assert set(files(Path())) == {"README.md"}

    def test_touches_no_file_unless_told(self, tmp_path: Path) -> None:
        out = tmp_path / "out"
        out.mkdir()
        (out / "README.md").write_text("mine")
        ran = kit("unpack", "m:1", "-d", out)
        assert ran.code == 8
        assert "README.md" in ran.err
        assert "checked" not in ran.err  # nothing was read for nothing
        assert files(out) == {"README.md": b"mine"}
        kept = ok("unpack", "m:1", "-d", out, "--ignore-existing", "--json")
        assert kept.json["files"] == 3
        assert files(out)["README.md"] == b"mine"
        assert len(files(out)) == 4
        ok("unpack", "m:1", "-d", out, "-o")
        assert files(out)["README.md"] == b"# A model\n"

    def test_answers_where_it_came_from(self, tmp_path: Path) -> None:
        ran = ok("unpack", "m:1", "-d", tmp_path / "out", "--filter=model", "--json", "--overwrite=false")
        assert ran.json["storage"] == "local store"
        assert ran.json["files"] == 1
        assert ran.json["size"] == 5000

    def test_a_filter_that_takes_nothing_says_what_there_is(self, tmp_path: Path) -> None:
        ran = kit("unpack", "m:1", "-d", tmp_path / "out", "-f", "datasets")
        assert ran.code == 4
        assert "README.md" in ran.err
        assert kit("unpack", "m:1", "-d", tmp_path / "out", "-f", "modle").code == 3
        assert not (tmp_path / "out").exists()

    def test_an_altered_layer_is_code_6_and_leaves_nothing(self, tmp_path: Path, home: Path) -> None:
        digest = ok("inspect", "m:1").json["manifest"]["layers"][0]["digest"]
        blob = home / "kitops" / "storage" / "blobs" / "sha256" / digest.partition(":")[2]
        data = bytearray(blob.read_bytes())
        data[1000] ^= 1
        os.chmod(blob, 0o600)
        blob.write_bytes(data)
        ran = kit("unpack", "m:1", "-d", tmp_path / "out")
        assert ran.code == 6
        assert digest in ran.err
        assert not (tmp_path / "out").exists() or files(tmp_path / "out") == {}


class TestNames:
    @pytest.fixture(autouse=True)
    def _packed(self, project: Path) -> None:
        ok("pack", project, "-t", "m:1,2", "--progress", "none")

    def test_tag_takes_tags_and_references(self) -> None:
        digest = ok("list", "--json").json[0]["digest"]
        assert ok("tag", "m:1", "prod", "registry.example.com/m:1").out == (
            f"tagged  {digest}  prod  registry.example.com/m:1\n"
        )
        names = {record["reference"] for record in ok("list", "--json").json}
        assert names == {"m:1", "m:2", "m:prod", "registry.example.com/m:1"}

    def test_remove_takes_a_tag_and_with_the_last_one_the_kit(self) -> None:
        digest = ok("list", "--json").json[0]["digest"]
        assert ok("remove", "m:1").out == f"removed  m:1  {digest}\n"
        assert ok("info", f"m@{digest}").code == 0
        ok("remove", "m:2")
        assert kit("info", f"m@{digest}").code == 4

    def test_remove_takes_several_tags_a_digest_or_force(self, project: Path) -> None:
        digest = ok("list", "--json").json[0]["digest"]
        assert ok("remove", "m:1,2").out.count("removed  ") == 2
        assert ok("list", "--json").json == []
        ok("pack", project, "-t", "m:1,2")
        assert ok("remove", f"m@{digest}", "--json").json == [{"reference": f"m@{digest}", "digest": digest}]
        assert ok("list", "--json").json == []
        ok("pack", project, "-t", "m:1,2")
        ok("remove", "--force", "m:1")
        assert ok("list", "--json").json == []

    def test_remove_never_guesses_a_tag(self) -> None:
        ran = kit("remove", "m")
        assert ran.code == 3
        assert "has no tag or digest" in ran.err

    def test_remove_all_takes_what_has_no_tag_and_with_force_everything(self, project: Path) -> None:
        (project / "README.md").write_text("# Another\n")
        ok("pack", project, "-t", "m:1,2")
        assert ok("remove", "--all").out.startswith("removed  m@sha256:")
        assert [record["tag"] for record in ok("list", "--json").json] == ["1", "2"]
        assert ok("remove", "--all").out == "nothing to remove\n"
        ok("remove", "--all", "--force")
        assert ok("list", "--json").json == []

    def test_gc_frees_what_no_kit_needs(self) -> None:
        assert ok("gc", "--grace", "0").out == "freed  0 B  0 blobs\n"
        ok("remove", "m:1,2")
        assert ok("gc").out.startswith("freed  0 B  0 blobs  ")
        assert ok("gc", "--grace", "0", "--dry-run").out.startswith("would free  ")
        report = ok("gc", "--grace", "0s", "--json").json
        assert len(report["removed"]) == 5
        assert report["freed"] > 11000
        assert kit("gc", "--grace", "soon").code == 3

    def test_completion_offers_local_references(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("_KITOPS_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", "kitops info m:")
        monkeypatch.setenv("COMP_CWORD", "2")
        assert kit().out.splitlines() == ["plain,m:1", "plain,m:2"]
