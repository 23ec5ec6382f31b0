"""The tags that never move: templates in ``promotion.yaml``, filled in for a kit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import Formatter
from typing import TYPE_CHECKING

from kitops_core.errors import InvalidInputError, InvalidReferenceError
from kitops_core.reference import check_tag

if TYPE_CHECKING:
    from kitops_core.kitfile import Kitfile

_SAMPLE = {"name": "name", "version": "1.0", "channel": "prod", "digest": "0123456789ab"}


def version_tags(templates: Sequence[str], kitfile: Kitfile, channel: str, digest: str) -> tuple[str, ...]:
    """The tags that ``templates`` give a kit, each once.

    Raises:
        InvalidInputError: The Kitfile does not say what a template needs, or what it says cannot be in a tag.
    """
    package = kitfile.package
    short = digest.partition(":")[2][:12]
    values = {"name": package.name, "version": package.version, "channel": channel, "digest": short}
    return tuple(dict.fromkeys(_fill(template, values) for template in templates))


def template_problem(template: str) -> str:
    """What is wrong with a template, or an empty string."""
    try:
        _fill(template, _SAMPLE)
    except InvalidInputError as error:
        return f"{error.message}; {error.hint}"
    return ""


def _fill(template: str, values: Mapping[str, str]) -> str:
    tag = ""
    for text, field in _parts(template):
        tag += text
        if field is None:
            continue
        if field not in values:
            known = ", ".join(f"{{{name}}}" for name in values)
            raise InvalidInputError(f"'{template}' has the unknown part {{{field}}}", hint=f"there are {known}")
        if not values[field]:
            raise InvalidInputError(
                f"the Kitfile has no package.{field}, which the version tag '{template}' needs",
                hint=f"set package.{field} and pack again",
            )
        tag += values[field]
    try:
        return check_tag(tag)
    except InvalidReferenceError as error:
        raise InvalidInputError(f"'{template}' gives '{tag}', which is no tag", hint=error.hint) from None


def _parts(template: str) -> list[tuple[str, str | None]]:
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise InvalidInputError(f"'{template}' is no template: {error}", hint="write {version}") from None
    if any(spec or conversion for _, _, spec, conversion in parts):
        raise InvalidInputError(f"'{template}' has a part with a format", hint="write {version} as it is")
    return [(text, field) for text, field, _, _ in parts]
