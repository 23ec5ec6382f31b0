"""Log in to a registry and out again: the ``credentials.json`` of the local store's home, in Docker's format."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from kitops_core.errors import DeniedError, InvalidInputError, NotFoundError, StoreError
from kitops_core.events import Control
from kitops_core.storage.local.files import ScratchFile, make_directory, store_errors
from kitops_core.storage.local.home import store_home
from kitops_core.storage.local.locks import FileLock
from kitops_core.storage.registry.auth import encode_basic
from kitops_core.storage.registry.credentials import CREDENTIALS_FILE, read_config
from kitops_core.storage.registry.hosts import credential_keys
from kitops_core.storage.registry.options import RegistryOptions
from kitops_core.storage.registry.ping import ping
from kitops_core.storage.registry.transport import Transport


def login(
    registry: str, username: str, password: str, options: RegistryOptions, control: Control, *, home: Path | None = None
) -> Path:
    """Check a user name and password against a registry, then keep them; the reference CLI reads them too.

    Args:
        registry: Host and port.
        username: User name.
        password: Password or access token.
        options: How to talk to the registry.
        control: Cancelling and retry events.
        home: The local store's home, where it is not the default.

    Returns:
        The file they were written to, readable by its owner only.

    Raises:
        DeniedError: The registry refused them; nothing is written.
        RegistryError: It could not be reached.
        StoreError: The file cannot be written.
    """
    if not username or not password:
        raise InvalidInputError("a user name and a password are needed to log in")
    if ":" in username:
        raise InvalidInputError("a user name cannot have a ':'")
    given = replace(options, username=username, password=password, token="", identity_token="")
    transport = Transport(given)
    try:
        ping(transport, registry, control, authenticated=True)
    except DeniedError as error:
        message = f"{registry} does not accept the user name and password of '{username}'"
        raise DeniedError(message, hint="check them; many registries want an access token as password") from error
    finally:
        transport.close()
    keys = credential_keys(registry)

    def add(auths: dict[str, Any]) -> None:
        for key in keys[1:]:
            auths.pop(key, None)
        auths[keys[0]] = {"auth": encode_basic(username, password)}

    return _change(home, add)


def logout(registry: str, *, home: Path | None = None) -> Path:
    """Forget what :func:`login` kept for a registry; Docker's and Podman's files are left alone.

    Returns:
        The file it was removed from.

    Raises:
        NotFoundError: Nothing is kept for it.
        StoreError: The file cannot be written.
    """

    def remove(auths: dict[str, Any]) -> None:
        there = [key for key in credential_keys(registry) if key in auths]
        if not there:
            raise NotFoundError(
                f"not logged in to {registry}",
                hint="credentials in Docker's or Podman's files are removed with their own `logout`",
            )
        for key in there:
            del auths[key]

    return _change(home, remove)


def _change(home: Path | None, change: Callable[[dict[str, Any]], None]) -> Path:
    directory = home or store_home()
    path = directory / CREDENTIALS_FILE
    make_directory(directory)
    with FileLock(directory / f".{CREDENTIALS_FILE}.lock"):
        try:
            with store_errors("read", path):
                config = read_config(path) if path.exists() else {}
        except ValueError:
            raise StoreError(f"{path} is not a JSON object", hint="mend or remove the file") from None
        auths = config.get("auths")
        config["auths"] = auths if isinstance(auths, dict) else {}
        change(config["auths"])
        with ScratchFile(directory, 0o600) as new:
            new.write(json.dumps(config, indent=2).encode() + b"\n")
            new.set_mode(0o600)
            new.flush()
            new.put(path)
    return path
