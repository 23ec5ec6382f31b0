"""Reading Kitfiles, writing configs, and what is wrong with a Kitfile."""

import datetime
import textwrap
from fractions import Fraction

import pytest
from golden_cases import load_case, load_cases
from kitfile_texts import parameters, parse, problems_of
from pydantic import ValidationError

from kitops_core.errors import IntegrityError, KitfileError
from kitops_core.kitfile import (
    Code,
    Dataset,
    Docs,
    Kitfile,
    McpServer,
    Model,
    ModelPart,
    Package,
    Prompt,
    find_kitfile,
    is_modelkit_reference,
)
from kitops_core.kitfile.validation import check_kitfile

PACKED = load_cases(fails=False)


# --- the config


@pytest.mark.parametrize("case", PACKED, ids=lambda case: case.name)
def test_the_config_is_what_the_reference_wrote(case):
    kitfile = Kitfile.parse(case.kitfile, case.name)
    entries = kitfile.entries()
    layers = {e.address: (d["digest"], d["diffId"]) for e, d in zip(entries, case.layers, strict=True)}
    assert kitfile.to_config(layers).decode() == case.config


@pytest.mark.parametrize("case", PACKED, ids=lambda case: case.name)
def test_the_config_of_the_reference_reads_back_to_the_same_bytes(case):
    kitfile = Kitfile.from_config(case.config.encode(), case.name)
    assert kitfile.to_config({}).decode() == case.config
    assert Kitfile.parse(kitfile.to_yaml()) == Kitfile.parse(case.kitfile)


def test_fields_are_written_in_the_order_of_the_format():
    kitfile = Kitfile(
        package=Package(name="n", version="v", description="d", license="l", authors=["a"]),
        model=Model(
            name="n", path="p", license="l", framework="f", format="o", version="v", description="d",
            parts=[ModelPart(name="n", path="q", license="l", type="t")], parameters={"b": 1, "a": 2},
        ),
        code=[Code(path="c", description="d", license="l")],
        datasets=[
            Dataset(name="n", path="s", description="d", license="l", parameters=[1], remote_path="r", remote_hash="h")
        ],
        docs=[Docs(path="o", description="d")],
        prompts=[Prompt(name="n", path="t", description="d")],
        mcp_servers=[McpServer(name="n", path="m.mcpb", description="d")],
    )  # fmt: skip
    assert kitfile.to_config({"model": ("D", "I"), "model.parts[0]": ("E", "J")}).decode() == (
        '{"manifestVersion":"1.0.0",'
        '"package":{"name":"n","version":"v","description":"d","license":"l","authors":["a"]},'
        '"model":{"name":"n","path":"p","license":"l","framework":"f","format":"o","version":"v","description":"d",'
        '"parts":[{"name":"n","path":"q","license":"l","type":"t","digest":"E","diffId":"J"}],'
        '"parameters":{"a":2,"b":1},"digest":"D","diffId":"I"},'
        '"code":[{"path":"c","description":"d","license":"l"}],'
        '"datasets":[{"name":"n","path":"s","description":"d","license":"l","parameters":[1],'
        '"remotePath":"r","remoteHash":"h"}],'
        '"docs":[{"path":"o","description":"d"}],'
        '"prompts":[{"name":"n","path":"t","description":"d"}],'
        '"mcpServers":[{"name":"n","path":"m.mcpb","description":"d"}]}'
    )


def test_empty_fields_are_left_out_but_for_those_always_written():
    kitfile = Kitfile(model=Model(parameters={}), docs=[Docs()], code=[Code()], mcp_servers=[McpServer()])
    assert kitfile.to_config({}) == (
        b'{"manifestVersion":"1.0.0","package":{},"model":{"parameters":{}},"code":[{}],"docs":[{"path":""}],'
        b'"mcpServers":[{"name":""}]}'
    )


def test_an_address_that_is_no_entry_is_refused():
    with pytest.raises(ValueError, match="model"):
        Kitfile().to_config({"model": ("sha256:a", "sha256:a")})


def test_a_config_of_a_newer_version_is_read_without_what_it_adds():
    kitfile = Kitfile.from_config(b'{"manifestVersion":"9","package":{"name":"n","new":1},"more":[{}],"code":null}')
    assert kitfile == Kitfile(manifest_version="9", package=Package(name="n"))


@pytest.mark.parametrize(
    "config",
    [b"", b"[]", b"{", b'{"model":[]}', b'{"code":[1]}', b'{"package":{"name":1}}', b"[" * 100_000, b"\xff",
     b'{"model":{"parameters":NaN}}', b'{"model":{"parameters":' + b"[" * 300 + b"]" * 300 + b"}}"],
    ids=range(10),
)  # fmt: skip
def test_a_config_that_is_no_kitfile_is_an_integrity_error(config):
    with pytest.raises(IntegrityError, match="the kit's config is not a Kitfile"):
        Kitfile.from_config(config, "the kit's config")


# --- YAML


@pytest.mark.parametrize(
    ("yaml", "json"),
    [
        ("yes", '"yes"'), ("Off", '"Off"'), ("n", '"n"'), ("TRUE", "true"), ("True", "true"), ("tRue", '"tRue"'),
        ("~", None), ("Null", None), ("''", '""'), ("0xFF", "255"), ("0o17", "15"), ("017", "15"), ("089", "89"),
        ("0b101", "5"), ("-0b11", "-3"), ("1_000", "1000"), ("+12", "12"), ("-0", "0"), ("-0.0", "-0"), ("2.0", "2"),
        (".5", "0.5"), ("5.", "5"), ("1e3", "1000"), ("1e400", '"1e400"'), ("0x1p4", '"0x1p4"'), ("_1", '"_1"'),
        ("12:30:45", '"12:30:45"'), ("12345678901234567890", "12345678901234567890"),
        ("18446744073709551616", "18446744073709552000"), ("-9223372036854775808", "-9223372036854775808"),
        ("123456789012345678901234567890", "1.2345678901234568e+29"), ("0.0000001", "1e-7"), ("0.000001", "0.000001"),
        ("1e21", "1e+21"), ("1e20", "100000000000000000000"), ("2024-01-02", '"2024-01-02T00:00:00Z"'),
        ("2024-1-2", '"2024-01-02T00:00:00Z"'), ("2024-02-30", '"2024-02-30"'),
        ("2001-12-14t21:59:43.10-05:00", '"2001-12-14T21:59:43.1-05:00"'),
        ("2001-12-14 21:59:43", '"2001-12-14T21:59:43Z"'), ("2001-12-14 21:59:43 -5", '"2001-12-14 21:59:43 -5"'),
        ("!!str 12", '"12"'), ("!!float 3", "3"), ("! 12", '"12"'), ("'12'", '"12"'), ("!!binary aGk=", '"hi"'),
        ('"<&>\\u2028\\x07\\b\\f\\t\\e"', '"\\u003c\\u0026\\u003e\\u2028\\u0007\\b\\f\\t\\u001b"'),
        ("{b: 1, a: {d: 1, c: 2}}", '{"a":{"c":2,"d":1},"b":1}'), ("'é☕\x7f'", '"é☕\x7f"'),
    ],
)  # fmt: skip
def test_free_form_values_are_resolved_as_the_reference_resolves_them(yaml, json):
    if json is None:
        assert parse(f"model:\n  parameters: {yaml}\n").to_config({}).endswith(b'"model":{}}')
    elif "\x7f" in yaml:  # not allowed in YAML as it is, so through Python
        assert Kitfile(package=Package(name="é☕\x7f")).to_config({}).decode().endswith('{"name":"é☕\x7f"}}')
    else:
        assert parameters(yaml) == json


def test_typed_fields_keep_the_text_as_it_is_written():
    kitfile = parse(
        """
        manifestVersion: 1.0
        package: {name: 007, version: 1.10, description: 2024-01-02, license: yes, authors: [1e3, ~, null, true, 0x1F]}
        model: {version: 1_0, name: ~, path: !!binary bS5iaW4=}
        """
    )
    assert kitfile.manifest_version == "1.0"
    assert kitfile.package == Package(
        name="007", version="1.10", description="2024-01-02", license="yes", authors=["1e3", "true", "0x1F"]
    )
    assert kitfile.model == Model(version="1_0", path="m.bin")


def test_merge_keys_and_aliases_are_resolved():
    kitfile = parse(
        """
        model:
          parameters:
            base: &base {lr: 0.1, epochs: 3}
            more: &more {epochs: 9, seed: 1}
            tuned: {<<: [*base, *more], lr: 0.2}
            same: *base
        code:
          - &code {path: src, license: MIT}
          - <<: *code
            path: lib
        """
    )
    assert kitfile.model.parameters["tuned"] == {"lr": 0.2, "epochs": 3, "seed": 1}
    assert kitfile.model.parameters["same"] == {"lr": 0.1, "epochs": 3}
    assert kitfile.code == [Code(path="src", license="MIT"), Code(path="lib", license="MIT")]


def test_empty_sections_and_empty_list_items_are_passed_over():
    kitfile = parse("manifestVersion: 1.0.0\nmodel:\ncode:\n  -\n  - path: a\n  - ~\ndocs: ~\npackage:\n")
    assert kitfile == Kitfile(code=[Code(path="a")])


def test_a_byte_order_mark_and_an_end_marker_are_fine():
    assert Kitfile.parse(b"\xef\xbb\xbf---\nmanifestVersion: 1.0.0\n...\n") == Kitfile()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        ("# nothing\n", "is empty"),
        ("~", "is empty"),
        ("- a", "line 1: the Kitfile must have named fields, not a list"),
        ("package: [", "line 2: not YAML: while parsing a flow node"),
        ("a: b: c", "line 1: not YAML: mapping values are not allowed"),
        ("package: {}\n---\nmodel: {}", "line 2: a second document starts here"),
        ("package: {}\npackage: {}", "line 2: 'package' is there already, at line 1"),
        ("model:\n  parameters:\n    a: 1\n    a: 2", "line 4: 'a' is there already, at line 3"),
        ("model:\n  parameters: {1: a}", "line 2: the key 1 is not text; write '1' in quotes"),
        ("model:\n  parameters: {[a]: 1}", "line 2: model.parameters has a key that is a list, not text"),
        ("model:\n  parameters:\n    x: .inf", "line 3: model.parameters.x is .inf, which JSON cannot hold"),
        ("model:\n  parameters: [.NaN]", "line 2: model.parameters[0] is .NaN, which JSON cannot hold"),
        ("model:\n  parameters: *x", "line 2: the alias '*x' has no anchor"),
        ("model:\n  parameters: &a [*a]", "line 2: the anchor '&a' contains itself"),
        ("model:\n  parameters: !!int x", "line 2: 'x' is not a !!int"),
        ("model:\n  parameters: !mine x", "line 2: 'x' is not a !mine"),
        ("model:\n  parameters: {<<: 1}", "line 2: '<<' merges mappings, not a single value"),
        ("package:\n  name: [a]", "line 2: package.name must be text, not a list"),
        ("package:\n  authors: a", "line 2: package.authors must be a list, not a single value"),
        ("code:\n  - src", "line 2: code[0] must have named fields, not a single value"),
        ("code: {path: a}", "line 1: code must be a list, not a mapping"),
        ("modle:\n  path: a", "line 1: unknown field 'modle'; did you mean 'model'?"),
        ("model:\n  digest: x", "line 2: unknown field 'digest' in model; there are name, path"),
        ("mcp_servers: []", "line 1: unknown field 'mcp_servers'; did you mean 'mcpServers'?"),
        ("datasets:\n- remotepath: x", "line 2: unknown field 'remotepath' in datasets[0]; did you mean 'remotePath'"),
        ("model:\n  parameters: " + "[" * 300 + "]" * 300, "nested more than 200 levels deep"),
    ],
)  # fmt: skip
def test_a_kitfile_that_cannot_be_read_says_where_and_why(text, problem):
    (found,) = problems_of(text)
    assert problem in found


def test_aliases_that_multiply_are_stopped():
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    merges = ["m0: &m0 {k: 1}"] + [f"m{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 10)}]}}" for n in range(1, 9)]
    for lines in (levels, merges):
        found = problems_of("model:\n  parameters:\n    " + "\n    ".join(lines))
        assert "too many values" in found[0] or "merges more than" in found[0]


def test_text_that_is_not_utf8_is_refused():
    with pytest.raises(KitfileError, match="k: not UTF-8 text: byte 9 is 0xff"):
        Kitfile.parse(b"package: \xff", "k")


def test_every_problem_is_named_at_once_in_the_order_of_lines():
    assert problems_of(
        """\
        manifestversion: 1.0.0
        package:
          authors: me
          nmae: x
        model: {path: [a], pars: []}
        code: src
        """
    ) == [
        "line 1: unknown field 'manifestversion'; did you mean 'manifestVersion'?",
        "line 3: package.authors must be a list, not a single value",
        "line 4: unknown field 'nmae' in package; did you mean 'name'?",
        "line 5: model.path must be text, not a list",
        "line 5: unknown field 'pars' in model; did you mean 'parts'?",
        "line 6: code must be a list, not a single value",
    ]


def test_a_kitfile_is_loaded_from_disk_and_named_in_errors(tmp_path):
    path = load_case("basic").write(tmp_path / "kit") / "Kitfile"
    assert Kitfile.load(path).package.name == "churn"
    path.write_text("modle: {}")
    with pytest.raises(KitfileError, match="Kitfile: line 1"):
        Kitfile.load(path)
    path.unlink()
    with pytest.raises(KitfileError, match="Kitfile: cannot be read: No such file"):
        Kitfile.load(path)


def test_the_first_of_the_three_names_is_the_kitfile(tmp_path):
    assert find_kitfile(tmp_path) is None
    for name in (".kitfile", "kitfile", "Kitfile"):
        (tmp_path / name).write_text("")
        assert find_kitfile(tmp_path) == tmp_path / name
    (tmp_path / "Kitfile").unlink()
    (tmp_path / "Kitfile").mkdir()
    assert find_kitfile(tmp_path) == tmp_path / "kitfile"


# --- in Python


def test_python_values_become_what_json_can_hold():
    model = Model(
        parameters={"t": (1, 2), "d": datetime.date(2024, 1, 2), "f": Fraction(1, 2), "big": 2**70,
                    "when": datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)}
    )  # fmt: skip
    assert model.parameters == {
        "t": [1, 2], "d": "2024-01-02T00:00:00Z", "f": 0.5, "big": float(2**70), "when": "2024-01-02T03:04:05Z",
    }  # fmt: skip


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1: 2}, {"a": object()}, "\ud800", 10**400])
def test_python_values_that_json_cannot_hold_are_refused_where_they_are_given(value):
    with pytest.raises(ValidationError):
        Model(parameters=value)


def test_unknown_fields_are_refused_in_python_too():
    with pytest.raises(ValidationError, match="pth"):
        Model(pth="a")


def test_yaml_for_people_keeps_the_order_and_leaves_out_what_is_empty():
    kitfile = Kitfile(
        package=Package(name="churn", version="1.10", authors=["A", "B"]),
        model=Model(path="m.bin", digest="sha256:x", parameters={"lr": 1e-7, "note": "two\nlines\n", "on": "yes"}),
        docs=[Docs(path="README.md")],
    )
    assert kitfile.to_yaml() == textwrap.dedent(
        """\
        manifestVersion: 1.0.0
        package:
          name: churn
          version: "1.10"
          authors: [A, B]
        model:
          path: m.bin
          parameters:
            lr: 1.0e-7
            note: |
              two
              lines
            'on': 'yes'
        docs:
          - path: README.md
        """
    )


# --- entries


def test_entries_are_in_layer_order_with_addresses_and_cleaned_paths():
    kitfile = parse(
        """
        mcpServers: [{name: s, path: s.mcpb}]
        prompts: [{path: p/}]
        docs: [{path: ''}]
        datasets: [{name: d, path: ./data//x, license: MIT}, {path: r, remotePath: s3://b/k, remoteHash: e}]
        code: [{path: src/../lib}]
        model: {path: ./weights/, name: m, parts: [{path: a}, {path: b}]}
        """
    )
    found = [(e.address, e.section, e.path, e.name, e.license) for e in kitfile.entries()]
    assert found == [
        ("model", "model", "weights", "m", ""),
        ("model.parts[0]", "modelpart", "a", "", ""),
        ("model.parts[1]", "modelpart", "b", "", ""),
        ("code[0]", "code", "lib", "", ""),
        ("datasets[0]", "dataset", "data/x", "d", "MIT"),
        ("docs[0]", "docs", ".", "", ""),
        ("prompts[0]", "prompt", "p", "", ""),
        ("mcpServers[0]", "mcpb", "s.mcpb", "s", ""),
    ]


def test_a_model_without_a_path_has_no_layer():
    assert [e.address for e in Kitfile(model=Model(parts=[ModelPart(path="a")])).entries()] == ["model.parts[0]"]


@pytest.mark.parametrize(
    "path",
    ["base:v1", "host.io/repo:tag", "host:5000/repo", "org/base:v1", "host/repo@sha256:" + "a" * 64, "a.bin:1"],
)
def test_a_model_path_may_name_a_modelkit(path):
    kitfile = Kitfile(model=Model(path=path, parts=[ModelPart(path="adapter.bin")]))
    assert kitfile.model_reference() == path
    assert [entry.address for entry in kitfile.entries()] == ["model.parts[0]"]
    check_kitfile(kitfile.data())


@pytest.mark.parametrize(
    "path",
    ["model.bin", "weights/model", "", ".", "a@b", "A:b", "a:b/c:d", "with space:1", "oci:dir:tag", "x@sha256:a"],
)
def test_other_model_paths_are_paths(path):
    assert not is_modelkit_reference(path)
    assert Kitfile(model=Model(path=path)).model_reference() is None
