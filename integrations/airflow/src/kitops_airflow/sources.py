"""What to pack, as an operator is told it: a directory, contents by name, or files in an object store."""

from __future__ import annotations

import os
import posixpath
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import kitops_core as kitops
from kitops_core import InvalidInputError, KitOpsError, SourceError

_INSTALL = {
    "s3": "apache-airflow-providers-amazon[s3fs]",
    "gs": "apache-airflow-providers-google",
    "abfs": "apache-airflow-providers-microsoft-azure",
    "abfss": "apache-airflow-providers-microsoft-azure",
}
FILES = ("model", "parts", "code", "datasets", "docs", "prompts")


@contextmanager
def packable(source: Any) -> Iterator[str | kitops.Contents]:
    """What the engine packs: local files, with those of object stores copied to a directory for the time of the block.

    Args:
        source: A path, an ``ObjectStoragePath`` or its URL, :class:`kitops_core.Contents`, or a mapping with its
            fields.

    Raises:
        InvalidInputError: It is none of these.
    """
    with tempfile.TemporaryDirectory(prefix="kitops-airflow-") as name:
        stage = _Stage(Path(name))
        if isinstance(source, kitops.Contents):
            yield source
        elif isinstance(source, Mapping):
            unknown = sorted(set(source) - set(kitops.Contents.__dataclass_fields__))
            if unknown:
                raise InvalidInputError(
                    f"contents by name have no '{unknown[0]}'",
                    hint="they have " + ", ".join(kitops.Contents.__dataclass_fields__),
                )
            files = {key: stage.all(value) for key, value in source.items() if key in FILES}
            yield kitops.Contents(**{**source, **files})
        elif isinstance(source, (str, os.PathLike)) and str(source):
            yield os.fspath(stage.one(source))
        else:
            raise InvalidInputError(
                f"there is nothing to pack in {type(source).__name__}",
                hint="give a directory, or contents by name: {'model': 'out/model.onnx', 'docs': ['README.md']}",
            )


def whole_kitfile(given: str | Mapping[str, Any] | None) -> str | kitops.Kitfile | None:
    """A Kitfile's path as it is, or the Kitfile that a mapping describes.

    Raises:
        KitfileError: The mapping is no Kitfile.
    """
    return kitops.Kitfile.from_mapping(given) if isinstance(given, Mapping) else given


class _Stage:
    """Copies what is in an object store into a directory, and leaves the rest where it is."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._count = 0

    def one(self, path: Any) -> str | os.PathLike[str]:
        if not _is_remote(path):
            local: str = os.fspath(path)
            return local
        with _named(path):
            return self._copied(path)

    def _copied(self, path: Any) -> Path:
        from airflow.providers.common.compat.sdk import ObjectStoragePath

        remote = ObjectStoragePath(path)
        self._count += 1
        target = self._directory / str(self._count) / posixpath.basename(str(remote).rstrip("/"))
        if remote.is_dir():
            target.mkdir(parents=True)
            remote.fs.get(remote.path.rstrip("/") + "/", f"{target}/", recursive=True)
        else:
            target.parent.mkdir(parents=True)
            remote.fs.get_file(remote.path, str(target))
        return target

    def all(self, paths: Any) -> Any:
        if isinstance(paths, Mapping):
            return {key: self.one(path) for key, path in paths.items()}
        if isinstance(paths, (list, tuple)):
            return [self.one(path) for path in paths]
        return None if paths is None else self.one(paths)


@contextmanager
def _named(path: Any) -> Iterator[None]:
    """What goes wrong inside the block names the URL, and what is to be installed where that is it.

    Raises:
        SourceError: There is nothing, or it cannot be read now: another try may mend it.
        InvalidInputError: There is no such file system on this worker.
    """
    url = str(path)
    try:
        yield
    except KitOpsError:
        raise
    except (ImportError, ValueError) as error:
        extra = _INSTALL.get(url.partition("://")[0], "the provider of that store, with fsspec")
        raise InvalidInputError(f"{url}: {error}", hint=f"install {extra} on the worker") from error
    except Exception as error:  # each store has errors of its own
        raise SourceError(
            f"{url}: {str(error) or type(error).__name__}", hint="is there such a file, to read?"
        ) from error


def _is_remote(path: Any) -> bool:
    return "://" in str(path)
