"""``kitops verify``."""

from __future__ import annotations

from pathlib import Path

import click

from kitops_core.cli.options import kit_argument, label_option, new_command, where_options
from kitops_core.cli.output import answer, answer_json, note_storage
from kitops_core.cli.settings import Settings
from kitops_core.cli.signing import identity_options
from kitops_core.reference import Where


@new_command("verify", network=True, signs=True)
@kit_argument()
@label_option
@click.option(
    "--key",
    multiple=True,
    metavar="KEY",
    help="A public key that may have signed (PEM, or env://NAME). May be given several times.",
)
@click.option(
    "--type",
    "type_",
    default="signature",
    show_default=True,
    metavar="TYPE",
    help="What must be signed: signature, slsaprovenance1, vsa, test-result, ... or a URI.",
)
@click.option(
    "--needed", type=click.IntRange(min=1), default=1, help="How many of the keys must have signed (default: 1)."
)
@identity_options
@where_options
def command(
    settings: Settings,
    reference: str,
    key: tuple[str, ...],
    type_: str,
    needed: int,
    identity: str,
    issuer: str,
    trust_root: Path | None,
    where: Where,
    as_json: bool,
) -> None:
    """Verify that the ModelKit REFERENCE is signed by one of the keys, or by an identity.

    What `cosign sign` and `cosign attest` wrote verifies too. A statement counts when it is of the type asked for,
    about this very digest, and, where it is a result, says PASSED. Looks in the local store first, then in the
    registry.
    """
    if not (key or identity or issuer or trust_root):
        raise click.UsageError("Give --key, or --certificate-identity with its issuer and --trust-root.")
    from kitops_core.cli.transfer import connect

    with connect(settings) as client:
        verified = client.verify(
            reference,
            keys=key,
            identity=identity,
            issuer=issuer,
            trust_root=trust_root,
            type=type_,
            needed=needed,
            where=where,
        )
    note_storage(settings, verified.reference, verified.storage)
    if as_json:
        answer_json(verified.to_dict())
    else:
        answer("verified", verified.digest, f"by {', '.join(verified.signers)}")
