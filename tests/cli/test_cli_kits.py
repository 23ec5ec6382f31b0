"""What the command does with kits in the local store and in layout directories."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_runner import kit, ok, write_project

from kitops_core import ModelKitRecord


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory with a model, code and documentation, and no Kitfile."""
    return write_project(tmp_path / "my-model")


class TestInit:
    def test_writes_a_kitfile_from_what_is_there(self, project: Path) -> None:
        ran = ok("init", project)
        assert ran.out == f"wrote  {project}/Kitfile  1 model, 1 code, 1 docs\n"
        assert "path: model.safetensors" in (project / "Kitfile").read_text()

    def test_keeps_the_kitfile_that_is_there_unless_forced(self, project: Path) -> None:
        (project / "kitfile").write_text("mine")
        ran = kit("init", project)
        assert ran.code == 8
        assert ran.err == f"error: '{project}/kitfile' is there already\nhint: give --force to replace it\n"
        assert (project / "kitfile").read_text() == "mine"
        ok("init", project, "--force")
        assert "path: model.safetensors" in (project / "kitfile").read_text()
        assert not (project / "Kitfile").exists()

    def test_takes_name_description_and_authors(self, project: Path) -> None:
        ran = ok(
            "init", project, "--name", "churn", "--desc", "Says who leaves", "--author", "A", "--author", "B", "--json"
        )
        assert ran.json["path"] == str(project / "Kitfile")
        assert "name: churn" in ran.json["kitfile"]
        assert "description: Says who leaves" in ran.json["kitfile"]
        assert "authors: [A, B]" in ran.json["kitfile"]

    def test_depth_lists_subdirectories_file_by_file(self, project: Path) -> None:
        assert "path: src/train.py" in ok("init", project, "--depth", "-1", "--output", "-").out
        assert not (project / "Kitfile").exists()

    def test_leaves_out_what_kitignore_names(self, project: Path) -> None:
        (project / "secret.csv").write_text("a,b\n")
        (project / "data").mkdir()
        (project / "data" / "all.csv").write_text("a,b\n")
        (project / ".kitignore").write_text("secret.csv\n/data\n")
        assert ok("init", project).out.endswith("Kitfile  1 model, 1 code, 1 docs\n")
        by_kitfile = ok("pack", project, "-t", "m:1").out.split()[2]
        (project / "Kitfile").unlink()
        assert ok("pack", project, "-t", "m:2").out.split()[2] == by_kitfile
        (project / ".kitignore").write_text("data\n!data/all.csv\n")
        assert "path: data/" in ok("init", project, "-o", "-").out

    def test_needs_a_directory(self, tmp_path: Path) -> None:
        ran = kit("init", tmp_path / "nothing")
        assert ran.code == 3
        assert "nothing" in ran.err
        assert not (tmp_path / "nothing").exists()


class TestPack:
    def test_says_reference_digest_layers_and_size(self, project: Path) -> None:
        ok("init", project)
        ran = ok("pack", "--from", project, "--tag", "registry.example.com/ml/my-model:1.0")
        digest = ok("list", "--json").json[0]["digest"]
        assert ran.out == f"packed  registry.example.com/ml/my-model:1.0  {digest}  3 layers, 11.7 KiB\n"
        again = ok("pack", project, "-t", "registry.example.com/ml/my-model:1.0")
        assert again.out == f"unchanged  registry.example.com/ml/my-model:1.0  {digest}  3 layers, 11.7 KiB\n"

    def test_shows_one_line_for_each_layer_where_there_is_no_terminal(self, project: Path) -> None:
        ran = ok("pack", project, "-t", "m:1")
        assert "  model.safetensors  6.5 KiB  written\n" in ran.err
        assert "  model.safetensors  6.5 KiB  already there\n" in ok("pack", project, "-t", "m:2").err
        assert "config" not in ran.err
        assert "  config  " in ok("pack", project, "-t", "m:3", "-v").err

    @pytest.mark.parametrize("option", [["--progress", "none"], ["--log-level", "warn"]])
    def test_progress_can_be_left_out(self, project: Path, option: list[str]) -> None:
        ok("init", project)
        assert ok("pack", project, "-t", "m:1", *option).err == ""
        assert ok(*option, "pack", project, "-t", "m:1").err == ""

    def test_without_a_kitfile_packs_what_is_there_and_says_so(self, project: Path) -> None:
        ran = ok("pack", project, "-t", "m:1")
        assert ran.err.startswith(f"no Kitfile in '{project}': packing what is there")
        assert not (project / "Kitfile").exists()
        generated = ran.out.split()[2]
        ok("init", project)
        assert ok("pack", project, "-t", "m:2").out.split()[2] == generated

    @pytest.mark.parametrize(("name", "says"), [("empty", "has nothing to pack"), ("missing", "does not exist")])
    def test_needs_something_to_pack(self, tmp_path: Path, name: str, says: str) -> None:
        (tmp_path / "empty").mkdir()
        ran = kit("pack", tmp_path / name)
        assert ran.code == 3
        assert ran.out == ""
        assert says in ran.err

    def test_without_a_tag_is_called_by_the_package_name(self, project: Path) -> None:
        assert ok("pack", project).out.split()[1] == "my-model:latest"
        ok("init", project, "--name", "Churn Model (v2)")
        assert ok("pack", project).out.split()[1] == "churn-model-v2:latest"

    def test_without_a_directory_packs_the_current_one(self, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(project)
        assert ok("pack").out.startswith("packed  my-model:latest  ")

    def test_takes_further_tags_after_commas_or_again(self, project: Path) -> None:
        ran = ok("pack", project, "-t", "ml/m:1.0,latest", "-t", "ml/m:prod", "--json")
        assert ran.json["tags"] == ["1.0", "latest", "prod"]
        assert {record["tag"] for record in ok("list", "--json").json} == {"1.0", "latest", "prod"}
        assert "also tagged b, c" in ok("pack", project, "-t", "ml/m:a,b,c").out

    @pytest.mark.parametrize(
        ("names", "says"),
        [
            (["a/m:1", "b/m:1"], "different repositories"),
            (["m:1,no good"], "'no good' is not a valid tag"),
            (["m@sha256:" + "0" * 64], "names a digest"),
            (["Capital:1"], "lower case"),
        ],
    )
    def test_refuses_names_that_cannot_be(self, project: Path, names: list[str], says: str) -> None:
        ran = kit("pack", project, *(part for name in names for part in ("-t", name)))
        assert ran.code == 3
        assert says in ran.err

    def test_answers_the_shared_record_as_json(self, project: Path) -> None:
        ran = ok("pack", project, "-t", "m:1", "--json", "--progress", "none")
        record = ModelKitRecord.from_dict(ran.json)
        assert record.reference == "m:1"
        assert record.changed
        assert [layer.path for layer in record.layers] == ["model.safetensors", "src", "README.md"]

    def test_takes_a_kitfile_from_elsewhere_or_from_standard_input(self, project: Path, tmp_path: Path) -> None:
        text = "manifestVersion: 1.0.0\npackage: {name: given}\ndocs: [{path: README.md}]\n"
        (tmp_path / "other").write_text(text)
        by_path = ok("pack", project, "-t", "m:1", "-f", tmp_path / "other")
        by_input = ok("pack", project, "-t", "m:2", "--file", "-", stdin=text)
        assert by_path.out.split()[2] == by_input.out.split()[2]
        assert by_path.out.endswith("1 layer, 2.2 KiB\n")
        assert ok("pack", project, "-f", "-", stdin=text).out.split()[1] == "given:latest"

    def test_names_every_problem_of_a_kitfile(self, project: Path) -> None:
        ran = kit("pack", project, "-f", "-", stdin="package: {name: x}\ndocs: [{path: /etc/passwd}, {path: ../up}]\n")
        assert ran.code == 3
        assert ran.err.startswith("error: the Kitfile given: 2 problems\n  * ")
        assert "/etc/passwd" in ran.err
        assert "../up" in ran.err

    @pytest.mark.parametrize("compression", ["gzip", "gzip-fastest", "zstd"])
    def test_compresses(self, project: Path, compression: str) -> None:
        record = ok("pack", project, "-t", "m:1", "--compression", compression, "--json").json
        assert all(layer["media_type"].endswith(compression.partition("-")[0]) for layer in record["layers"])

    def test_packs_raw_layers_and_modelpacks(self, project: Path) -> None:
        raw = ok("pack", project, "-t", "m:1", "--layer-format", "raw", "--json").json
        assert raw["layers"][0]["media_type"].endswith(".raw")
        assert raw["layers"][0]["size"] == 5000
        pack = ok("pack", project, "-t", "m:2", "--use-model-pack", "--json").json
        assert pack["layers"][0]["media_type"].startswith("application/vnd.cncf.model.")

    def test_stamps_a_time_only_when_asked(self, project: Path) -> None:
        plain = ok("pack", project, "-t", "m:1", "--json").json
        assert plain["created"] == ""
        stamped = ok("pack", project, "-t", "m:1", "--created", "2026-01-31T12:00:00+02:00", "--json").json
        assert stamped["created"] == "2026-01-31T10:00:00Z"
        assert stamped["digest"] != plain["digest"]
        assert ok("pack", project, "-t", "m:1", "--created", "now", "--json").json["created"].endswith("Z")
        assert kit("pack", project, "-t", "m:1", "--created", "yesterday").code == 3

    def test_packs_into_a_layout_directory(self, project: Path, tmp_path: Path) -> None:
        ok("pack", project, "-t", f"oci:{tmp_path}/layout:1.0")
        assert (tmp_path / "layout" / "oci-layout").is_file()
        assert ok("list").out.count("\n") == 1
        info = ok("info", f"oci:{tmp_path}/layout:1.0")
        assert "from the layout" in info.err
        assert "name: my-model" in info.out


class TestRead:
    @pytest.fixture(autouse=True)
    def _packed(self, project: Path) -> None:
        ok("pack", project, "-t", "ml/m:1", "--progress", "none")

    def test_list_shows_the_columns_of_the_reference_cli(self) -> None:
        digest = ok("list", "--json").json[0]["digest"]
        header, row = ok("list").out.splitlines()
        assert header.split() == ["REPOSITORY", "TAG", "MAINTAINER", "NAME", "SIZE", "DIGEST"]
        assert row.split() == ["ml/m", "1", "my-model", "11.7", "KiB", digest]
        assert header.index("DIGEST") == row.index(digest)

    def test_list_in_json_has_the_reference_clis_keys_or_ours(self) -> None:
        ok("tag", "ml/m:1", "2")
        [theirs] = ok("list", "--format", "json").json
        assert theirs == {
            "repo": "ml/m",
            "digest": theirs["digest"],
            "tags": ["1", "2"],
            "modelName": "my-model",
            "size": theirs["size"],
            "author": "",
        }
        ours = ok("list", "--json").json
        assert [record["reference"] for record in ours] == ["ml/m:1", "ml/m:2"]

    def test_list_shows_kits_whose_tag_moved_on(self, project: Path) -> None:
        (project / "README.md").write_text("# Another\n")
        ok("pack", project, "-t", "ml/m:1")
        rows = ok("list").out.splitlines()[1:]
        assert [row.split()[1] for row in rows] == ["1", "<none>"]

    def test_info_shows_the_kitfile(self, project: Path) -> None:
        ok("init", project)
        ran = ok("info", "ml/m:1")
        assert ran.out == (project / "Kitfile").read_text()
        assert ran.err.startswith("ml/m:1@sha256:")
        assert ran.err.endswith(": from the local store\n")
        assert ok("info", "ml/m:1", "--json").json["model"]["path"] == "model.safetensors"

    @pytest.mark.parametrize(
        ("field", "shows"),
        [
            ("model.path", "model.safetensors\n"),
            (".package.name", "my-model\n"),
            ("docs[0].path", "README.md\n"),
            ("package", "name: my-model\n"),
        ],
    )
    def test_info_shows_one_field(self, field: str, shows: str) -> None:
        assert ok("info", "ml/m:1", "-f", field).out == shows

    def test_info_knows_which_fields_there_are(self) -> None:
        assert kit("info", "ml/m:1", "-f", "model.nothing").code == 4
        assert kit("info", "ml/m:1", "-f", "docs[7]").code == 4
        assert kit("info", "ml/m:1", "-f", "docs[").code == 3

    def test_inspect_shows_digest_manifest_and_kitfile_as_the_reference_cli_does(self) -> None:
        ran = ok("inspect", "ml/m:1")
        assert list(ran.json) == ["digest", "cliVersion", "kitfile", "manifest"]
        assert ran.json["kitfile"]["model"]["digest"] == ran.json["manifest"]["layers"][0]["digest"]
        assert ok("inspect", "ml/m:1", "--json").out == ran.out

    def test_diff_says_what_differs(self, project: Path) -> None:
        ok("init", project, "--name", "renamed")
        (project / "README.md").unlink()
        (project / "data.csv").write_text("a,b\n")
        ok("init", project, "--name", "renamed", "--force")
        ok("pack", project, "-t", "ml/m:2")
        ran = ok("diff", "ml/m:1", "local://ml/m:2")
        lines = [line.split() for line in ran.out.splitlines()]
        assert ["removed", "docs", "README.md", "2.0", "KiB"] in lines
        assert ["added", "dataset", "data.csv", "2.0", "KiB"] in lines
        assert ["field", "package.name", "my-model", "→", "renamed"] in lines
        assert lines[-1] == ["9.0", "KiB", "in", "layers", "that", "both", "have"]
        assert ran.err.count("from the local store") == 2
        assert ok("diff", "ml/m:1", "ml/m:2", "--json").json["same"] is False

    def test_diff_says_when_nothing_differs(self) -> None:
        ok("tag", "ml/m:1", "other:1")
        assert ok("diff", "ml/m:1", "other:1").out.startswith("same  other:1@sha256:")

    @pytest.mark.parametrize("command", [["info"], ["inspect"], ["unpack"], ["diff", "ml/m:1"], ["remove"]])
    def test_what_is_not_there_is_code_4(self, command: list[str]) -> None:
        ran = kit(*command, "ml/m:9")
        assert ran.code == 4
        assert ran.out == ""
        assert "ml/m:9" in ran.err
        assert "Traceback" not in ran.err

    def test_a_name_without_a_registry_cannot_be_remote(self) -> None:
        for command in ("info", "inspect", "unpack"):
            ran = kit(command, "ml/m:1", "--remote")
            assert ran.code == 3
            assert "names no registry" in ran.err

    def test_another_store_is_another_store(self, tmp_path: Path) -> None:
        for args in (["--config", tmp_path, "list"], ["list", "--config", tmp_path]):
            assert ok(*args).out.count("\n") == 1

    def test_what_an_author_wrote_cannot_steer_the_terminal(self, project: Path) -> None:
        escape = "\x1b]0;owned\x07 \u202etxt.exe\u2066\u200b"
        text = json.dumps({"package": {"name": f"a{escape}b", "description": escape}, "docs": [{"path": "README.md"}]})
        ok("pack", project, "-f", "-", "-t", "evil:1", stdin=text)
        for args in (
            ["list"],
            ["info", "evil:1"],
            ["info", "evil:1", "-f", "package.description"],
            ["info", "evil:1", "-f", "package"],
            ["inspect", "evil:1"],
        ):
            assert all(line.isprintable() for line in ok(*args).out.splitlines())
        assert all(line.isprintable() for line in ok("diff", "ml/m:1", "evil:1").out.splitlines())
