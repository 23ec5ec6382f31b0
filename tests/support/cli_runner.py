"""Runs the command as a user does, in this process or in one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from kitops_core.cli.group import kitops


@dataclass(frozen=True)
class Ran:
    """What a command answered, said and ended with."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def kit(*args: object, stdin: str | bytes | None = None) -> Ran:
    """Run ``kitops`` in this process; anything but an exit with a code fails the test."""
    result = CliRunner().invoke(kitops, [str(arg) for arg in args], input=stdin, prog_name="kitops")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ran(result.exit_code, result.stdout, result.stderr)


def ok(*args: object, stdin: str | bytes | None = None) -> Ran:
    """Run ``kitops``, which must succeed."""
    ran = kit(*args, stdin=stdin)
    assert ran.code == 0, ran
    return ran


def start(*args: object, **options: Any) -> subprocess.Popen[str]:
    """Start ``kitops`` as a process."""
    command = [sys.executable, "-m", "kitops_core.cli", *(str(arg) for arg in args)]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": dict(os.environ), **options}
    return subprocess.Popen(command, **options)


def run(*args: object, **options: Any) -> Ran:
    """Run ``kitops`` as a process."""
    with start(*args, **options) as process:
        out, err = process.communicate(timeout=60)
    return Ran(process.returncode, out, err)


def modules_after(*args: object, stdin: str = "") -> set[str]:
    """The names of all modules that a process has imported when the command, which must succeed, ends."""
    return _modules(args, "import atexit; atexit.register(tell)", stdin)


def modules_before_connecting(*args: object) -> set[str]:
    """The names of all modules that a process has imported when the command is about to connect to a registry."""
    return _modules(args, "import os, socket; socket.socket.connect = lambda *_: (tell(), os._exit(0))")


def _modules(args: tuple[object, ...], when: str, stdin: str = "") -> set[str]:
    script = (
        "import sys\n"
        "def tell(): print('\\n'.join(sys.modules), file=sys.stderr, flush=True)\n"
        f"{when}\n"
        "from kitops_core.cli import main\n"
        f"sys.argv = ['kitops', *{[str(arg) for arg in args]!r}]\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, input=stdin)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


def write_project(root: Path) -> Path:
    """A directory with a model, code and documentation, and no Kitfile."""
    (root / "src").mkdir(parents=True)
    (root / "model.safetensors").write_bytes(bytes(5000))
    (root / "src" / "train.py").write_text("print('training')\n")
    (root / "README.md").write_text("# A model\n")
    return root
