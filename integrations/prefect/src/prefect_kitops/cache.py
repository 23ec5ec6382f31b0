"""An opt-in cache policy for packing: by what is packed, and only while the registry still has it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect.cache_policies import CachePolicy

import kitops_core as kitops
from prefect_kitops.connection import connect, place_of

if TYPE_CHECKING:
    from prefect.context import TaskRunContext

_READ_BYTES = 1 << 20
_NOT_KEYED = ("source", "kitfile", "registry", "card")


@dataclass
class ModelKitContent(CachePolicy):
    """Take a kit from Prefect's cache where the very same was packed before and its tag still names it.

    The key is made of the task, the files' names and bytes, the Kitfile, the full reference and all that decides the
    kit's digest; of a registry's block neither user nor secret counts. Before a result is taken, the registry is asked
    whether the tag still has that digest.

    A run that is taken from the cache emits no event and no asset, and all files are read to find the key: without any
    cache the engine reads only what changed, and asks the same question.

    Example:
        >>> pack_modelkit.with_options(cache_policy=ModelKitContent(), persist_result=True)  # doctest: +SKIP
    """

    def compute_key(
        self, task_ctx: TaskRunContext, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any
    ) -> str | None:
        """The key, or ``None`` where a former result does not hold any more, so that the task runs.

        Raises:
            KitOpsError: The contents cannot be read, or the registry cannot be asked.
        """
        connection = connect(inputs.get("registry"))
        place = connection.reference(inputs["reference"])
        digest = hashlib.sha256()
        for part in (
            f"kitops-core {kitops.__version__}",
            task_ctx.task.task_key,
            str(place),
            json.dumps({name: value for name, value in inputs.items() if name not in _NOT_KEYED}, default=str),
        ):
            digest.update(f"{len(part)}:{part}".encode())
        for content in _contents(inputs["source"], inputs.get("kitfile")):
            digest.update(b"%d:%b" % (len(content), content))
        key = f"modelkit-{digest.hexdigest()}"
        store = task_ctx.result_store
        if not store.exists(key):
            return key
        try:
            with connection.client() as client:
                now = client.resolve(str(place), where=place_of(place))
        except kitops.NotFoundError:
            now = ""
        return key if getattr(store.read(key).result, "digest", None) == now else None


def _contents(source: Any, kitfile: Any) -> Iterator[bytes]:
    """Names, modes and digests of everything that is packed, and the Kitfile."""
    if isinstance(source, (str, os.PathLike)):
        yield from _tree(Path(os.path.expanduser(source)))
    else:
        yield repr(source).encode()
        for path in sorted({Path(path) for path in _paths(source)}):
            yield os.fsencode(path)
            yield from _tree(path)
    if kitfile is not None:
        yield from _tree(Path(os.path.expanduser(kitfile)))


def _paths(value: Any) -> Iterator[str | os.PathLike[str]]:
    """Every path that contents by name have."""
    for name in ("model", "parts", "code", "datasets", "docs", "prompts"):
        found = getattr(value, name)
        if isinstance(found, (str, os.PathLike)):
            yield found
        elif found is not None:
            yield from found.values() if isinstance(found, dict) else found


def _tree(path: Path) -> Iterator[bytes]:
    if not path.is_dir():
        yield _file(path)
        return
    for directory, names, files in os.walk(path):
        names.sort()
        for name in sorted(files):
            file = Path(directory, name)
            yield os.fsencode(file.relative_to(path))
            yield _file(file)


def _file(path: Path) -> bytes:
    digest = hashlib.sha256(b"x" if os.access(path, os.X_OK) else b"-")
    with path.open("rb") as file:
        while chunk := file.read(_READ_BYTES):
            digest.update(chunk)
    return digest.digest()
