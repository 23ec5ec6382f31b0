"""Which credentials to use for a registry: given ones, files of Docker, Podman and the reference CLI, helpers.

The files are Docker's ``config.json`` format (containers-auth.json(5) for Podman's rules about names with a path);
helpers follow the docker-credential-helpers protocol.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kitops_core.errors import InvalidInputError, StoreError
from kitops_core.storage.local.home import store_home
from kitops_core.storage.registry.hosts import credential_keys
from kitops_core.storage.registry.options import RegistryOptions

CREDENTIALS_FILE = "credentials.json"
_SECRET_FILE = ".dockerconfigjson"  # noqa: S105 - a name
"""What a Kubernetes secret of the type ``kubernetes.io/dockerconfigjson`` is called where it is mounted."""
_HELPER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_HELPER_SECONDS = 60
_IDENTITY_USER = "<token>"


@dataclass(frozen=True)
class Credential:
    """What proves who we are to one registry: a user with a password, or a token.

    Attributes:
        username: User name; may stand beside an identity token.
        password: Its password.
        identity_token: OAuth2 refresh token.
        registry_token: Bearer token to send as it is.
        source: Where it was found, for messages.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)
    source: str = ""


@dataclass(frozen=True)
class Lookup:
    """The result of looking for credentials.

    Attributes:
        credential: The first that was found, if any.
        notes: What got in the way (a helper that is not installed, a broken file), for the hint of an error.
    """

    credential: Credential | None
    notes: tuple[str, ...] = ()


def find_credential(registry: str, repository: str, options: RegistryOptions) -> Lookup:
    """Look for the credentials of a registry; the first place that has some decides.

    The places are: ``options`` themselves, ``options.credential_files``, ``$REGISTRY_AUTH_FILE``,
    ``credentials.json`` in the local store's home (where :func:`~.logins.login` and the reference CLI write),
    ``config.json`` and ``.dockerconfigjson`` in ``$DOCKER_CONFIG`` or ``~/.docker``, and Podman's ``auth.json``. Where
    there is no home directory, its places are passed over. Within a file a helper for just this registry comes first,
    then an entry with a secret, then the file's general helper.

    Args:
        registry: Host and port.
        repository: The repository, for files that have an entry for a part of a registry.
        options: How to talk to that registry.

    Raises:
        InvalidInputError: A file named in ``options`` does not exist or cannot be read.
    """
    if options.has_credentials:
        given = Credential(options.username, options.password, options.identity_token, options.token, options.origin)
        return Lookup(given)
    notes: list[str] = []
    for path, required in _files(options):
        try:
            config = read_config(path)
        except FileNotFoundError:
            if required:
                raise InvalidInputError(f"the credential file '{path}' does not exist") from None
            continue
        except (OSError, ValueError) as error:
            if required:
                raise InvalidInputError(f"the credential file '{path}' cannot be read: {_reason(error)}") from None
            notes.append(f"{path} cannot be read: {_reason(error)}")
            continue
        found = _find_in(config, path, registry, repository, notes)
        if found is not None:
            return Lookup(found, tuple(notes))
    return Lookup(None, tuple(notes))


def read_config(path: Path) -> dict[str, Any]:
    """The JSON object in a credential file.

    Raises:
        OSError: It cannot be read; ``FileNotFoundError`` where it is not there.
        ValueError: It is not a JSON object.
    """
    text = path.read_bytes()
    config = json.loads(text) if text.strip() else {}
    if not isinstance(config, dict):
        raise ValueError("it is not a JSON object")
    return config


def _files(options: RegistryOptions) -> Iterator[tuple[Path, bool]]:
    for path in options.credential_files:
        yield path, True
    named = os.environ.get("REGISTRY_AUTH_FILE")
    if named:
        yield Path(named), False
    with contextlib.suppress(StoreError):  # a container's user may have no home: then there is nothing to find there
        yield store_home() / CREDENTIALS_FILE, False
    docker = _home_path(os.environ.get("DOCKER_CONFIG") or "~/.docker")
    if docker is not None:
        yield docker / "config.json", False
        yield docker / _SECRET_FILE, False
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    podman = Path(runtime) if runtime else None
    for directory in (podman, _home_path("~/.config")):
        if directory is not None:
            yield directory / "containers" / "auth.json", False


def _home_path(path: str) -> Path | None:
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return None


def _find_in(
    config: Mapping[str, Any], path: Path, registry: str, repository: str, notes: list[str]
) -> Credential | None:
    keys = credential_keys(registry)
    helpers = _mapping(config, "credHelpers")
    for key in keys:
        if isinstance(helpers.get(key), str):
            return _from_helper(helpers[key], key, path, notes)
    entry = _entry(_mapping(config, "auths"), keys, repository)
    if entry is not None:
        try:
            credential = _from_entry(entry, str(path))
        except ValueError:
            notes.append(f"{path}: the entry for {registry} is not base64 of 'user:password'")
            return None
        if credential is not None:
            return credential
    store = config.get("credsStore")
    return _from_helper(store, keys[0], path, notes) if isinstance(store, str) and store else None


def _entry(auths: Mapping[str, Any], keys: tuple[str, ...], repository: str) -> Mapping[str, Any] | None:
    """The entry for the longest part of ``registry/repository``, under any of the names files are written with."""
    segments = repository.split("/") if repository else []
    candidates = ["/".join((key, *segments[:count])) for count in range(len(segments), 0, -1) for key in keys]
    candidates += [name for key in keys for name in (key, f"https://{key}", f"http://{key}")]
    for candidate in candidates:
        for name in (candidate, f"{candidate}/", f"{candidate}/v1/", f"{candidate}/v2/"):
            if isinstance(auths.get(name), dict):
                entry: Mapping[str, Any] = auths[name]
                return entry
    return None


def _from_entry(entry: Mapping[str, Any], source: str) -> Credential | None:
    def text(key: str) -> str:
        value = entry.get(key)
        return value if isinstance(value, str) else ""

    username, password = text("username"), text("password")
    if text("auth"):
        username, colon, password = _decode(text("auth")).partition(":")
        if not colon:
            raise ValueError("no colon")
    identity = text("identitytoken")
    if username == _IDENTITY_USER:
        username, password, identity = "", "", identity or password
    if not (identity or text("registrytoken") or (username and password)):
        return None
    return Credential(username, password, identity, text("registrytoken"), source)


def _decode(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode().rstrip("\0")
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError("not base64") from None


def _from_helper(helper: str, server: str, path: Path, notes: list[str]) -> Credential | None:
    """Ask ``docker-credential-<helper>`` for the credentials of ``server``.

    oras-py asks helpers too, but waits for them without end, prints to stderr, and forgets why one failed.
    """
    program = f"docker-credential-{helper}"
    if not _HELPER_NAME.fullmatch(helper) or shutil.which(program) is None:
        notes.append(f"{path} names the credential helper '{program}', which is not on PATH")
        return None
    try:
        done = subprocess.run(
            [program, "get"], input=server.encode(), capture_output=True, timeout=_HELPER_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        notes.append(f"the credential helper '{program}' failed: {type(error).__name__}")
        return None
    if done.returncode != 0:
        notes.append(f"the credential helper '{program}' has nothing for {server} (exit code {done.returncode})")
        return None
    try:
        answer = json.loads(done.stdout)
        username, secret = str(answer["Username"]), str(answer["Secret"])
    except (ValueError, KeyError, TypeError):
        notes.append(f"the credential helper '{program}' gave no answer that can be read")
        return None
    if not secret:
        return None
    if username == _IDENTITY_USER:
        return Credential(identity_token=secret, source=program)
    return Credential(username, secret, source=program)


def _mapping(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = config.get(key)
    return value if isinstance(value, dict) else {}


def _reason(error: Exception) -> str:
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "it is not a JSON object"
