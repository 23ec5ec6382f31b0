"""The verbs as functions: each makes a client of its own, with the defaults, and closes it.

Who needs another store, credentials, a signer, progress or several verbs makes a :class:`~kitops_core.client.Client`.
"""

from __future__ import annotations

import inspect
import os

# Some of these only the annotations of methods name: tools such as Dagster look for them where the function is.
from collections.abc import Callable, Iterable, Mapping, Sequence  # noqa: F401
from datetime import datetime  # noqa: F401
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar  # noqa: F401

from kitops_core import types
from kitops_core.client import Client
from kitops_core.session import Session

_P = ParamSpec("_P")
_T = TypeVar("_T")


def _verb(method: Callable[Concatenate[Client, _P], _T]) -> Callable[_P, _T]:
    """A client's method as a function over a client of its own."""

    @wraps(method)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        with Client() as client:
            return method(client, *args, **kwargs)

    signature = inspect.signature(method)
    call.__signature__ = signature.replace(parameters=[*signature.parameters.values()][1:])  # type: ignore[attr-defined]
    return call


pack = _verb(Client.pack)
plan = _verb(Client.plan)
pack_layers = _verb(Client.pack_layers)
assemble = _verb(Client.assemble)
import_kit = _verb(Client.import_kit)
describe_import = _verb(Client.describe_import)
push = _verb(Client.push)
pull = _verb(Client.pull)
copy = _verb(Client.copy)
unpack = _verb(Client.unpack)
resolve = _verb(Client.resolve)
diff = _verb(Client.diff)
list_kits = _verb(Client.list_kits)
index_kits = _verb(Client.index_kits)
index_add = _verb(Client.index_add)
index_remove = _verb(Client.index_remove)
index_delete = _verb(Client.index_delete)
index_delete_all = _verb(Client.index_delete_all)
index = _verb(Client.index)
index_bytes = _verb(Client.index_bytes)
index_push = _verb(Client.index_push)
index_pull = _verb(Client.index_pull)
tag = _verb(Client.tag)
remove = _verb(Client.remove)
remove_all = _verb(Client.remove_all)
attest = _verb(Client.attest)
attest_metrics = _verb(Client.attest_metrics)
attach = _verb(Client.attach)
referrers = _verb(Client.referrers)
verify = _verb(Client.verify)
metrics = _verb(Client.metrics)
bom = _verb(Client.bom)
lineage = _verb(Client.lineage)
promote = _verb(Client.promote)
rollback = _verb(Client.rollback)
channels = _verb(Client.channels)
history = _verb(Client.history)
prune = _verb(Client.prune)
catalog = _verb(Client.catalog)
image = _verb(Client.image)
materialize = _verb(Client.materialize)
manifests = _verb(Client.manifests)
gc = _verb(Client.gc)
login = _verb(Client.login)
logout = _verb(Client.logout)


def open(reference: str, *, where: types.Where = "any") -> types.ModelKit:
    """Open a kit; see :meth:`~kitops_core.client.Client.open`. Its connections are closed with it."""
    from kitops_core.kits.modelkit import open_kit

    return open_kit(Session(), reference, where=where, owns_session=True)


def sign(reference: str, signer: types.SigningKey | str | Path, *, where: types.Where = "any") -> types.Attached:
    """Sign a kit; see :meth:`~kitops_core.client.Client.sign`."""
    with Client(signer=signer) as client:
        return client.sign(reference, where=where)


def sign_files(reference: str, signer: types.SigningKey | str | Path, *, where: types.Where = "any") -> types.Attached:
    """Sign a kit's files; see :meth:`~kitops_core.client.Client.sign_files`."""
    with Client(signer=signer) as client:
        return client.sign_files(reference, where=where)


def approve(
    reference: str,
    to: str,
    signer: types.SigningKey | str | Path,
    *,
    policy: types.PromotionPolicy | str | Path = "promotion.yaml",
    note: str = "",
) -> types.Evidence:
    """Approve a kit for a channel; see :meth:`~kitops_core.client.Client.approve`."""
    with Client(signer=signer) as client:
        return client.approve(reference, to, policy=policy, note=note)


def generate_kitfile(
    directory: str | os.PathLike[str],
    *,
    name: str = "",
    description: str = "",
    authors: Sequence[str] = (),
    depth: int = 0,
) -> types.Kitfile:
    """Look at a directory and describe it, as ``kitops init`` and packing without a Kitfile do.

    Args:
        directory: The directory.
        name: The package's name; the directory's where it is empty.
        description: The package's description.
        authors: The package's authors.
        depth: How many levels of subdirectories are taken file by file; those below are taken whole. -1: all.

    Raises:
        SourceError: It is not a directory, something in it cannot be listed, or its ``.kitignore`` is malformed.
    """
    from kitops_core.sources.generate import generate_kitfile

    return generate_kitfile(directory, name=name, description=description, authors=authors, depth=depth)


def vllm_arguments(directory: str | os.PathLike[str], kit: types.ModelKit | None = None) -> list[str]:
    """The arguments for ``vllm serve``: the model, then the options.

    Args:
        directory: The directory, as ``materialize`` or the storage initializer made it, or any with a Kitfile in it.
        kit: The kit that says how; what the directory came from where it is not given.

    Raises:
        InvalidInputError: The directory does not exist, or a parameter has a value that its option cannot have.
        KitfileError: The Kitfile in the directory cannot be used.
    """
    from kitops_core.serving.vllm import vllm_arguments

    return vllm_arguments(directory, kit)


def select_entries(kitfile: types.Kitfile, only: Sequence[str] = ()) -> list[types.KitEntry]:
    """The entries of a Kitfile that filters take, in layer order; all of them without filters.

    Args:
        kitfile: The Kitfile.
        only: Filters, ``model`` or ``datasets:name`` (see :mod:`kitops_core.kits.filters`).

    Raises:
        InvalidInputError: A filter cannot be read.
    """
    from kitops_core.kits.filters import parse_filters, takes_entry

    filters = parse_filters(only)
    return [entry for entry in kitfile.entries() if takes_entry(filters, entry)]
