"""Any Kitfile survives YAML and JSON; numbers and text in the config are written by Go's rules."""

import json
import math
import re

from hypothesis import given
from hypothesis import strategies as st

from kitops_core.kitfile import Code, Dataset, Docs, Kitfile, McpServer, Model, ModelPart, Package, Prompt, go_json

TEXT = st.text(max_size=12) | st.sampled_from(
    [
        "yes",
        "1.10",
        "017",
        "0o17",
        "1e3",
        "~",
        "null",
        "<<",
        "2024-01-02",
        "- a",
        "a: b",
        "#x",
        " x ",
        "a\nb",
        "a\n\n",
        "\n a",
        "a \nb",
        "x\n\n  y\n",
        "\u2028",
        "'",
        '"',
        "0b1",
        "=",
        "!tag",
        "*a",
        "&a",
        "",
        "\ufeff",
        "\x85",
        "a\u202eb",
        "a\u200b\nb",
        "\U000e0041",
        "\xa0",
        "☕",
        "😀",
    ]
)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
FREE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | FLOATS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
KITFILES = st.builds(
    Kitfile,
    manifest_version=TEXT,
    package=st.builds(Package, name=TEXT, version=TEXT, description=TEXT, authors=st.lists(TEXT, max_size=3)),
    model=st.none()
    | st.builds(
        Model,
        name=TEXT,
        path=TEXT,
        format=TEXT,
        parts=st.lists(st.builds(ModelPart, path=TEXT, type=TEXT), max_size=2),
        parameters=FREE,
    ),
    code=st.lists(st.builds(Code, path=TEXT, license=TEXT), max_size=2),
    datasets=st.lists(st.builds(Dataset, path=TEXT, parameters=FREE, remote_path=TEXT, remote_hash=TEXT), max_size=2),
    docs=st.lists(st.builds(Docs, path=TEXT), max_size=2),
    prompts=st.lists(st.builds(Prompt, name=TEXT), max_size=2),
    mcp_servers=st.lists(st.builds(McpServer, name=TEXT), max_size=2),
)


@given(KITFILES)
def test_yaml_reads_back_the_same(kitfile):
    text = kitfile.to_yaml()
    again = Kitfile.parse(text)
    assert again == kitfile
    assert again.to_config({}) == kitfile.to_config({})
    assert again.to_yaml() == text
    assert all(line.isprintable() for line in text.split("\n"))  # nothing that turns text around, or hides some


@given(KITFILES)
def test_a_config_reads_back_the_same_bytes(kitfile):
    config = kitfile.to_config({})
    again = Kitfile.from_config(config)
    assert again.to_config({}) == config
    assert Kitfile.parse(again.to_yaml()).to_config({}) == config


@given(FREE)
def test_the_config_is_json_any_reader_understands(value):
    assert as_floats(json.loads(go_json.dumps(value))) == as_floats(value)


def as_floats(value):
    """With all numbers floats: JSON does not tell 2.0 from 2."""
    if isinstance(value, dict):
        return {key: as_floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_floats(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


@given(FLOATS)
def test_floats_have_an_exponent_only_where_go_writes_one(value):
    text = go_json.number(value)
    assert float(text) == value
    assert math.copysign(1, float(text)) == math.copysign(1, value)
    assert ("e" in text) == (value != 0 and not 1e-6 <= abs(value) < 1e21)
    assert re.fullmatch(r"-?(0|[1-9]\d*)(\.\d*[1-9])?(e[+-][1-9]\d*)?", text)
