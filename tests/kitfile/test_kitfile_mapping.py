"""A Kitfile that somebody has as mappings and lists, such as the argument of a task."""

from typing import Any

import pytest

from kitops_core.errors import KitfileError
from kitops_core.kitfile import Kitfile


def test_a_mapping_says_what_yaml_would() -> None:
    values = {"manifestVersion": "1.0.0", "model": {"path": "model.bin", "parameters": {"depth": 8}}}
    assert Kitfile.from_mapping(values) == Kitfile.parse(
        "manifestVersion: 1.0.0\nmodel: {path: model.bin, parameters: {depth: 8}}"
    )


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"model": {"parameters": {"a": [{1}]}}},
            r"the Kitfile given: model.parameters.a\[0\]: set cannot be written as JSON",
        ),
        ({"modle": {}}, "modle"),
    ],
)
def test_what_a_mapping_cannot_say_is_named(values: dict[str, Any], said: str) -> None:
    with pytest.raises(KitfileError, match=said):
        Kitfile.from_mapping(values)
