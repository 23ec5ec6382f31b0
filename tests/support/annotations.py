"""What a package shows to those who use it: whether its annotations can be read."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from types import ModuleType


def unreadable(package: ModuleType) -> list[str]:
    """The public functions, and methods of public classes, whose annotations name what is not there when they are read.

    Dataclasses are read as classes: what makes them has the annotations of a base elsewhere.
    """
    found = []
    for name in package.__all__:
        shown = getattr(package, name)
        read = {name: shown} if inspect.isfunction(shown) or dataclasses.is_dataclass(shown) else {}
        if inspect.isclass(shown) and shown.__module__.startswith(package.__name__):
            functions = {method: made for method, made in vars(shown).items() if inspect.isfunction(made)}
            if dataclasses.is_dataclass(shown):
                functions.pop("__init__", None)
            read |= {f"{name}.{method}": made for method, made in functions.items()}
        for called, annotated in read.items():
            try:
                typing.get_type_hints(annotated)
            except NameError:
                found.append(called)
    return found
