"""Gates ``license``, ``required`` and ``max_size``: what the kit itself says and holds."""

from __future__ import annotations

import pytest
from promotion_world import World

import kitops_core as kitops


def pack(world: World, kitfile: str) -> str:
    (world.directory / "kit" / "Kitfile").write_text("manifestVersion: 1.0.0\n" + kitfile)
    return kitops.pack(world.directory / "kit", "churn:other").digest


def test_licenses_that_are_all_allowed_pass(world: World) -> None:
    result = world.ask("license: {allow: [apache-2.0, MIT]}")
    assert (result.passed, result.name) == (True, "license Apache-2.0, MIT")


@pytest.mark.parametrize(
    ("kitfile", "detail"),
    [
        ("package: {license: GPL-3.0}\nmodel: {path: model.bin, license: MIT}", "package is GPL-3.0"),
        ("package: {license: MIT}\nmodel: {path: model.bin, license: Llama-3}", "model is Llama-3"),
        (
            "package: {license: MIT}\nmodel: {path: model.bin, parts: [{path: data.csv, license: X}]}",
            "model.parts[0] is X",
        ),
        ("package: {license: MIT}\ndatasets: [{name: a, path: data.csv, license: X}]", "datasets[0] is X"),
        ("package: {license: MIT}\ncode: [{path: data.csv, license: X}]", "code[0] is X"),
        ("package: {license: MIT OR X}\nmodel: {path: model.bin}", "package is MIT OR X"),
        ("package: {name: churn}\nmodel: {path: model.bin}", "the Kitfile names no license"),
    ],
)
def test_a_license_that_is_not_allowed_or_not_named_is_refused(kitfile: str, detail: str, world: World) -> None:
    result = world.ask("license: {allow: [MIT]}", digest=pack(world, kitfile))
    assert (result.passed, result.detail) == (False, detail)


@pytest.mark.parametrize(
    "fields",
    ["model", "datasets, package.license", "model.parameters", "model.parameters.max_depth", "datasets.name"],
)
def test_what_the_kitfile_has_passes(fields: str, world: World) -> None:
    assert world.ask(f"required: [{fields}]").passed


@pytest.mark.parametrize(
    "field", ["docs", "package.authors", "model.parameters.eta", "datasets.license", "model.parts.path", "mcpServers"]
)
def test_what_the_kitfile_lacks_is_refused_by_name(field: str, world: World) -> None:
    result = world.ask(f"required: [model, {field}]")
    assert (result.passed, result.name, result.detail) == (False, f"has model, {field}", f"without {field}")


def test_every_entry_of_a_list_must_have_the_field(world: World) -> None:
    kitfile = "datasets: [{name: a, path: data.csv, license: MIT}, {name: b, path: model.bin}]"
    digest = pack(world, kitfile)
    assert not world.ask("required: [datasets.license]", digest=digest).passed
    assert world.ask("required: [datasets.name]", digest=digest).passed


def test_a_kit_up_to_the_size_passes_and_one_byte_more_does_not(world: World) -> None:
    size = world.find(world.digest).manifest.size
    assert world.ask(f"max_size: {size}").passed
    result = world.ask(f"max_size: {size - 1}")
    assert not result.passed
    assert f"{size} bytes" in result.detail
    assert world.ask("max_size: 10GiB").name == "at most 10.0 GiB"
