"""What the Hub's client raises, as typed errors of our own. What it says is not quoted: URLs in it may be signed."""

from __future__ import annotations

from kitops_core.errors import (
    DeniedError,
    InvalidInputError,
    KitOpsError,
    NotFoundError,
    RegistryError,
)

LOGIN_HINT = (
    "if it is private or gated, set HF_TOKEN to a token that may read it, and accept its conditions on its page"
)


def answered(status: int, doing: str, *, what: str = "", code: str = "") -> KitOpsError:
    """The typed error for a status that nobody expected to ``doing``.

    Args:
        status: The HTTP status.
        doing: What could not be done.
        what: What was not found, where the status says that it was not.
        code: The ``X-Error-Code`` that came along.
    """
    if code == "GatedRepo":
        return DeniedError(f"cannot {doing}: access to it is restricted (gated)", hint=LOGIN_HINT)
    if code == "RevisionNotFound":
        return NotFoundError(f"cannot {doing}: it has no such revision", hint="name a branch, tag or commit of it")
    if status == 401:  # the Hub says so of what is missing too, to those whom it does not know
        return DeniedError(f"cannot {doing}: it does not exist, or may not be read", hint=LOGIN_HINT)
    if code == "RepoNotFound":
        return NotFoundError(f"cannot {doing}: it does not exist, or this token may not read it", hint=LOGIN_HINT)
    if status == 403:
        return DeniedError(f"cannot {doing}: the Hub refused (403)", hint=LOGIN_HINT)
    if status in (404, 410):
        return NotFoundError(f"cannot {doing}: the Hub has no {what or 'such thing'}", hint="check its name")
    hint = "the Hub limits requests: log in for a higher limit, or try again later" if status == 429 else ""
    if not hint and status >= 500:
        hint = "the Hub has a problem of its own; try again later"
    return RegistryError(f"cannot {doing}: the Hub answered {status}", status=status, hint=hint)


def translated(error: Exception, doing: str, endpoint: str) -> KitOpsError | None:
    """The typed error for what the client raised; ``None`` where it is none of its errors."""
    from huggingface_hub import errors

    if isinstance(error, KitOpsError):
        return error
    if isinstance(error, errors.OfflineModeIsEnabled):
        return InvalidInputError(
            f"cannot {doing}: HF_HUB_OFFLINE is set, and forbids to ask the Hub", hint="unset it, or set it to 0"
        )
    if isinstance(error, errors.HFValidationError):
        return InvalidInputError(f"cannot {doing}: its name follows no rule of the Hub", hint="check its name")
    if isinstance(error, errors.HfHubHTTPError) and getattr(error, "response", None) is not None:
        code = "RevisionNotFound" if isinstance(error, errors.RevisionNotFoundError) else ""
        code = "RepoNotFound" if isinstance(error, errors.RepositoryNotFoundError) else code
        code = "GatedRepo" if isinstance(error, errors.GatedRepoError) else code
        return answered(error.response.status_code, doing, code=code)
    if type(error).__module__.partition(".")[0].startswith(("httpx", "httpcore", "requests")):
        return RegistryError(
            f"cannot {doing}: {endpoint} cannot be reached ({type(error).__name__})",
            hint="check the network, proxies, and HF_ENDPOINT",
        )
    if isinstance(error, OSError):
        return RegistryError(f"cannot {doing}: {endpoint} cannot be reached ({type(error).__name__})")
    return None
