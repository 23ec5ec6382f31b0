#!/usr/bin/env bash
# Software:  universal_pathlib 0.3.10 with fsspec 2026.9.0.
# Guessed:   a path class and a file system that are registered the documented way, by names that are imported when they
#            are needed, give the same paths as when the file system's module was imported before.
# Seen:      how a path is put together is taken from the file system's class only where fsspec has loaded it already.
#            Otherwise a default is made up, with a warning, whose root is a slash that such paths do not have: the name
#            of every path loses its first letter. What was made up first is kept, so importing the module later changes
#            nothing, and whether names are right depends on what ran before in the process.
# Seen when run:
#   class loaded before: README.md
#   loaded when needed: EADME.md
#   and once it is loaded: EADME.md
# Needs bash and Python 3.10 or newer. Exit 0: as stated; 1: changed.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check universal_pathlib==0.3.10 fsspec==2026.9.0
cd "$work"
cat > shelf.py <<'PYTHON'
from fsspec.spec import AbstractFileSystem
from upath import UPath


class ShelfFileSystem(AbstractFileSystem):
    protocol = "shelf"


class ShelfPath(UPath):
    pass
PYTHON
cat > register.py <<'PYTHON'
import fsspec
from upath.registry import register_implementation

fsspec.register_implementation("shelf", "shelf.ShelfFileSystem")
register_implementation("shelf", "shelf.ShelfPath")
PYTHON
{
    venv/bin/python -W ignore -c "
import register, fsspec
fsspec.get_filesystem_class('shelf')
from upath import UPath
print('class loaded before:', UPath('shelf://host/books/README.md').name)"
    venv/bin/python -W ignore -c "
import register, fsspec
from upath import UPath
print('loaded when needed:', UPath('shelf://host/books/README.md').name)
fsspec.get_filesystem_class('shelf')
print('and once it is loaded:', UPath('shelf://host/books/README.md').name)"
} > seen
cat seen
[[ $(cat seen) == $'class loaded before: README.md\nloaded when needed: EADME.md\nand once it is loaded: EADME.md' ]] || { echo "changed"; exit 1; }
