"""What this machine has, as rules that choose a variant of an index: what ``auto`` stands for."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

from kitops_core.oci.choosing import Rule

_GPU_MEMORY = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
_PATIENCE_SECONDS = 10
_NAMES = {"x86_64": "amd64", "aarch64": "arm64"}
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def machine_rules() -> list[Rule]:
    """What a variant may ask for here, each where it says so at all.

    ``vram``: the memory of the largest GPU that ``nvidia-smi`` lists, 0 without one. ``memory``: the machine's, or what
    its container may use. ``arch``: the processor's, under either of its names.
    """
    machine = platform.machine().lower()
    return [
        Rule("vram", "<=", (str(gpu_memory()),), optional=True),
        Rule("memory", "<=", (str(memory()),), optional=True),
        Rule("arch", "in", tuple(dict.fromkeys((_NAMES.get(machine, machine), machine))), optional=True),
    ]


def gpu_memory() -> int:
    """Bytes of memory of the largest GPU; 0 where there is none, or none can be asked about."""
    try:
        done = subprocess.run(_GPU_MEMORY, capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return 0
    found = [int(line) for line in done.stdout.split() if line.isascii() and line.isdecimal()]
    return max(found, default=0) * 1024 * 1024


def memory() -> int:
    """Bytes of memory that a process can have: the machine's, or its container's limit where that is lower."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in _LIMITS:
        try:
            text = path.read_text().strip()
        except OSError:
            continue
        if text.isdecimal():
            whole = min(whole, int(text))
    return whole
