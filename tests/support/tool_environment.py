"""Python packages in an environment of their own: the command as our image has it, and other projects' tools.

What is installed there is not among the dependencies of the tests: its own are too many, or contradict ours.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
USER = 65532
"""The user of our image, who is in no passwd file here either."""


def as_user() -> dict[str, int | list[int]]:
    """Arguments of :class:`subprocess.Popen` that make the process the image's user, where root runs the tests."""
    return {"user": USER, "group": USER, "extra_groups": []} if os.geteuid() == 0 else {}


def install(directory: Path, *packages: str, alone: Sequence[str] = (), python: str = "") -> Path:
    """Make a virtual environment; skips the test, saying why, where that cannot be done.

    Args:
        directory: Where to.
        packages: Installed with what they depend on.
        alone: Installed without.
        python: The interpreter, where it is not to be this one.

    Returns:
        The directory with the environment's commands.
    """
    uv = os.environ.get("UV") or shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")
    if not Path(uv).is_file():
        pytest.skip("uv is not at hand to install with: `make` brings it")
    pip = [uv, "pip", "install", "--quiet", "--python", str(directory / "bin" / "python")]
    commands = [[uv, "venv", "--quiet", *(["--python", python] if python else []), str(directory)]]
    commands += [[*pip, "--no-deps", *alone]] if alone else []
    commands += [[*pip, *packages]] if packages else []
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, timeout=280)
        if done.returncode:
            pytest.skip(f"{', '.join((*packages, *alone))} cannot be installed: {done.stderr.strip()[-300:]}")
    return directory / "bin"


def python_for_others() -> str:
    """A Python that the image's user may run, as a home directory's may not be; skips where there is none."""
    check = "import sys; sys.exit(sys.version_info < (3, 10))"
    for candidate in (getattr(sys, "_base_executable", ""), "/usr/bin/python3", "/usr/local/bin/python3"):
        if candidate and Path(candidate).is_file():
            try:
                if subprocess.run([candidate, "-c", check], cwd="/", **as_user()).returncode == 0:
                    return candidate
            except PermissionError:
                continue
    pytest.skip(f"no Python 3.10 or later that user {USER} may run")
