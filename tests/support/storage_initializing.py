"""Runs the storage initializer as KServe's init container does: by the console script."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from cli_runner import Ran

PROGRAM = Path(sys.executable).with_name("kitops-storage-initializer")


def initialize(*args: object, **environment: str) -> Ran:
    """Run the program in an environment with these variables."""
    with subprocess.Popen(
        [PROGRAM, *map(str, args)],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        out, err = process.communicate(timeout=120)
    assert "Traceback" not in err
    return Ran(process.returncode, out, err)
