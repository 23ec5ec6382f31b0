"""What a package shows to those who use it: whether its annotations can be read."""

from __future__ import annotations

import inspect
import typing
from types import ModuleType


def unreadable(package: ModuleType) -> list[str]:
    """The public functions, and methods of public classes, whose annotations name what is not there when they are read.

    Of a dataclass the fields are read: what makes it has the annotations of a base elsewhere.
    """
    found = []
    for name in package.__all__:
        shown = getattr(package, name)
        read = {name: shown} if inspect.isfunction(shown) else {}
        if inspect.isclass(shown) and shown.__module__.startswith(package.__name__):
            is_dataclass = "__dataclass_fields__" in vars(shown)
            read = {name: shown} if is_dataclass else {}
            for method, function in vars(shown).items():
                public = not method.startswith("_") or (method == "__init__" and not is_dataclass)
                if inspect.isfunction(function) and public:
                    read[f"{name}.{method}"] = function
        for called, annotated in read.items():
            try:
                typing.get_type_hints(annotated)
            except NameError:
                found.append(called)
    return found
