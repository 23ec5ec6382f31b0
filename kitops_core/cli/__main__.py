"""``python -m kitops_core.cli`` is the ``kitops`` command."""

from kitops_core.cli import main

if __name__ == "__main__":
    main()
