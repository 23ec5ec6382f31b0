"""Options and answers that the commands share that sign or verify."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kitops_core.cli.output import answer, answer_json, note_storage
from kitops_core.cli.settings import Settings

if TYPE_CHECKING:
    from kitops_core.evidence.attach import Attached
    from kitops_core.evidence.verification import VerificationPolicy
    from kitops_core.signing.keys import PublicKey, SigningKey

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def sign_key_option(help: str, **attributes: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """``--sign-key``: a PEM file, or ``env://NAME``."""
    return click.option("--sign-key", metavar="KEY", help=help, **attributes)


def identity_options(function: Callable[..., None]) -> Callable[..., None]:
    """``--certificate-identity``, ``--certificate-oidc-issuer`` and ``--trust-root``, named as cosign names them."""
    options = [
        click.option(
            "--certificate-identity",
            "identity",
            default="",
            help="Instead of a key: the mail address or URI in the signer's certificate.",
        ),
        click.option(
            "--certificate-oidc-issuer", "issuer", default="", help="The OpenID Connect issuer that vouched for it."
        ),
        click.option(
            "--trust-root", type=_FILE, help="The authorities and logs to trust for that (trusted_root.json)."
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def load_public_keys(sources: Sequence[str]) -> tuple[PublicKey, ...]:
    """Public keys, each a PEM file or ``env://NAME``; nothing is imported where there are none.

    Raises:
        InvalidInputError: One cannot be used.
    """
    if not sources:
        return ()
    from kitops_core.signing.keys import PublicKey

    return tuple(PublicKey.load(source) for source in sources)


def verification_policy(sources: Sequence[str]) -> VerificationPolicy | None:
    """The policy that any of these keys must have signed; ``None`` where there are no keys.

    Raises:
        InvalidInputError: A key cannot be used.
    """
    keys = load_public_keys(sources)
    if not keys:
        return None
    from kitops_core.evidence.verification import VerificationPolicy

    return VerificationPolicy(keys=keys)


def open_signing_key(source: str) -> SigningKey:
    """The private key, its password from ``$COSIGN_PASSWORD`` or asked for on a terminal.

    Raises:
        InvalidInputError: It cannot be used, or its password is missing or wrong.
    """
    from kitops_core.signing.keys import PASSWORD_VARIABLE, SigningKey, is_encrypted

    password = None
    if PASSWORD_VARIABLE not in os.environ and sys.stdin.isatty() and is_encrypted(source):
        password = click.prompt("Password of the key", hide_input=True, err=True, default="", show_default=False)
    return SigningKey.load(source, None if password is None else password.encode())


def say_attached(settings: Settings, verb: str, attached: Attached, as_json: bool) -> None:
    """Answer what was attached to which kit."""
    note_storage(settings, attached.reference, attached.storage)
    if as_json:
        answer_json(attached.to_dict())
        return
    from kitops_core.evidence.predicate_types import predicate_name

    what = predicate_name(attached.predicate_type) if attached.predicate_type else attached.artifact_type
    answer(verb, attached.reference.rpartition("@")[2], what, attached.digest)
