"""Where the local store is, by the reference CLI's rules."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from kitops_core.errors import StoreError


def store_home() -> Path:
    """The directory of the local store, its credentials and its cache; it need not exist.

    ``$KITOPS_HOME``, else ``$XDG_DATA_HOME/kitops``, else ``~/.local/share/kitops`` (``~/Library/Caches/kitops`` on
    macOS), as the reference CLI has it.

    Raises:
        StoreError: None of the variables is set, nor a home directory.
    """
    home = os.environ.get("KITOPS_HOME")
    if home:
        return Path(home).absolute()
    if sys.platform == "darwin":
        return _user_home() / "Library" / "Caches" / "kitops"
    data_home = os.environ.get("XDG_DATA_HOME")
    return (Path(data_home).absolute() if data_home else _user_home() / ".local" / "share") / "kitops"


def _user_home() -> Path:
    try:
        return Path.home()
    except RuntimeError:
        raise StoreError(
            "there is no home directory to keep the local store in", hint="set KITOPS_HOME to a directory"
        ) from None
