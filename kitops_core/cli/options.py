"""Options that commands share. What they say is kept in the settings that every command is given."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from kitops_core.cli.settings import Settings

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
NETWORK_SECTION = "Registry options"
GLOBAL_SECTION = "Global options"
_SECTIONS = ["Options", NETWORK_SECTION, GLOBAL_SECTION]


class _SharedOption(click.Option):
    """An option that is noted in the settings instead of being passed to the command."""

    def __init__(self, names: list[str], section: str, **attributes: Any) -> None:
        super().__init__(names, expose_value=False, callback=_note, **attributes)
        self.section = section


def _note(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Note a shared option where it was given; global ones may come before or after the command's name."""
    if not param.name or ctx.get_parameter_source(param.name) is ParameterSource.DEFAULT:
        return
    settings = ctx.ensure_object(Settings)
    if hasattr(settings, param.name):
        setattr(settings, param.name, value)
    else:
        settings.network[param.name] = value


def duration(text: str) -> float:
    """Seconds, from a duration such as ``90s`` or ``5m``."""
    from kitops_core.wording import parse_duration

    return parse_duration(text)


class Command(click.Command):
    """A command that reads truth values as the reference CLI does: ``--tls-verify=false``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Rewrite ``--flag=true`` and ``--flag=false`` to what click knows, then parse."""
        flags = {
            name: option
            for option in self.params
            if isinstance(option, click.Option) and option.is_bool_flag
            for name in option.opts
        }
        plain: list[str] = []
        for position, arg in enumerate(args):
            if arg == "--":
                plain += args[position:]
                break
            name, equals, value = arg.partition("=")
            if equals and name in flags and value in ("true", "false"):
                plain += [name] if value == "true" else flags[name].secondary_opts[:1]
            else:
                plain.append(arg)
        return super().parse_args(ctx, plain)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own options first, then those it shares."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
            if record is not None:
                sections.setdefault(getattr(param, "section", "Options"), []).append(record)
        for title in sorted(sections, key=_SECTIONS.index):
            with formatter.section(title):
                formatter.write_dl(sections[title])


def new_command(
    name: str, *, network: bool = False, answers: bool = True, signs: bool = False
) -> Callable[[Callable[..., None]], Command]:
    """Make a function a command. It is given the settings first, then its own options.

    Args:
        name: The command's name.
        network: Whether it may talk to a registry.
        answers: Whether it has ``--json``, passed as ``as_json``.
        signs: Whether it signs or verifies: then ``--key`` is not that of the client's certificate, as elsewhere.
    """

    def decorate(function: Callable[..., None]) -> Command:
        command = click.command(name, cls=Command)(click.make_pass_decorator(Settings, ensure=True)(function))
        if answers:
            command.params.append(click.Option(["--json", "as_json"], is_flag=True, help="Answer in JSON."))
        command.params += [*(network_options(signs) if network else []), *global_options()]
        return command

    return decorate


def global_options() -> list[click.Parameter]:
    """Options of the group and of every command."""
    return [
        _SharedOption(
            ["--config", "store"],
            GLOBAL_SECTION,
            type=click.Path(file_okay=False, path_type=Path),
            help="The local store's directory (default: $KITOPS_HOME).",
        ),
        _SharedOption(
            ["--progress"],
            GLOBAL_SECTION,
            type=click.Choice(["none", "plain", "fancy"]),
            help="How to show progress (default: fancy on a terminal, else plain).",
        ),
        _SharedOption(
            ["--log-level"],
            GLOBAL_SECTION,
            type=click.Choice(["trace", "debug", "info", "warn", "error"]),
            help="Show messages from this level up (default: info).",
        ),
        _SharedOption(
            ["-v", "--verbose"], GLOBAL_SECTION, count=True, help="Show more; the same as --log-level debug."
        ),
    ]


def network_options(signs: bool = False) -> list[click.Parameter]:
    """Options of the commands that may talk to a registry, named as ``RegistryOptions`` has them.

    Args:
        signs: Leave ``--cert`` and ``--key`` to the command.
    """
    cert, key = ([], []) if signs else (["--cert"], ["--key"])
    file = click.Path(exists=True, dir_okay=False, path_type=Path)
    return [
        _SharedOption(
            ["--plain-http/--no-plain-http"],
            NETWORK_SECTION,
            help="Use HTTP instead of HTTPS (default: only for registries on this machine).",
        ),
        _SharedOption(
            ["--tls-verify/--no-tls-verify"],
            NETWORK_SECTION,
            default=True,
            help="Whether to check the registry's certificate (default: check).",
        ),
        _SharedOption(
            ["--tls-cert", "ca_file"], NETWORK_SECTION, type=file, help="Certificate authorities to trust (PEM)."
        ),
        _SharedOption(
            [*cert, "--client-cert", "client_cert"],
            NETWORK_SECTION,
            type=file,
            envvar="KITOPS_CLIENT_CERT",
            help="Certificate to identify with (PEM; default: $KITOPS_CLIENT_CERT).",
        ),
        _SharedOption(
            [*key, "--client-key", "--tls-key", "tls_key"],
            NETWORK_SECTION,
            type=file,
            envvar="KITOPS_CLIENT_KEY",
            help="The key of that certificate (PEM; default: $KITOPS_CLIENT_KEY).",
        ),
        _SharedOption(["--proxy"], NETWORK_SECTION, help="Proxy to use instead of the environment's."),
        _SharedOption(
            ["--keep-trying"],
            NETWORK_SECTION,
            type=duration,
            envvar="KITOPS_KEEP_TRYING",
            help="How long to wait for a registry that is away (default: $KITOPS_KEEP_TRYING, or 5m).",
        ),
        _SharedOption(
            ["--concurrency"],
            NETWORK_SECTION,
            type=click.IntRange(min=1),
            help="How many connections to use at most (default: as many as the link bears, up to 32).",
        ),
    ]


remote_option = click.option("-r", "--remote", is_flag=True, help="Use the registry, not the local store.")


def where_options(function: Callable[..., None]) -> Callable[..., None]:
    """``--remote`` and ``--local``, passed to the command as ``where``."""

    @wraps(function)
    def command(*args: Any, remote: bool, local: bool, **options: Any) -> None:
        if remote and local:
            raise click.UsageError("--remote and --local exclude each other.")
        function(*args, where="registry" if remote else "store" if local else "any", **options)

    local_option = click.option("--local", is_flag=True, help="Use the local store, not the registry.")
    return remote_option(local_option(command))


def label_option(function: Callable[..., None]) -> Callable[..., None]:
    """``--label``, which chooses a kit of an index; it becomes part of the ``reference`` that the command is given."""

    @wraps(function)
    def command(*args: Any, reference: str, labels: tuple[str, ...], **options: Any) -> None:
        if labels:
            from kitops_core.reference import parse_reference

            reference = str(parse_reference(reference).selecting(labels))
        function(*args, reference=reference, **options)

    return click.option(
        "-l",
        "--label",
        "labels",
        multiple=True,
        metavar="RULE",
        help="Of an index, the kit with this label: key=value, key<=24GB, 'key in (a,b)' or auto. Several: all hold.",
    )(command)


def kit_argument(name: str = "reference", **attributes: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A positional ModelKit reference, completed from the local store."""
    metavar = name.upper() if attributes.get("required", True) else f"[{name.upper()}]"
    if attributes.get("nargs", 1) != 1:
        metavar += "..."
    return click.argument(name, metavar=metavar, shell_complete=_complete, **attributes)


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    from kitops_core.cli.completing import local_references

    store = (ctx.find_object(Settings) or Settings()).store
    return [CompletionItem(name) for name in local_references(store) if name.startswith(incomplete)]
