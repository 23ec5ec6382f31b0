"""What lies about in directories and belongs into no kit: caches, environments, version control, experiment logs.

It differs from machine to machine and run to run, so a kit with it is never the same twice: importing ``src`` alone
leaves a ``__pycache__`` in it. The reference CLI packs it; trees without any have the same digest from both.
"""

from __future__ import annotations

_DIRECTORIES = frozenset(
    b"__pycache__ .git .ipynb_checkpoints .mypy_cache .pytest_cache .ruff_cache .venv "
    b"mlruns node_modules venv wandb".split()
)
_FILES = frozenset((b".DS_Store", b".git", b"Thumbs.db"))  # .git is a file in a worktree


def is_junk(name: bytes, *, is_directory: bool, parent: bytes = b"") -> bool:
    """Whether an entry of a directory belongs into no kit unless it is asked for.

    Args:
        name: Its name.
        is_directory: Whether it is one.
        parent: The path of the directory it is in, with or without a final slash.
    """
    if is_directory:
        return name in _DIRECTORIES or (name == b"huggingface" and parent.rstrip(b"/").endswith(b".cache"))
    return name in _FILES or name.endswith(b".pyc")
