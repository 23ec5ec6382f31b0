"""``kitops-storage-initializer SRC DEST [SRC DEST ...]``: the entry point of a KServe storage initializer."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from kitops_core.cli.output import answer, count_text, size_text
from kitops_core.cli.parsing import existing_files
from kitops_core.cli.settings import Settings
from kitops_core.errors import InvalidInputError
from kitops_core.reference import Reference, parse_reference
from kitops_core.version import __version__

PREFIX = "kit://"
_USAGE = """\
Usage: kitops-storage-initializer SRC DEST [SRC DEST ...]

  Put the files of ModelKits into directories, as an init container of KServe does.
  SRC is kit://registry/repository:tag or kit://registry/repository@sha256:...; of an index
  ?quantization=q4_0 after it says which kit.

  KIT_UNPACK_FLAGS, KITOPS_LABEL, KITOPS_LAYOUT, KITOPS_VERIFY_KEY, KIT_USER, KIT_PASSWORD, AWS_ROLE_ARN,
  AWS_ECR_REGION, GCP_WIF, GCP_GAR_LOCATION, DOCKER_CONFIG and REGISTRY_AUTH_FILE are read from
  the environment: see docs/serving.md.
"""
_WRONG_USAGE = 2
_REFUSED_FLAGS = {
    "directory": "--dir",
    "file_keys": "--verify-files",
    "include_remote": "--include-remote",  # what is fetched to be served is the kit, and only that
    "as_json": "--json",
}
_TYPES = ("kitfile", "model", "code", "datasets", "docs")


@dataclass(frozen=True)
class Wishes:
    """What the environment says.

    Attributes:
        settings: The global and network options among the unpack flags.
        keys: Public keys of which one must have signed.
        labels: Rules that choose a kit of an index, where SRC has none.
        options: Arguments of ``initialize_storage``: what of a kit is wanted, and what becomes of files in the way.
    """

    settings: Settings
    keys: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


def main() -> None:
    """Run with the process's arguments, and exit: 0 only when every kit is there."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        code = run(sys.argv[1:])
    except Exception as error:
        from kitops_core.cli.failures import report

        code = report(error)
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Do what the arguments say.

    Returns:
        The exit code: 0, or 2 for wrong usage.

    Raises:
        KitOpsError: With the exit code in it, as of the ``kitops`` command.
    """
    if list(arguments) in (["--help"], ["-h"]):
        click.echo(_USAGE, nl=False)
        return 0
    if list(arguments) == ["--version"]:
        click.echo(f"kitops-storage-initializer {__version__}")
        return 0
    if not arguments or len(arguments) % 2:
        count = count_text(len(arguments), "argument")
        click.echo(f"{_USAGE}\nerror: {count} given; every SRC needs a DEST", err=True)
        return _WRONG_USAGE
    pairs = parse_pairs(arguments)
    wishes = parse_environment()
    for reference, directory in pairs:
        _initialize(reference, directory, wishes)
    return 0


def parse_pairs(arguments: Sequence[str]) -> list[tuple[Reference, Path]]:
    """Read the arguments; nothing is fetched before all of them are known to be sound.

    Raises:
        InvalidInputError: A SRC is no ``kit://`` URI of a registry, or a DEST is given twice.
    """
    pairs: list[tuple[Reference, Path]] = []
    for source, destination in zip(arguments[::2], arguments[1::2], strict=True):
        if not source.startswith(PREFIX):
            raise InvalidInputError(f"'{source}' is not a {PREFIX} URI", hint=f"write {PREFIX}registry/repository:tag")
        reference = parse_reference(source.removeprefix(PREFIX).rstrip("/"))
        if reference.layout or reference.is_local_name:
            raise InvalidInputError(
                f"'{source}' names no registry: a registry's name has a '.' or a ':'",
                hint=f"write {PREFIX}registry.example.com/repository:tag",
            )
        if not destination:
            raise InvalidInputError(f"the DEST of '{source}' is empty")
        directory = Path(os.path.realpath(destination))
        if any(directory == other for _, other in pairs):
            raise InvalidInputError(f"two kits cannot both go to '{destination}'", hint="give each a DEST of its own")
        pairs.append((reference, directory))
    return pairs


def parse_environment() -> Wishes:
    """Read what the environment says.

    Raises:
        InvalidInputError: A variable cannot be used.
    """
    from kitops_core.serving.resolved import EVERYTHING, Selection

    settings, params = _unpack_flags(os.environ.get("KIT_UNPACK_FLAGS", ""))
    layout = os.environ.get("KITOPS_LAYOUT") or "flat"
    if layout not in ("flat", "kitfile"):
        raise InvalidInputError(f"KITOPS_LAYOUT: '{layout}' is not a layout", hint="it is flat or kitfile")
    only = [*params["filters"], *(name for name in _TYPES if params[name])]
    if layout == "kitfile" and not only:
        only = list(EVERYTHING)
    return Wishes(
        settings=settings,
        keys=(*params["keys"], *_words("KITOPS_VERIFY_KEY")),
        # Empty where the manifest takes it from an annotation, and there is none.
        labels=(*params["labels"], *_split("KITOPS_LABEL", os.environ.get("KITOPS_LABEL", ""))),
        options={
            "selection": Selection.of(only, keep_paths=layout == "kitfile"),
            "existing": existing_files(params["overwrite"], params["ignore_existing"]),
            "max_ratio": params["max_ratio"],
        },
    )


def _words(variable: str) -> list[str]:
    """The words of a variable that may be missing, but not empty.

    Raises:
        InvalidInputError: It is set to nothing, or cannot be split.
    """
    if variable not in os.environ:
        return []
    words = _split(variable, os.environ[variable])
    if not words:
        raise InvalidInputError(
            f"{variable} is set and empty: is the secret it comes from there?",
            hint="unset it where it has nothing to say",
        )
    return words


def _split(variable: str, text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise InvalidInputError(f"{variable} cannot be split into words: {str(error).lower()}") from None


def _unpack_flags(text: str) -> tuple[Settings, dict[str, Any]]:
    """Read flags with the parser of ``kitops unpack``."""
    from kitops_core.cli.commands.unpack import command

    words = _split("KIT_UNPACK_FLAGS", text)
    try:
        settings = Settings()
        context = command.make_context("unpack", ["reference", *words], obj=settings)
    except click.exceptions.Exit:
        raise InvalidInputError("KIT_UNPACK_FLAGS asks for help", hint="run `kitops unpack --help`") from None
    except click.ClickException as error:
        raise InvalidInputError(
            f"KIT_UNPACK_FLAGS: {error.format_message()}",
            hint="it takes the flags of `kitops unpack`: see `kitops unpack --help`",
        ) from None
    for name, flag in _REFUSED_FLAGS.items():
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            raise InvalidInputError(f"KIT_UNPACK_FLAGS: {flag} cannot be used here", hint="leave it out")
    return settings, dict(context.params)


def _initialize(reference: Reference, directory: Path, wishes: Wishes) -> None:
    from kitops_core.cli.signing import verification_policy
    from kitops_core.cli.transfer import connect
    from kitops_core.serving.cluster_credentials import cluster_registries

    policy = verification_policy(wishes.keys)
    reference = reference if reference.select else reference.selecting(wishes.labels)
    registries = cluster_registries(reference.registry, os.environ, wishes.settings.network)
    with connect(wishes.settings, written="fetched", registries=registries) as client:
        done = client.initialize_storage(str(reference), directory, verify=policy, **wishes.options)
    what = f"{count_text(done.files, 'file')}, {size_text(done.size)} in {directory}"
    answer("ready" if done.fetched else "unchanged", done.reference, what)
