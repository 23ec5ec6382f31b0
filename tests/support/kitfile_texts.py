"""Kitfiles as text: read, looked over for problems, and as their config has a value."""

from __future__ import annotations

import textwrap

import pytest

from kitops_core.errors import KitfileError
from kitops_core.kitfile import Kitfile
from kitops_core.kitfile.validation import check_kitfile


def parse(text: str) -> Kitfile:
    """A Kitfile of indented text."""
    return Kitfile.parse(textwrap.dedent(text), "Kitfile")


def problems_of(text: str) -> list[str]:
    """What is wrong with it."""
    with pytest.raises(KitfileError) as caught:
        check_kitfile(parse(text).data(), "Kitfile")
    assert caught.value.exit_code == 3
    return list(caught.value.problems)


def parameters(value: str) -> str:
    """What the config holds for a free-form YAML value."""
    config = parse(f"model:\n  parameters: {value}\n").to_config({}).decode()
    return config.removeprefix('{"manifestVersion":"","package":{},"model":{"parameters":').removesuffix("}}")
