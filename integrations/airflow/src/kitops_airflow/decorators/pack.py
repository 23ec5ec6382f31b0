"""``@task.kitops_pack``: what the function returns is packed and pushed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import DecoratedOperator, task_decorator_factory

from kitops_airflow.decorators.call import call
from kitops_airflow.operators.pack import KitPackPushOperator, announced

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import TaskDecorator


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

    def execute(self, context: Any) -> Any:
        self.source = call(self.python_callable, self.op_args, self.op_kwargs, context)
        return KitPackPushOperator.execute(self, context)


def kitops_pack_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> TaskDecorator:
    """Pack and push what a function returns: a directory's path, or contents by name.

    Args:
        python_callable: The function.
        **kwargs: Arguments of :class:`~kitops_airflow.operators.pack.KitPackPushOperator`, without ``source``.
    """
    # Airflow reads the outlets of mapped tasks from here, before the tasks are made.
    outlets = announced(kwargs.get("asset"), kwargs.get("reference", ""), kwargs.get("outlets", ()))
    return task_decorator_factory(
        python_callable=python_callable, decorated_operator_class=_KitPackDecorated, **{**kwargs, "outlets": outlets}
    )
