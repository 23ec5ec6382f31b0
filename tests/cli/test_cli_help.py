"""The command's help: quick, complete, and the same as the documentation."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from cli_runner import kit, modules_after, ok, run

from kitops_core import __version__
from kitops_core.cli.group import COMMANDS, kitops
from kitops_core.cli.options import global_options, network_options

DOCUMENT = Path(__file__).parents[2] / "docs" / "cli.md"
HEAVY = ("click", "pydantic", "oras", "urllib3", "rich", "yaml", "isal", "zstandard", "identify", "ssl", "asyncio")
HEAVY += ("cryptography", "nacl", "sigstore", "model_signing")


def commands() -> dict[str, click.Command]:
    context = click.Context(kitops)
    found = {name: kitops.get_command(context, name) for name in kitops.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_imports_nothing_heavy(option: str) -> None:
    modules = modules_after(option)
    assert not modules.intersection(HEAVY)
    assert not [name for name in modules if name.startswith(("kitops_core.cli.commands", "kitops_core.kits"))]


def test_the_help_of_a_command_imports_only_that_command() -> None:
    modules = modules_after("pack", "--help")
    assert not modules.intersection(set(HEAVY) - {"click"})
    assert [name for name in modules if name.startswith("kitops_core.cli.commands.")] == [
        "kitops_core.cli.commands.pack"
    ]


def test_help_is_the_same_by_every_way_to_ask_for_it() -> None:
    quick = run("--help")
    assert quick == run("-h")
    assert quick.out == ok("--help").out == ok().out == ok("--progress", "none", "--help").out


def test_help_names_every_command_and_every_option_of_the_group() -> None:
    text = ok("--help").out
    assert list(commands()) == list(COMMANDS)
    for name, line in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(line)}$", text, re.MULTILINE)
    for option in kitops.params:
        assert all(name in text for name in option.opts)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_commands_help_shows_usage_own_and_shared_options(name: str) -> None:
    text = ok(name, "--help").out
    assert text.startswith(f"Usage: kitops {name} ")
    assert "Global options:" in text
    for param in commands()[name].params:
        if isinstance(param, click.Option):
            assert param.help
            assert all(option in text for option in param.opts)


@pytest.mark.parametrize("name", [name for name in COMMANDS if not isinstance(commands()[name], click.Group)])
def test_arguments_that_may_be_left_out_are_in_brackets(name: str) -> None:
    usage = ok(name, "--help").out.partition("\n\n")[0]
    shown = usage.partition("[OPTIONS]")[2].split()
    arguments = [param for param in commands()[name].params if isinstance(param, click.Argument)]
    optional = [argument for argument in arguments if not argument.required]
    assert len([text for text in shown if text.startswith("[")]) == len(optional)


def test_help_tells_commands_by_what_they_are_for() -> None:
    text = ok("--help").out
    for title, first in [("Make and move kits", "init"), ("Look at kits", "list"), ("Promote", "promote")]:
        assert re.search(rf"^{title}:\n  {first} ", text, re.MULTILINE)


def test_the_document_has_every_command_and_option_and_nothing_else() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    commands_part, _, shared_part = text.partition("## Options of every command")
    network_part = shared_part.partition("## Options of commands that may")[2].partition("## Keys")[0]
    sections = dict(re.findall(r"^### `kitops ([\w-]+)[^`]*`\n(.*?)(?=^### |\Z)", commands_part, re.M | re.S))
    shared = {name for option in [*global_options(), *network_options()] for name in names(option)} | {"-h", "--help"}
    assert set(sections) == set(COMMANDS)
    assert written(shared_part) - {"--created"} == shared
    with_network = set()
    for name, command in commands().items():
        below = command.commands.values() if isinstance(command, click.Group) else ()
        options = [param for one in (command, *below) for param in one.params if isinstance(param, click.Option)]
        own = {option for param in options if not hasattr(param, "section") for option in names(param)}
        if any("--proxy" in param.opts for param in options):
            with_network.add(name)
        extra = {"--version"} if name == "version" else set()
        assert written(re.sub(r"`(kit|cosign) [^`]*`", "", sections[name])) - extra == own, name
    assert set(re.findall(r"`(\w+)`", network_part.split("|")[0])) == with_network


def names(option: click.Parameter) -> set[str]:
    return {*option.opts, *option.secondary_opts}


def written(text: str) -> set[str]:
    """The options that a part of the document names in code."""
    code = " ".join(re.findall(r"`([^`\n]+)`", text))
    return set(re.findall(r"(?<![\w-])(--[a-z][a-z-]+|-[a-z])(?![\w-])", code))


def test_the_document_and_the_help_have_the_exit_codes_of_the_errors() -> None:
    from kitops_core import errors
    from kitops_core.cli.failures import READER_GONE

    used = {
        kind.exit_code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.KitOpsError)
    }
    table = DOCUMENT.read_text(encoding="utf-8").partition("## Exit codes")[2].partition("## Environment")[0]
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.M)} == used | {0, 2, READER_GONE}
    in_help = ok("--help").out.partition("Exit codes:")[2]
    assert {int(code) for code in re.findall(r"\d+", in_help)} == used | {0, 2}


def test_version_in_two_forms() -> None:
    assert ok("--version").out == f"kitops {__version__}\n"
    assert ok("version").out.startswith(f"kitops  {__version__}\npython  ")
    assert ok("version", "--json").json["version"] == __version__


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["psuh"], "There is no command 'psuh'. Did you mean 'push'?"),
        (["pack", "--comprssion", "gzip"], "--compression"),
        (["info"], "Missing argument 'REFERENCE'"),
        (["pack", "--compression", "lzma"], "'lzma' is not one of"),
        (["remove"], "Name a ModelKit, or give --all"),
        (["remove", "a:1", "--all"], "Name a ModelKit, or give --all"),
        (["remove", "--all", "--remote"], "--all is for the local store"),
        (["pack", "--push"], "--push needs --tag"),
        (["pack", "a", "--from", "b"], "different directories"),
        (["push", "a:1", "b.example/a:1", "--concurrency", "0"], "--concurrency"),
    ],
)
def test_wrong_usage_is_one_line_with_a_hint_and_code_2(args: list[str], says: str) -> None:
    ran = kit(*args)
    assert ran.code == 2
    assert ran.out == ""
    error, hint = ran.err.splitlines()
    assert error.startswith("error: ")
    assert says in error
    assert hint.startswith("hint: `kitops")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_call_the_command_back(shell: str) -> None:
    script = ok("completion", shell).out
    assert "_KITOPS_COMPLETE" in script
    assert "kitops" in script
