"""Credentials for Amazon ECR, from the AWS account at hand, through oras-py's backend.

The backend finds the region in the challenge and asks AWS through boto3, which the extra ``ecr`` brings; so nothing
about AWS is known here but what an ECR host looks like. Why the rest of oras-py's login is not used is told where
helpers are asked (:mod:`kitops_core.storage.registry.credentials`).
"""

from __future__ import annotations

import re
from types import SimpleNamespace
from urllib.parse import urlsplit

from kitops_core.errors import DeniedError
from kitops_core.storage.registry.challenge import Challenge

ECR_TOKEN_SECONDS = 11 * 3600.0
"""How long a token is used: ECR's are good for twelve hours."""

_HOST = re.compile(r"\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com")


def is_ecr(registry: str, challenge: Challenge) -> bool:
    """Whether the registry is ECR and asks for its own token, not for that of another registry."""
    realm = urlsplit(challenge.parameters.get("realm", "")).hostname
    return (
        _HOST.fullmatch(registry) is not None
        and realm == registry
        and challenge.parameters.get("service") == "ecr.amazonaws.com"
    )


def ecr_authorization(registry: str, challenge: Challenge) -> str:
    """What to send after ``Basic``, from ECR's GetAuthorizationToken.

    Raises:
        DeniedError: boto3 is not installed, or AWS gave no token.
    """
    from oras.auth import get_auth_backend

    parameters = ",".join(f'{name}="{value}"' for name, value in challenge.parameters.items())
    # The backend wants the answer that requests got; ours is another, and it only looks at this header.
    answer = SimpleNamespace(headers={"Www-Authenticate": f"Basic {parameters}"})
    try:
        headers, _ = get_auth_backend("ecr").authenticate_request(answer, {}, refresh=True)
    except ImportError:
        raise DeniedError(
            f"{registry} needs an AWS token, and boto3 is not installed to get one",
            hint="install kitops-core[ecr], or log in with `aws ecr get-login-password | docker login`",
        ) from None
    except Exception as error:  # boto3 raises classes of its own for every AWS problem; their words may name accounts
        raise DeniedError(
            f"AWS gave no token for {registry}: {type(error).__name__}",
            hint="check the AWS credentials and region, and the right ecr:GetAuthorizationToken",
        ) from error
    return str(headers["Authorization"]).removeprefix("Basic ")
