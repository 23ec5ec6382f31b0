"""What the site has to be told of our docstrings, as an extension of what reads them (griffe)."""

from __future__ import annotations

import ast
import re
from typing import Any

import griffe

from publishing.reference import PACKAGES, ROLE, public_names


class Ours(griffe.Extension):
    """Links for Sphinx' roles, ``:class:`~package.Name```, and names for tasks that are made in pairs.

    A role whose target is on no page becomes plain code. ``pack, apack = _pack`` gives a task its two names.
    """

    def __init__(self) -> None:
        self._shown: dict[str, str] = {}
        for package in PACKAGES:
            for name, module in public_names(package).items():
                path = f"{module}.{name}"
                self._shown |= {f"{package}.{name}": path, path: path}
                self._shown.setdefault(name, path)

    def on_module_members(self, *, node: ast.AST | griffe.ObjectNode, mod: griffe.Module, **_: Any) -> None:
        """Give each first name of a pair the function's signature and docstring."""
        for pair in node.body if isinstance(node, ast.Module) else ():
            if not isinstance(pair, ast.Assign) or not isinstance(pair.targets[0], ast.Tuple):
                continue
            name, made = pair.targets[0].elts[0], pair.value
            if isinstance(name, ast.Name) and isinstance(made, ast.Name):
                made_of = mod.members[made.id]
                function = griffe.Function(name.id, parameters=made_of.parameters, returns=made_of.returns, parent=mod)
                function.docstring = made_of.docstring
                mod.set_member(name.id, function)

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the roles of a docstring; a field of a model has what its description says."""
        if isinstance(obj, griffe.Attribute) and not obj.docstring and (text := _description(obj)):
            obj.docstring = griffe.Docstring(text, parent=obj)
            obj.value = None  # the call that makes the field
        if obj.docstring:
            obj.docstring.value = ROLE.sub(self._linked, obj.docstring.value)

    def _linked(self, role: re.Match[str]) -> str:
        path = role["path"]
        name = path.rpartition(".")[2]
        return f"[`{name}`][{self._shown[path]}]" if path in self._shown else f"`{name}`"


def _description(field: griffe.Attribute) -> str:
    """The ``description`` that a field is made with, as pydantic has it, or an empty string."""
    made = ast.parse(str(field.value), mode="eval").body if isinstance(field.value, griffe.ExprCall) else None
    said = {word.arg: word.value for word in made.keywords} if isinstance(made, ast.Call) else {}
    text = said.get("description")
    return text.value if isinstance(text, ast.Constant) and isinstance(text.value, str) else ""
