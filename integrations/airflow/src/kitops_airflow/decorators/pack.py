"""``@task.kitops_pack``: what the function returns is packed and pushed."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from airflow.providers.common.compat.sdk import DecoratedOperator, task_decorator_factory

from kitops_airflow.decorators.call import call
from kitops_airflow.operators.pack import KitPackPushOperator, announced
from kitops_airflow.sources import FILES
from kitops_core import InvalidInputError, parse_reference
from kitops_core.orchestrate.scratch import scratch

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import TaskDecorator

WORKDIR = "workdir"
"""The parameter of a function that is given a directory of the task's own."""


class _KitPackDecorated(DecoratedOperator, KitPackPushOperator):
    """A :class:`KitPackPushOperator` whose source is what the function returns."""

    custom_operator_name = "@task.kitops_pack"
    template_fields: Sequence[str] = (
        *DecoratedOperator.template_fields,
        *(field for field in KitPackPushOperator.template_fields if field != "source"),
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {
        **DecoratedOperator.template_fields_renderers,
        **KitPackPushOperator.template_fields_renderers,
    }

    def __init__(
        self, *, python_callable: Callable[..., Any], op_args: Any = None, op_kwargs: Any = None, **kwargs: Any
    ) -> None:
        named, given = list(inspect.signature(python_callable).parameters), dict(op_kwargs or {})
        self.gives_workdir = WORKDIR in named[len(op_args or ()) :] and WORKDIR not in given
        if self.gives_workdir:  # Airflow checks the call against the signature when the DAG is made
            given[WORKDIR] = None
        super().__init__(python_callable=python_callable, op_args=op_args, op_kwargs=given, **kwargs)

    def execute(self, context: Any) -> Any:
        with ExitStack() as stack:
            with self.at_work():
                reference, _ = self._target(context)  # a mistake is told before the function works for hours
                own = {WORKDIR: _workdir(stack, reference)} if self.gives_workdir else {}
            self.source = call(self.python_callable, self.op_args, {**self.op_kwargs, **own}, context)
            with self.at_work():
                _check_absolute(self.source)
            return KitPackPushOperator.execute(self, context)


def kitops_pack_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> TaskDecorator:
    """Pack and push what a function returns: a directory's path, or contents by name.

    Args:
        python_callable: The function. A parameter ``workdir`` is a directory of the task's own, which goes with it.
        **kwargs: Arguments of :class:`~kitops_airflow.operators.pack.KitPackPushOperator`, without ``source``.
    """
    if python_callable is None:
        return cast("TaskDecorator", partial(kitops_pack_task, **kwargs))
    made = task_decorator_factory(
        python_callable=python_callable, decorated_operator_class=_KitPackDecorated, **_with_outlets(kwargs)
    )
    return _overridable(made, kwargs)


def _with_outlets(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Arguments with the outlets: Airflow reads those of mapped tasks here, before the tasks are made."""
    outlets = announced(kwargs.get("asset"), kwargs.get("reference", ""), kwargs.get("outlets", ()))
    return {**kwargs, "outlets": outlets}


def _overridable(made: Any, given: dict[str, Any]) -> TaskDecorator:
    """Have ``fit.override(asset=…)`` announce that asset, and not the one that was announced until then, too."""

    def override(**kwargs: Any) -> TaskDecorator:
        now = {**given, **kwargs}
        return _overridable(type(made).override(made, **{**kwargs, "outlets": _with_outlets(now)["outlets"]}), now)

    made.override = override
    return cast("TaskDecorator", made)


def _workdir(stack: ExitStack, reference: str) -> Path:
    """A directory for the length of a task."""
    # A generated Kitfile has the directory's name: it must not be another in every run.
    workdir = stack.enter_context(scratch("airflow")) / parse_reference(reference).repository.rpartition("/")[2]
    workdir.mkdir()
    return workdir


def _check_absolute(returned: Any) -> None:
    """Refuse paths that are relative: they would be so to the worker's directory, where runs meet each other.

    Raises:
        InvalidInputError: A path is.
    """
    values = [value for key, value in returned.items() if key in FILES] if isinstance(returned, Mapping) else [returned]
    while values:
        value = values.pop()
        if isinstance(value, Mapping):
            values += value.values()
        elif isinstance(value, (list, tuple)):
            values += value
        elif isinstance(value, (str, os.PathLike)) and "://" not in str(value) and not os.path.isabs(value):
            raise InvalidInputError(
                f"the function returned '{value}', relative to the worker's directory: runs at one time share it",
                hint=f"take a parameter {WORKDIR}, a directory of the task's own, and return what is in it",
            )
