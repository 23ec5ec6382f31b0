"""The skill for agents, and the cache of packed layers: commands about this machine."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import click
import pytest
import yaml
from cli_runner import kit, ok
from layer_files import write_files

from kitops_core.cli.group import COMMANDS, kitops


class TestSkill:
    def test_it_is_written_where_agents_look(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        assert ok("skill").out == "wrote  .claude/skills/kitops/SKILL.md\n"
        text = (tmp_path / ".claude" / "skills" / "kitops" / "SKILL.md").read_text()
        _, front, body = text.split("---\n", 2)
        said = yaml.safe_load(front)
        assert said["name"] == "kitops"
        assert 100 < len(said["description"]) < 1024
        assert body.count("- `kitops ") >= len(COMMANDS)
        assert ok("skill").code == 0  # the same again is no conflict

    def test_another_is_kept_unless_forced(self, tmp_path: Path) -> None:
        write_files(tmp_path, {"kitops/SKILL.md": "mine"})
        assert kit("skill", tmp_path).code == 8
        assert (tmp_path / "kitops" / "SKILL.md").read_text() == "mine"
        answer = ok("skill", tmp_path, "--force", "--json").json
        assert answer == {"path": f"{tmp_path}/kitops/SKILL.md"}
        assert (tmp_path / "kitops" / "SKILL.md").read_text() == ok("skill", "--print").out

    def test_it_names_no_command_and_no_option_that_is_not_there(self) -> None:
        text = ok("skill", "--print").out
        context = click.Context(kitops)
        named = re.findall(r"kitops ([a-z][a-z-]*)((?: [^`\n#]*)?)", text)
        assert len(named) > len(COMMANDS)
        for name, rest in named:
            command = kitops.get_command(context, name)
            if name in ("command",):
                continue
            assert command is not None, name
            known = {option for param in command.params for option in param.opts}
            assert set(re.findall(r"(?<![\w-])--[a-z-]+", rest)) <= known, name


class TestCache:
    def test_it_is_shown_and_cleared(self, tmp_path: Path) -> None:
        assert ok("cache").out == "cached  0 layers  0 B\n"
        write_files(tmp_path, {"Kitfile": "package: {name: m}\ncode: [{path: a}, {path: b}]\n", "a": "a", "b": "b"})
        for name in ("a", "b"):
            os.utime(tmp_path / name, (1_700_000_000, 1_700_000_000))
        time.sleep(0.1)  # files as young as the clock's resolution are not remembered
        first = ok("pack", tmp_path, "-t", "m:1", "--json").json
        assert ok("cache", "info", "--json").json["layers"] == 2
        assert ok("cache", "clear").out.startswith("cleared  2 layers  ")
        assert ok("cache", "--json").json == {"layers": 0, "size": 0, "cleared": False}
        assert ok("pack", tmp_path, "-t", "m:1", "--json").json["digest"] == first["digest"]
