"""The shape of what users call."""

from __future__ import annotations

import inspect
import re
import typing

import pytest

import prefect_kitops

TWINS = sorted(name for name in prefect_kitops.__all__ if f"a{name}" in prefect_kitops.__all__)


@pytest.mark.parametrize("name", TWINS)
def test_a_task_and_its_twin_have_the_same_parameters_types_and_docstring(name: str) -> None:
    here, beside = getattr(prefect_kitops, name), getattr(prefect_kitops, f"a{name}")
    assert inspect.signature(here.fn) == inspect.signature(beside.fn)
    assert inspect.getdoc(here.fn) == inspect.getdoc(beside.fn)
    assert here.description == beside.description
    assert inspect.iscoroutinefunction(beside.fn)
    assert not inspect.iscoroutinefunction(here.fn)
    assert (here.fn.__name__, beside.fn.__name__) == (name, f"a{name}")
    assert here.name == beside.name == name.replace("_", "-")


@pytest.mark.parametrize("name", [name for name in prefect_kitops.__all__ if "modelkit" in name])
def test_the_annotations_of_what_users_call_can_be_read(name: str) -> None:
    called = getattr(prefect_kitops, name)
    assert typing.get_type_hints(getattr(called, "fn", called))


@pytest.mark.parametrize("name", prefect_kitops.__all__)
def test_nothing_that_users_call_takes_more_than_nine_parameters(name: str) -> None:
    called = getattr(prefect_kitops, name)
    called = getattr(called, "fn", called)
    assert isinstance(called, type) or len(inspect.signature(called).parameters) <= 9


@pytest.mark.parametrize("name", [*TWINS, "modelkit_promotion", "modelkit_promotion_all"])
def test_what_prefects_pages_say_is_markdown_without_arguments(name: str) -> None:
    description = getattr(prefect_kitops, name).description
    assert description.endswith(".")
    assert not re.search(r"``|:\w+:`|^(Args|Raises|Returns):|^ {4}", description, re.MULTILINE)
