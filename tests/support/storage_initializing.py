"""Runs the storage initializer as KServe's init container does: by the console script, or what that calls."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from cli_runner import Ran

from kitops_core.cli.storage_initializer import main

PROGRAM = Path(sys.executable).with_name("kitops-storage-initializer")


def initialize(*args: object, **environment: str) -> Ran:
    """Do in this process what the program does in an environment with these variables."""
    out, err = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", [str(PROGRAM), *map(str, args)])
        with pytest.raises(SystemExit) as ended:
            main()
    return Ran(int(ended.value.code or 0), out.getvalue(), err.getvalue())


def initialize_in_a_process(*args: object, **environment: str) -> Ran:
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
