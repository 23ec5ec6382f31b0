"""What a Kitfile is checked for, and the way through plain values."""

import json
import re
from typing import Any, get_args, get_origin

import pytest
from golden_cases import load_case, load_cases
from kitfile_texts import problems_of
from pydantic import BaseModel

from kitops_core.errors import IntegrityError, KitfileError
from kitops_core.kitfile import (
    Code,
    Dataset,
    Docs,
    Kitfile,
    Model,
    ModelPart,
    Package,
    Prompt,
)
from kitops_core.kitfile.fields import KITFILE
from kitops_core.kitfile.validation import check_kitfile

PACKED = load_cases(fails=False)


# --- validation


def test_golden_kitfiles_that_can_be_packed_have_no_problems():
    for case in PACKED:
        check_kitfile(Kitfile.parse(case.kitfile).data())


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("error-absolute-path", "model: the path '/etc/hostname' is absolute"),
        ("error-duplicate-path", "model and code[0] use the same path 'a'"),
        ("error-escape", "code[0]: the path '../other' leads out of the context directory"),
        ("error-unknown-field", "line 2: unknown field 'modle'; did you mean 'model'?"),
    ],
)
def test_what_the_reference_refuses_is_refused_with_the_problem_named(name, problem):
    (found,) = problems_of(load_case(name).kitfile)
    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("a/../../b", "leads out of the context directory"),
        ("..", "leads out of the context directory"),
        ("//a", "is absolute"),
        ("C:\\a", "is absolute"),
        ("C:/a", "is absolute"),
        ("a\\b", "has a backslash"),
        ("a\0b", "has a NUL character"),
        ("https://host/a", "is a URL"),
        ("s3://bucket/key", "is a URL"),
        ("base:v1", "reads as a ModelKit reference"),
    ],
)
def test_paths_are_relative_and_stay_inside(path, problem):
    with pytest.raises(KitfileError) as caught:
        check_kitfile(Kitfile(docs=[Docs(path=path)]).data(), "k")
    assert problem in caught.value.message
    assert "docs[0]" in caught.value.message


@pytest.mark.parametrize("path", ["...", "..a", "a/..", "a/../b", "ünï/ö d.txt", "a@b.csv", "~/x", "-x"])
def test_unusual_paths_inside_the_context_are_fine(path):
    check_kitfile(Kitfile(docs=[Docs(path=path)]).data())


def test_an_empty_path_is_the_context_itself():
    with pytest.raises(KitfileError, match=r"code\[0\], datasets\[0\] and prompts\[0\] use the same path '.'"):
        check_kitfile(Kitfile(code=[Code()], datasets=[Dataset(path="./")], prompts=[Prompt(path=".")]).data())


def test_every_static_problem_is_named_at_once():
    assert problems_of(
        """
        model: {path: http://x/y, parts: [{path: a, type: -x}, {path: a, type: ok.1-x_Y}]}
        datasets:
          - {path: d, remotePath: gs://b/k}
          - {path: e, remoteHash: x}
          - {path: f, remotePath: s3://b/, remoteHash: x}
        mcpServers: [{path: s.zip}, {name: n, path: n.mcpb}, {name: n, path: o.mcpb}]
        """
    ) == [
        "model: the path 'http://x/y' is a URL; only files in the context directory can be packed",
        "model.parts[0] and model.parts[1] use the same path 'a'",
        "model.parts[0]: the type '-x' must be up to 64 letters, digits, '_', '.' and '-', "
        "starting with a letter, digit or '_'",
        "datasets[0]: remotePath 'gs://b/k' must be s3://bucket/key",
        "datasets[0]: remotePath needs a remoteHash (the object's ETag)",
        "datasets[1]: remoteHash is given without remotePath",
        "datasets[2]: remotePath 's3://b/' must be s3://bucket/key",
        "mcpServers[0]: the path 's.zip' must be one .mcpb file",
        "mcpServers[0]: a name is needed",
        "mcpServers[1] and mcpServers[2] have the same name 'n'",
    ]


@pytest.mark.parametrize(
    ("type_", "fine"), [("a" * 64, True), ("a" * 65, False), ("é", False), ("a b", False), ("_", True)]
)
def test_the_type_of_a_part_is_a_short_word(type_, fine):
    kitfile = Kitfile(model=Model(path="m", parts=[ModelPart(path="a", type=type_)]))
    if fine:
        check_kitfile(kitfile.data())
    else:
        with pytest.raises(KitfileError, match=r"model.parts\[0\]: the type"):
            check_kitfile(kitfile.data())


def declared(model):
    """The fields that a model declares: attribute, key, kind and what is in it, in order."""
    found = []
    for name, field in model.model_fields.items():
        parts = get_args(field.annotation) or (field.annotation,)
        inner = next(part for part in parts if part is not type(None))
        is_list = get_origin(field.annotation) is list
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found.append((name, field.alias, "sections" if is_list else "section", declared(inner)))
        else:
            found.append((name, field.alias, "any" if inner is Any else "texts" if is_list else "text", None))
    return found


def stated(fields):
    """The same of what reading and writing go by."""
    return [
        (f.attribute, f.key, f.kind, stated(f.section) if f.section else None) for f in (*fields.layer, *fields.own)
    ]


def test_the_models_declare_the_fields_that_are_read_and_written_in_their_order():
    assert declared(Kitfile) == stated(KITFILE)


def test_a_kitfile_survives_the_way_through_plain_values():
    kitfile = Kitfile(
        package=Package(name="n"), model=Model(path="m", parts=[ModelPart(path="p")], parameters={"a": [1, None]})
    )
    assert Kitfile.from_data(kitfile.data()) == kitfile
    assert kitfile.data().said() == json.loads(kitfile.to_config({}))


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"package": {"name": 3}}, "package.name must be text"),
        ({"package": []}, "package must be an object"),
        ({"datasets": {}}, "datasets must be a list"),
        ({"docs": [{"path": "a"}, None]}, "docs[1] must be an object"),
        ({"package": {"authors": ["a", None]}}, "package.authors[1] must be text"),
        ({"model": {"parts": [{"path": {}}]}}, "model.parts[0].path must be text"),
        ({"model": {"parameters": 10**400}}, "model.parameters: an integer too large for any reader"),
    ],
)
def test_a_config_with_another_kind_of_value_names_the_field(config, problem):
    with pytest.raises(IntegrityError, match=re.escape(f"c is not a Kitfile: {problem}")):
        Kitfile.from_config(json.dumps(config).encode(), "c")
