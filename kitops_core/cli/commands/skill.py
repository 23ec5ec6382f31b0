"""``kitops skill``."""

from __future__ import annotations

from pathlib import Path

import click

from kitops_core.cli.options import new_command
from kitops_core.cli.output import answer, answer_json, answer_text
from kitops_core.cli.settings import Settings
from kitops_core.errors import ConflictError


@new_command("skill")
@click.argument("directory", type=click.Path(path_type=Path), default=Path(".claude/skills"))
@click.option("-f", "--force", is_flag=True, help="Replace another SKILL.md that is there.")
@click.option("--print", "only_print", is_flag=True, help="Answer the skill, and write nothing.")
def command(settings: Settings, directory: Path, force: bool, only_print: bool, as_json: bool) -> None:
    """Write kitops/SKILL.md, which teaches an agent this command, into the skills' DIRECTORY.

    The default is .claude/skills of the project in the current directory; for all projects, name the directory where
    your agent keeps its skills, such as ~/.claude/skills. After an upgrade of kitops, --force brings it up to date.
    """
    from kitops_core.cli.skill_text import skill_text

    text = skill_text()
    if only_print:
        if as_json:
            raise click.UsageError("--print and --json exclude each other.")
        answer_text(text)
        return
    target = directory / "kitops" / "SKILL.md"
    if target.exists() and target.read_text(encoding="utf-8") != text and not force:
        raise ConflictError(f"'{target}' is there already, and is another", hint="give --force to replace it")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    if as_json:
        answer_json({"path": str(target)})
    else:
        answer("wrote", target)
