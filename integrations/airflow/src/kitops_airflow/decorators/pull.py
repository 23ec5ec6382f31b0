"""``@task.kitops_pull``: the function gets an unpacked kit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import DecoratedOperator, task_decorator_factory

import kitops_core as kitops
from kitops_airflow.decorators.call import call
from kitops_airflow.operators.base import listed
from kitops_airflow.operators.pull import KitPullOperator
from kitops_core.orchestrate.scratch import scratch

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import TaskDecorator


@dataclass(frozen=True)
class PulledKit:
    """A kit on this worker's disk, for as long as the task runs.

    Attributes:
        directory: Where it was unpacked.
        reference: The kit, pinned to its digest.
        digest: Its digest.
        kitfile: Its Kitfile.
        record: Its record.
    """

    directory: Path
    reference: str
    digest: str
    kitfile: kitops.Kitfile
    record: kitops.ModelKitRecord


class _KitPullDecorated(DecoratedOperator, KitPullOperator):
    """A :class:`KitPullOperator` that hands the kit to a function, as its first argument."""

    custom_operator_name = "@task.kitops_pull"
    template_fields: Sequence[str] = (*DecoratedOperator.template_fields, *KitPullOperator.template_fields)

    def __init__(self, *, python_callable: Callable[..., Any], op_args: Any = None, **kwargs: Any) -> None:
        # The kit is the first argument; Airflow checks the call against the signature when the DAG is made.
        super().__init__(python_callable=python_callable, op_args=[None, *(op_args or [])], **kwargs)

    def execute(self, context: Any) -> Any:
        with ExitStack() as stack:
            with self.at_work():
                pulled = self._pull(context, Path(self.directory or stack.enter_context(scratch("airflow"))))
            return call(self.python_callable, [pulled, *list(self.op_args)[1:]], self.op_kwargs, context)

    def _pull(self, context: Any, directory: Path) -> PulledKit:
        with self.open_kit(context) as kit:
            kit.unpack(directory, only=listed(self.only), existing=self.existing)
            return PulledKit(directory, kit.reference, kit.digest, kit.kitfile, kit.record())


def kitops_pull_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> TaskDecorator:
    """Hand a kit, unpacked and verified, to a function as its first argument; the directory goes with the task.

    Args:
        python_callable: The function; what it returns is the task's result.
        **kwargs: Arguments of :class:`~kitops_airflow.operators.pull.KitPullOperator`.
    """
    return task_decorator_factory(python_callable=python_callable, decorated_operator_class=_KitPullDecorated, **kwargs)
