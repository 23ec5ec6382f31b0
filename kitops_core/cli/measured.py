"""Options that say how a kit was made and what was measured."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import click

from kitops_core.errors import InvalidInputError

if TYPE_CHECKING:
    from kitops_core.evidence.slsa import Provenance

PROVENANCE_OPTIONS = [
    click.option(
        "--provenance",
        is_flag=True,
        help="Attach how the kit was made, as SLSA provenance: git commit, user, and what the next options say.",
    ),
    click.option(
        "--input",
        "inputs",
        multiple=True,
        metavar="URI[@sha256:...]",
        help="What it was made from: a URI, a ModelKit, or a file, which is hashed. May be given several times.",
    ),
    click.option(
        "--metric",
        "metrics",
        multiple=True,
        metavar="NAME=VALUE",
        help="What was measured, attached as a test result. May be given several times.",
    ),
    click.option(
        "--param",
        "parameters",
        multiple=True,
        metavar="NAME=VALUE",
        help="What the run was given; a value is JSON where it can be. May be given several times.",
    ),
    click.option(
        "--sign-key", metavar="KEY", help="Sign the kit and its provenance with this private key (PEM, or env://NAME)."
    ),
]


def provenance_options(function: Callable[..., None]) -> Callable[..., None]:
    """The options of :func:`parse_provenance`; each of them asks for provenance."""
    for option in reversed(PROVENANCE_OPTIONS):
        function = option(function)
    return function


def parse_provenance(
    asked: bool, inputs: Sequence[str], metrics: Sequence[str], parameters: Sequence[str], sign_key: str | None
) -> Provenance | None:
    """What the options say; ``None`` where none was given.

    Raises:
        InvalidInputError: A metric or parameter is not ``NAME=VALUE``.
    """
    if not (asked or inputs or metrics or parameters or sign_key):
        return None
    from kitops_core.evidence.slsa import Provenance

    return Provenance(
        parameters=dict(_parameter(text) for text in parameters),
        inputs=inputs,
        metrics=parse_metrics(metrics),
        finished=datetime.now(timezone.utc),
        user=_user(),
    )


def parse_metrics(texts: Sequence[str]) -> dict[str, float]:
    """Read ``NAME=VALUE``, given any number of times.

    Raises:
        InvalidInputError: One is not of this form, or its value is not a number.
    """
    metrics = {}
    for text in texts:
        name, equals, value = text.rpartition("=")
        try:
            if not (name and equals):
                raise ValueError
            metrics[name] = float(value)
        except ValueError:
            raise InvalidInputError(f"'{text}' is not a metric", hint="write it as accuracy=0.94") from None
    return metrics


def _parameter(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise InvalidInputError("a parameter has no name or no value", hint="write it as max_depth=8")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return ""
