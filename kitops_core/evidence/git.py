"""The commit that a directory is at, asked of ``git`` where it is installed."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from kitops_core.evidence.secrets import redact_text

_SECONDS = 20.0
_ENVIRONMENT = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
_LEFT_OUT = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")  # set in hooks: they name another repository than asked for


@dataclass(frozen=True)
class GitState:
    """Where a working tree stands.

    Attributes:
        repository: URL of the remote ``origin``, or of the first remote, without credentials; empty where there is
            none.
        commit: The full id of the commit checked out.
        dirty: Whether tracked files differ from it, as in ``git describe --dirty``. Files that git does not track do
            not count: what a pipeline writes seldom is tracked, and what is packed has its digest in the kit.
    """

    repository: str
    commit: str
    dirty: bool


def git_state(directory: Path) -> GitState | None:
    """The state of the working tree that ``directory`` is in; ``None`` where it is in none, or git is not there."""
    commit = _git(directory, "rev-parse", "--verify", "HEAD")
    if not commit:
        return None
    changes = _git(directory, "status", "--porcelain", "--untracked-files=no", "--ignore-submodules=none")
    return GitState(redact_text(_remote(directory)), commit, changes != "")


def _remote(directory: Path) -> str:
    names = (_git(directory, "remote") or "").splitlines()
    if not names:
        return ""
    return _git(directory, "remote", "get-url", "origin" if "origin" in names else names[0]) or ""


def _git(directory: Path, *arguments: str) -> str | None:
    """What git answers; ``None`` where it fails."""
    environment = {name: value for name, value in os.environ.items() if name not in _LEFT_OUT} | _ENVIRONMENT
    # A repository's configuration may name a program to watch files with; asking for a commit must not run it.
    command = ["git", "-C", str(directory), "-c", "core.fsmonitor=false", *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", env=environment, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
