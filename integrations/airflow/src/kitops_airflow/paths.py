"""``modelkit://`` paths as universal_pathlib, on which ``ObjectStoragePath`` rests, knows them."""

from __future__ import annotations

from fsspec import register_implementation
from upath import UPath

from kitops_airflow.fs import SCHEME, ModelKitFileSystem

# How a path is put together, it asks the file system's class, if fsspec has that already. Otherwise it warns, and
# guesses wrong: names lose their first letter (findings/universal-pathlib-cuts-names.sh), and the first guess stays.
register_implementation(SCHEME, ModelKitFileSystem, clobber=True)


class ModelKitPath(UPath):
    """A path in a kit; all it does is done by :class:`~kitops_airflow.fs.ModelKitFileSystem`."""
