"""How to talk TLS: whom to trust, and what to show for us."""

from __future__ import annotations

import os
import ssl

from kitops_core.errors import InvalidInputError
from kitops_core.storage.registry.options import RegistryOptions


def tls_context(options: RegistryOptions, *, client: bool = True) -> ssl.SSLContext:
    """The context for connections.

    Args:
        options: Which certificates to trust, and which to show.
        client: Whether to show ours.

    Raises:
        InvalidInputError: A certificate file cannot be used.
    """
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if options.ca_file:
        try:
            context.load_verify_locations(cafile=options.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise InvalidInputError(f"the CA file '{options.ca_file}' cannot be used: {_reason(error)}") from None
    if options.client_cert and client:
        try:
            context.load_cert_chain(options.client_cert, options.tls_key)
        except (OSError, ssl.SSLError) as error:
            files = f"'{options.client_cert}'" + (f" with key '{options.tls_key}'" if options.tls_key else "")
            raise InvalidInputError(f"the client certificate {files} cannot be used: {_reason(error)}") from None
    if not options.tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return "it is not valid PEM, or the key does not belong to the certificate"
    return os.strerror(error.errno) if error.errno else str(error)
