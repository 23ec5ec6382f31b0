"""How an init container proves who it is to a registry, from the variables that its container spec sets."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, MutableMapping
from dataclasses import replace
from importlib import import_module
from typing import Any

import urllib3

from kitops_core.errors import DeniedError, InvalidInputError
from kitops_core.registries import Registries
from kitops_core.storage.registry import RegistryOptions

_TOKEN_PATH = "/computeMetadata/v1/instance/service-accounts/default/token"  # noqa: S105 - a path
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_GOOGLE_USER = "oauth2accesstoken"
_ATTEMPTS = 4
_GOOGLE_HINT = "check that the pod's service account is bound to one that may read the Artifact Registry"


def cluster_registries(registry: str, environ: MutableMapping[str, str], given: Mapping[str, Any]) -> Registries:
    """How to talk to registries.

    ``KIT_USER`` and ``KIT_PASSWORD`` come first, then Google's identity where ``GCP_WIF`` is set. What is found is sent
    to no other registry. Amazon's identity, and credential files, are looked for when a registry asks for them.

    Args:
        registry: Host and port of the one that the kit is in.
        environ: The environment; ``AWS_ECR_REGION`` becomes Amazon's default region there where none is set.
        given: Options for every registry.

    Raises:
        InvalidInputError: A variable is missing beside another.
        DeniedError: Google gave no token.
    """
    user, password = environ.get("KIT_USER", ""), environ.get("KIT_PASSWORD", "")
    if bool(user) != bool(password):
        missing = "KIT_PASSWORD" if user else "KIT_USER"
        raise InvalidInputError(f"{missing} is missing", hint="set KIT_USER and KIT_PASSWORD, or neither")
    others = RegistryOptions(**given)
    if user:
        return Registries({registry: replace(others, username=user, password=password)}, others=others)
    region = environ.get("AWS_ECR_REGION")
    if region and not environ.get("AWS_REGION"):
        environ.setdefault("AWS_DEFAULT_REGION", region)
    if _is_google(registry, environ):
        token = _google_token(environ)
        return Registries({registry: replace(others, username=_GOOGLE_USER, password=token)}, others=others)
    return Registries(others=others)


def _is_google(registry: str, environ: Mapping[str, str]) -> bool:
    """Whether the registry is the one that Google's token is for; nobody else may see it."""
    if environ.get("GCP_WIF", "").lower() not in ("1", "true"):
        return False
    location = environ.get("GCP_GAR_LOCATION", "")
    if not location:
        raise InvalidInputError("GCP_WIF is set and GCP_GAR_LOCATION is not", hint="set it to europe-west1, say")
    return registry.lower() == f"{location.lower()}-docker.pkg.dev"


def _google_token(environ: Mapping[str, str]) -> str:
    file = environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    return _token_by_file(file) if file else _token_of_metadata_server(environ)


def _token_by_file(file: str) -> str:
    """A token by a key or a federated identity, which google-auth knows how to use."""
    try:
        google_auth: Any = import_module("google.auth")
        transport: Any = import_module("google.auth.transport.urllib3")
    except ImportError:
        raise DeniedError(
            "GOOGLE_APPLICATION_CREDENTIALS is set, and google-auth is not installed to use it",
            hint="pip install google-auth, or unset it to ask the metadata server",
        ) from None
    try:
        credentials, _ = google_auth.load_credentials_from_file(file, scopes=[_SCOPE])
        credentials.refresh(transport.Request(urllib3.PoolManager()))
        return str(credentials.token)
    except Exception as error:  # its words may hold what the file does
        raise DeniedError(
            f"Google gave no token for GOOGLE_APPLICATION_CREDENTIALS: {type(error).__name__}", hint=_GOOGLE_HINT
        ) from None


def _token_of_metadata_server(environ: Mapping[str, str]) -> str:
    """A token of the service account that the pod's is bound to (GKE Workload Identity Federation)."""
    host = environ.get("GCE_METADATA_HOST") or "metadata.google.internal"
    problem = ""
    for attempt in range(_ATTEMPTS):  # on a fresh node it may answer only after some seconds
        if attempt:
            time.sleep(attempt)
        try:
            answer = urllib3.request(
                "GET",
                f"http://{host}{_TOKEN_PATH}",
                headers={"Metadata-Flavor": "Google"},
                timeout=urllib3.Timeout(connect=3, read=10),
                retries=False,
                redirect=False,
            )
        except urllib3.exceptions.HTTPError as error:
            problem = f"cannot be reached ({type(error).__name__})"
            continue
        if answer.status == 200:
            return _access_token(answer.data, host)
        problem = f"answered with {answer.status}"
        if answer.status not in (404, 429) and answer.status < 500:
            break
    raise DeniedError(f"the metadata server {host} {problem}, so there is no Google token", hint=_GOOGLE_HINT)


def _access_token(body: bytes, host: str) -> str:
    try:
        token = json.loads(body)["access_token"]
    except (ValueError, KeyError, TypeError):
        token = None
    if not isinstance(token, str) or not token:
        raise DeniedError(f"the metadata server {host} gave no token", hint=_GOOGLE_HINT)
    return token
