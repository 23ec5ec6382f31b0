"""Kits by the fields of their records, as ``--json`` has them: which are wanted, and how a line shows them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from kitops_core.cli.output import plain_value, printable
from kitops_core.errors import InvalidInputError

_FIELD = re.compile(r"\{\{\s*\.?([A-Za-z_][\w.]*)\s*\}\}")
_ESCAPES = {"\\t": "\t", "\\n": "\n"}
_FIELDS = (
    *("reference", "digest", "registry", "repository", "tag", "tags", "size", "kit", "layers", "created", "parents"),
    *("kit.name", "kit.version", "kit.license", "kit.description", "kit.authors"),
)


def parse_filters(texts: Sequence[str]) -> Callable[[Mapping[str, Any]], bool]:
    """Read ``FIELD=PATTERN``, given any number of times; a record is wanted when all of them match.

    A pattern may have ``*``, ``?`` and ``[abc]``. Of a list, one value has to match.

    Raises:
        InvalidInputError: One is not of this form, or there is no such field.
    """
    wanted = []
    for text in texts:
        name, equals, pattern = text.partition("=")
        if not (name and equals):
            raise InvalidInputError(f"'{text}' is not a filter", hint="write tag=1.* or kit.name=churn")
        wanted.append((_known(name), pattern))

    def takes(record: Mapping[str, Any]) -> bool:
        return all(_matches(_value(record, name), pattern) for name, pattern in wanted)

    return takes


def parse_template(template: str) -> Callable[[Mapping[str, Any]], str]:
    """Read a line with fields in it: ``{{.reference}} {{.kit.name}}``.

    Raises:
        InvalidInputError: There is no such field, or none in it.
    """
    names = [_known(name) for name in _FIELD.findall(template)]
    if not names:
        raise InvalidInputError(f"'{template}' names no field", hint="write table, json, or '{{.reference}} {{.size}}'")
    for escape, character in _ESCAPES.items():
        template = template.replace(escape, character)

    def fill(record: Mapping[str, Any]) -> str:
        return _FIELD.sub(lambda match: printable(plain_value(_value(record, match[1]))), template)

    return fill


def _known(name: str) -> str:
    if name not in _FIELDS:
        raise InvalidInputError(f"a kit has no field '{name}'", hint=f"there are {', '.join(_FIELDS)}")
    return name


def _value(record: Mapping[str, Any], name: str) -> Any:
    value: Any = record
    for key in name.split("."):
        value = value.get(key, "") if isinstance(value, Mapping) else ""
    return value


def _matches(value: Any, pattern: str) -> bool:
    values = value if isinstance(value, (list, tuple)) else [value]
    return any(fnmatchcase(plain_value(item), pattern) for item in values)
