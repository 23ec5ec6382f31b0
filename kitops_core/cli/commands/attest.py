"""``kitops attest``."""

from __future__ import annotations

from pathlib import Path

import click

from kitops_core.cli.measured import parse_metrics
from kitops_core.cli.options import kit_argument, label_option, new_command, where_options
from kitops_core.cli.settings import Settings
from kitops_core.cli.signing import open_signing_key, say_attached, sign_key_option
from kitops_core.reference import Where


@new_command("attest", network=True, signs=True)
@kit_argument()
@label_option
@click.option("--predicate", type=click.Path(path_type=Path), metavar="FILE", help="What to state: a JSON file.")
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME=VALUE",
    help="What was measured, instead of --predicate with test-result. May be given several times.",
)
@click.option(
    "--type",
    "type_",
    required=True,
    metavar="TYPE",
    help="What it states: slsaprovenance1, vsa, test-result, ... or a URI.",
)
@sign_key_option("The private key to sign with (PEM, or env://NAME; default: unsigned).")
@where_options
def command(
    settings: Settings,
    reference: str,
    predicate: Path | None,
    metrics: tuple[str, ...],
    type_: str,
    sign_key: str | None,
    where: Where,
    as_json: bool,
) -> None:
    """Attach a statement about the ModelKit REFERENCE to it: how it was made, what it passed.

    It is an in-toto statement about the kit's digest, signed with --sign-key as `cosign attest` signs it. The kit does
    not change. The key's password is $COSIGN_PASSWORD, or asked for on a terminal.
    """
    from kitops_core.evidence.predicate_types import TEST_RESULT, resolve_predicate_type

    if (predicate is None) == (not metrics):
        raise click.UsageError("Give --predicate or --metric.")
    if metrics and resolve_predicate_type(type_) != TEST_RESULT:
        raise click.UsageError("--metric goes with --type test-result.")
    from kitops_core.cli.transfer import connect

    with connect(settings, signer=open_signing_key(sign_key) if sign_key else None) as client:
        if predicate is None:
            attached = client.attest_metrics(reference, parse_metrics(metrics), where=where)
        else:
            attached = client.attest(reference, predicate, type=type_, where=where)
    say_attached(settings, "attested", attached, as_json)
