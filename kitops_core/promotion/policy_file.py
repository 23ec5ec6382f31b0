"""Reading ``promotion.yaml``: every problem is named at once, with its line and its field."""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from kitops_core.errors import InvalidInputError, NotFoundError, PolicyError
from kitops_core.kitfile.yaml_decode import Decoder
from kitops_core.kitfile.yaml_document import Place, line_of, read_document, read_file, with_lines
from kitops_core.kitfile.yaml_nodes import Node
from kitops_core.promotion.policy import Problem, PromotionPolicy

_HINT = "write kit: registry/repository, and channels: with the name of each"
_OTHER_FILE = "name another with --policy; a policy has kit: registry/repository, and channels: with the name of each"


def load_policy(path: str | os.PathLike[str]) -> PromotionPolicy:
    """Read a ``promotion.yaml``. The files it names are relative to its directory.

    Args:
        path: The file; of one with several kits also ``promotion.yaml#ml/churn``, the policy of one of them.

    Raises:
        NotFoundError: There is no such file, or no such kit in it.
        PolicyError: It cannot be used; names every problem, with its line where known.
    """
    file = Path(path)
    if not file.exists():
        name, one, kit = str(path).rpartition("#")
        if one and Path(name).exists():
            return load_policy(name).of(kit)
        raise NotFoundError(f"there is no promotion policy {file}", hint=_OTHER_FILE)
    return parse_policy(read_file(file, PolicyError), str(file), base=file.parent)


def as_policy(given: PromotionPolicy | str | os.PathLike[str]) -> PromotionPolicy:
    """The policy of one kit, itself or in the file it names; see :func:`load_policy`.

    Raises:
        InvalidInputError: It has several kits.
    """
    policy = given if isinstance(given, PromotionPolicy) else load_policy(given)
    if policy.kits:
        example = f"{'promotion.yaml' if isinstance(given, PromotionPolicy) else given}#{policy.kits[0]}"
        raise InvalidInputError(
            f"the policy has {len(policy.kits)} kits, and this is about one", hint=f"name it: --policy '{example}'"
        )
    return policy


def as_policies(given: PromotionPolicy | str | os.PathLike[str]) -> list[PromotionPolicy]:
    """The policy of each kit that a policy has, itself or in the file it names."""
    return (given if isinstance(given, PromotionPolicy) else load_policy(given)).each()


def parse_policy(text: str | bytes, where: str, *, base: Path) -> PromotionPolicy:
    """Read a policy's YAML.

    Args:
        text: The YAML.
        where: Names it in errors.
        base: The directory that the files it names are relative to.

    Raises:
        PolicyError: It cannot be used; names every problem, with its line where known.
    """
    root = read_document(text, where, PolicyError, hint=_HINT)
    values = _decode(root, where)
    found: list[Problem] = []
    policy = None
    try:
        policy = PromotionPolicy.model_validate(values, context={"base": base, "problems": found})
    except ValidationError as error:
        wrong = [(tuple(item["loc"]), _sentence(item)) for item in error.errors(include_url=False)]
        found += [Problem(loc, text) for loc, text in wrong]
        found += _further_problems(values, [loc for loc, _ in wrong], base)
    if policy is None or found:
        told = with_lines((line_of(root, problem.place), str(problem)) for problem in dict.fromkeys(found))
        raise PolicyError(where, told, hint=_HINT if not isinstance(values, dict) else "")
    return policy


def _decode(root: Node, where: str) -> Any:
    """The plain values, without those that are null."""
    decoder = Decoder("the policy")
    values = _said(decoder.free(root, ""), ())
    if decoder.problems:
        raise PolicyError(where, with_lines((line, problem.removeprefix(".")) for line, problem in decoder.problems))
    return values


def _said(value: Any, place: Place) -> Any:
    """The values without those that are null, as in a Kitfile; a channel without anything is one with defaults."""
    if isinstance(value, list):
        return [_said(item, (*place, index)) for index, item in enumerate(value)]
    if isinstance(value, dict):
        keep = place == ("channels",)
        return {key: _said(item, (*place, key)) for key, item in value.items() if keep or item is not None}
    return value


def _further_problems(values: Any, wrong: list[Place], base: Path) -> list[Problem]:
    """What else would be wrong once the parts that are wrong by themselves are mended: they are left out to see it."""
    gone: set[Place] = set()
    while wrong:
        more = {_left(values, place, gone) for place in wrong}
        if () in more:
            return []
        gone |= more
        found: list[Problem] = []
        try:
            PromotionPolicy.model_validate(_without(values, gone, ()), context={"base": base, "problems": found})
        except ValidationError as error:
            wrong = [_original(tuple(item["loc"]), gone) for item in error.errors(include_url=False)]
        else:
            return [Problem(_original(problem.place, gone), problem.text) for problem in found]
    return []


def _left(values: Any, place: Place, gone: set[Place]) -> Place:
    """What of a place that is wrong can still be left out: what is missing goes with what it is missing from."""
    while place and (place in gone or not _has(values, place)):
        place = place[:-1]
    return place


def _has(values: Any, place: Place) -> bool:
    for step in place:
        there = values if isinstance(values, dict) else range(len(values)) if isinstance(values, list) else ()
        if step not in there:
            return False
        values = values[step]
    return True


def _without(values: Any, gone: set[Place], at: Place) -> Any:
    if isinstance(values, list):
        kept = ((index, item) for index, item in enumerate(values) if (*at, index) not in gone)
        return [_without(item, gone, (*at, index)) for index, item in kept]
    if isinstance(values, dict):
        return {key: _without(item, gone, (*at, key)) for key, item in values.items() if (*at, key) not in gone}
    return values


def _original(place: Place, gone: set[Place]) -> Place:
    """Where something is in the file that is at ``place`` once items before it are left out of their lists."""
    found: Place = ()
    for step in place:
        if isinstance(step, int):
            for index in sorted(last for *start, last in gone if tuple(start) == found and isinstance(last, int)):
                step += index <= step
        found = (*found, step)
    return found


def _sentence(item: Mapping[str, Any]) -> str:
    """What pydantic found, as a sentence about a field."""
    kind, message = item["type"], str(item["msg"])
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        return _unknown(tuple(item["loc"]))
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        return "must have named fields"
    if kind == "list_type":
        return "must be a list"
    if kind in ("too_short", "string_too_short"):
        return "must not be empty"
    if kind == "string_type":
        return "must be text; write it in quotes"
    message = message.removeprefix("Value error, ").replace("Input should", "must", 1)
    return message[:1].lower() + message[1:]


def _unknown(place: Place) -> str:
    model: type[BaseModel] | None = PromotionPolicy
    inside = False
    for step in place[:-1]:
        if inside or model is None:
            inside = False
            continue
        model, inside = _inner(model, step)
    if model is None or inside:
        return "is not known"
    known = [field.alias or name for name, field in model.model_fields.items()]
    close = get_close_matches(str(place[-1]), known, 1)
    return "is not known; " + (f"did you mean '{close[0]}'?" if close else f"there are {', '.join(known)}")


def _inner(model: type[BaseModel], step: str | int) -> tuple[type[BaseModel] | None, bool]:
    """The model of a field, and whether a key or an index comes before it."""
    field = next((f for name, f in model.model_fields.items() if step in (f.alias, name)), None)
    annotation: Any = field.annotation if field else None
    if get_origin(annotation) in (Union, UnionType):
        annotation = next(part for part in get_args(annotation) if part is not type(None))
    inside = get_origin(annotation) in (list, dict)
    if inside:
        annotation = get_args(annotation)[-1]
    return (annotation, inside) if isinstance(annotation, type) and issubclass(annotation, BaseModel) else (None, False)
