"""``modelkit://`` paths as universal_pathlib, on which ``ObjectStoragePath`` rests, knows them."""

from __future__ import annotations

import warnings

from upath import UPath

# It knows how paths are put together for the protocols in a list of its own, and asks to be told of others.
warnings.filterwarnings("ignore", "Could not find default for known protocol 'modelkit'", UserWarning)


class ModelKitPath(UPath):
    """A path in a kit; all it does is done by :class:`~kitops_airflow.fs.ModelKitFileSystem`."""
