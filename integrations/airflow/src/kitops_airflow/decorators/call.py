"""Calling the function of a decorated task."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from airflow.providers.common.compat.sdk import context_merge

try:  # common-compat has it from 1.14.1 on
    from airflow.sdk.bases.decorator import determine_kwargs
except ImportError:  # before Airflow 3.2
    from airflow.utils.operator_helpers import determine_kwargs  # type: ignore[attr-defined]


def call(function: Callable[..., Any], args: Collection[Any], kwargs: Mapping[str, Any], context: Any) -> Any:
    """Call it with its own arguments and those of Airflow's context that it asks for."""
    context_merge(context, kwargs)
    return function(*args, **determine_kwargs(function, args, context))
