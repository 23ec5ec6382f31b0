"""The decorator that makes a user's own function one whose result is a kit."""

from __future__ import annotations

import inspect
import os
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from functools import wraps
from typing import Any, ParamSpec, cast

from prefect.tasks import MaterializingTask

import kitops_core as kitops
from prefect_kitops.assets import MADE_BY, Upstream, materializes
from prefect_kitops.connection import Registry, connect
from prefect_kitops.packing import pack_kit
from prefect_kitops.pattern import check_pattern, fill, fill_tag
from prefect_kitops.reference import ModelKitRef
from prefect_kitops.running import OwnResult, hints, in_thread, worth_retrying
from prefect_kitops.source import plain_arguments

P = ParamSpec("P")
_DEPTH = 4
"""How deep a task's arguments are looked into for kits."""


def materialize_modelkit(
    reference: str,
    *,
    tags: Sequence[str] = (),
    kitfile: str | os.PathLike[str] | None = None,
    how: kitops.Packing | None = None,
    upstream: Sequence[Upstream] = (),
    registry: Registry = None,
    card: bool = True,
    **task_options: Any,
) -> Callable[[Callable[P, kitops.Location | kitops.Contents | Awaitable[Any]]], MaterializingTask[P, ModelKitRef]]:
    """Make a function a task that materializes a kit: what it returns is packed, pushed and an asset.

    The function returns a directory, on disk or in an object store, or contents by name; or a pair of one of them and
    the metrics it measured, which are attached for the gates of a promotion. Kits among its arguments count as what
    the kit was made from.

    Args:
        reference: Where to; with a ``ModelKitRepository`` a tag is enough. Where it has no tag, the first of ``tags``
            is the tag. ``{name}`` stands for the function's argument of that name, made legal for where it stands, so
            that one mapped function makes many kits: ``registry.example.com/ml/{name}:{version}``.
        tags: Further tags, with arguments as in ``reference``.
        kitfile: A Kitfile to use instead of the directory's.
        how: Compression, layer format and what else decides the digest.
        upstream: What it is made from besides the kits among the arguments: kits, and other assets by key
            (``s3://bucket/table``).
        registry: The registry's block, or the name of a saved ``ModelKitRepository``.
        card: Whether to publish a card of the kit as an artifact of the run.
        **task_options: Options of :func:`prefect.task`, such as ``retries`` and ``name``. A retry runs the function
            again; what a registry does not answer at first the engine asks again by itself.

    Example:
        >>> @materialize_modelkit("registry.example.com/ml/churn", tags=["dev"])  # doctest: +SKIP
        ... def churn(data):
        ...     train(data, out="bundle")
        ...     return "bundle"
    """

    def decorator(
        function: Callable[P, kitops.Location | kitops.Contents | Awaitable[Any]],
    ) -> MaterializingTask[P, ModelKitRef]:
        signature = inspect.signature(function)
        for text in (reference, *tags):
            check_pattern(text, signature.parameters)

        def names(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[str]:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            filled = fill(reference, bound.arguments, tag_only=registry is not None)
            return _targets(filled, [fill_tag(tag, bound.arguments) for tag in tags])

        def begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:  # before the work: a failure is an event too
            with hints():
                connection = connect(registry)
                place = connection.reference(names(args, kwargs)[0])
                materializes(place, connection.url(place))

        def finish(made: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> ModelKitRef:
            with hints():
                source, metrics = _made(function.__name__, made)
                arguments = signature.bind(*args, **kwargs).arguments
                target, *others = names(args, kwargs)
                return pack_kit(
                    source,
                    target,
                    tags=others,
                    kitfile=kitfile,
                    how=how,
                    upstream=[*upstream, *_kits(arguments.values())],
                    metrics=metrics,
                    parameters=plain_arguments(arguments),
                    registry=registry,
                    card=card,
                )

        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def run_async(*args: P.args, **kwargs: P.kwargs) -> ModelKitRef:
                await in_thread(lambda: begin(args, kwargs))
                made = await function(*args, **kwargs)
                return await in_thread(lambda: finish(made, args, kwargs))

            wrapped = cast(Callable[P, Any], run_async)
        else:

            @wraps(function)
            def run(*args: P.args, **kwargs: P.kwargs) -> ModelKitRef:
                begin(args, kwargs)
                return finish(function(*args, **kwargs), args, kwargs)

            wrapped = cast(Callable[P, Any], run)

        options = {"cache_policy": OwnResult(), "retry_condition_fn": worth_retrying, **task_options}
        return MaterializingTask(wrapped, assets=[], materialized_by=MADE_BY, **options)

    return decorator


def _targets(reference: str, tags: Sequence[str]) -> list[str]:
    """The reference with a tag, and the tags that are left over."""
    bare = "/" in reference and not reference.startswith("oci:") and not kitops.parse_reference(reference).tag
    if bare and tags:
        return [f"{reference}:{tags[0]}", *tags[1:]]
    return [reference, *tags]


def _made(name: str, made: Any) -> tuple[kitops.Location | kitops.Contents, Mapping[str, float] | None]:
    """What a function returned: something to pack, and the metrics it measured, if any."""
    source, metrics = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
    is_source = isinstance(source, (str, os.PathLike, kitops.Contents)) or kitops.brings_file_system(source)
    if is_source and isinstance(metrics, (Mapping, type(None))):
        return source, metrics
    raise kitops.InvalidInputError(
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
