"""The decorator that makes a user's own function one whose result is a kit."""

from __future__ import annotations

import inspect
import os
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, cast

from prefect.cache_policies import NO_CACHE
from prefect.tasks import MaterializingTask

from prefect_kitops.assets import MADE_BY, materializes
from prefect_kitops.connection import Kit, RegistryBlock, find_place
from prefect_kitops.packing import pack_and_tell
from prefect_kitops.reference import ModelKitRef
from prefect_kitops.running import hints, in_thread, worth_retrying
from prefect_kitops.source import plain_arguments

if TYPE_CHECKING:
    from kitops_core.sources.contents import Contents

P = ParamSpec("P")
_DEPTH = 4
"""How deep a task's arguments are looked into for kits."""


def materialize_modelkit(
    reference: str,
    *,
    tags: Sequence[str] = (),
    parents: Sequence[Kit] = (),
    upstream: Sequence[Kit] = (),
    registry: RegistryBlock | str | None = None,
    card: bool = True,
    pack: Mapping[str, Any] | None = None,
    **task_options: Any,
) -> Callable[[Callable[P, str | os.PathLike[str] | Contents | Awaitable[Any]]], MaterializingTask[P, ModelKitRef]]:
    """Make a function a task that materializes a kit: what it returns is packed, pushed and an asset.

    The function returns a directory, or contents by name; or a pair of one of them and the metrics it measured, which
    are attached for the gates of a promotion. Kits among its arguments count as what the kit was made from.

    Args:
        reference: Where to; with a ``ModelKitRepository`` a tag is enough. Where it has no tag, the first of ``tags``
            is the tag.
        tags: Further tags.
        parents: Kits it is made from, besides those among the arguments.
        upstream: Other assets it is made from, by key (``s3://bucket/table``) or kit.
        registry: The registry's block, or the name of a saved ``ModelKitRepository``.
        card: Whether to publish a card of the kit as an artifact of the run.
        pack: More for the engine: ``kitfile``, ``compression``, ``layer_format``, ``key``.
        **task_options: Options of :func:`prefect.task`, such as ``retries`` and ``name``. A retry runs the function
            again; what a registry does not answer at first the engine asks again by itself.

    Example:
        >>> @materialize_modelkit("registry.example.com/ml/churn", tags=["dev"])  # doctest: +SKIP
        ... def churn(data):
        ...     train(data, out="bundle")
        ...     return "bundle"
    """
    target, *others = _targets(reference, tags)

    def decorator(
        function: Callable[P, str | os.PathLike[str] | Contents | Awaitable[Any]],
    ) -> MaterializingTask[P, ModelKitRef]:
        signature = inspect.signature(function)

        def finish(made: Any, args: tuple[Any, ...], kwargs: dict[str, Any], cancel: Any = None) -> ModelKitRef:
            with hints():
                source, metrics = _made(function.__name__, made)
            arguments = signature.bind(*args, **kwargs).arguments
            return pack_and_tell(
                source,
                target,
                tags=others,
                parents=[*parents, *_kits(arguments.values())],
                upstream=upstream,
                metrics=metrics,
                parameters=plain_arguments(arguments),
                registry=registry,
                card=card,
                cancel=cancel,
                **(pack or {}),
            )

        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def run_async(*args: P.args, **kwargs: P.kwargs) -> ModelKitRef:
                await in_thread(lambda _: materializes(find_place(target, registry)))  # a failure is an event too
                made = await function(*args, **kwargs)
                return await in_thread(lambda cancel: finish(made, args, kwargs, cancel))

            wrapped = cast(Callable[P, Any], run_async)
        else:

            @wraps(function)
            def run(*args: P.args, **kwargs: P.kwargs) -> ModelKitRef:
                materializes(find_place(target, registry))  # before the work: a failure is an event too
                return finish(function(*args, **kwargs), args, kwargs)

            wrapped = cast(Callable[P, Any], run)

        options = {"cache_policy": NO_CACHE, "retry_condition_fn": worth_retrying, **task_options}
        return MaterializingTask(wrapped, assets=[], materialized_by=MADE_BY, **options)

    return decorator


def _targets(reference: str, tags: Sequence[str]) -> list[str]:
    """The reference with a tag, and the tags that are left over."""
    from kitops_core.reference import parse_reference

    bare = "/" in reference and not reference.startswith("oci:") and not parse_reference(reference).tag
    if bare and tags:
        return [f"{reference}:{tags[0]}", *tags[1:]]
    return [reference, *tags]


def _made(name: str, made: Any) -> tuple[str | os.PathLike[str] | Contents, Mapping[str, float] | None]:
    """What a function returned: something to pack, and the metrics it measured, if any."""
    from kitops_core.errors import InvalidInputError
    from kitops_core.sources.contents import Contents

    source, metrics = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
    if isinstance(source, (str, os.PathLike, Contents)) and isinstance(metrics, (Mapping, type(None))):
        return source, metrics
    raise InvalidInputError(
        f"{name} returned {type(made).__name__}: that is nothing to pack",
        hint="return a directory or kitops_core.Contents, or a pair of one of them and the metrics",
    )


def _kits(values: Iterable[Any], depth: int = _DEPTH) -> Iterator[ModelKitRef]:
    for value in values:
        if isinstance(value, ModelKitRef):
            yield value
        elif depth and isinstance(value, Mapping):
            yield from _kits(value.values(), depth - 1)
        elif depth and isinstance(value, (list, tuple, set)):
            yield from _kits(value, depth - 1)
