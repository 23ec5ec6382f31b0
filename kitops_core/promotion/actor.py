"""Who asks for a promotion."""

from __future__ import annotations

import getpass
import os
import socket

_VARIABLES = ("KITOPS_ACTOR", "GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILD_USER_ID")


def current_actor() -> str:
    """``$KITOPS_ACTOR``, the user a CI system names (GitHub, GitLab, Jenkins), or ``user@host``."""
    for name in _VARIABLES:
        if actor := os.environ.get(name, "").strip():
            return actor
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number that has no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
