"""What `kitops list` shows: which kits, in which form, and which tags it could not read."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_runner import kit, ok
from layer_files import write_files

import kitops_core as kitops


@pytest.fixture(autouse=True)
def _kits(tmp_path: Path) -> None:
    write_files(
        tmp_path / "a",
        {"Kitfile": "package: {name: churn, version: 1.2.0, authors: [Ada, Bob]}\ncode: [{path: x}]\n", "x": ""},
    )
    for tag in ("1.0", "1.1", "dev"):
        ok("pack", tmp_path / "a", "-t", f"ml/churn:{tag}")
    write_files(tmp_path / "b", {"Kitfile": "package: {name: fraud}\ncode: [{path: x}]\n", "x": ""})
    ok("pack", tmp_path / "b", "-t", "ml/fraud:1.0")


@pytest.mark.parametrize(
    ("filters", "references"),
    [
        (["tag=1.*"], ["ml/churn:1.0", "ml/churn:1.1", "ml/fraud:1.0"]),
        (["tag=1.*", "kit.name=churn"], ["ml/churn:1.0", "ml/churn:1.1"]),
        (["repository=ml/f*"], ["ml/fraud:1.0"]),
        (["kit.authors=Bob", "tag=dev"], ["ml/churn:dev"]),
        (["tag=none"], []),
    ],
)
def test_kits_are_chosen_by_the_fields_of_their_records(filters: list[str], references: list[str]) -> None:
    options = [option for text in filters for option in ("--filter", text)]
    assert ok("list", *options, "--format", "{{.reference}}").out.split() == references
    assert [record["reference"] for record in ok("list", *options, "--json").json] == references


def test_a_line_has_the_fields_that_it_names() -> None:
    out = ok("list", "--filter", "tag=dev", "-f", r"{{ .kit.name }}\t{{tag}} {{.kit.authors}}").out
    assert out == 'churn\tdev ["Ada", "Bob"]\n'


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--format", "{{.weight}}"], "a kit has no field 'weight'"),
        (["--format", "yaml"], "'yaml' names no field"),
        (["--filter", "tag"], "'tag' is not a filter"),
        (["--filter", "weight=1"], "a kit has no field 'weight'"),
    ],
)
def test_what_is_no_field_is_said(options: list[str], says: str) -> None:
    ran = kit("list", *options)
    assert ran.code == 3
    assert says in ran.err


def test_tags_that_are_no_kits_are_named(tmp_path: Path) -> None:
    layout = f"oci:{tmp_path}/layout"
    ok("pack", tmp_path / "a", "-t", f"{layout}:1.0")
    ok("image", f"{layout}:1.0", "--tag", "1.0-image")
    ran = ok("list", layout)
    assert [line.split()[1] for line in ran.out.splitlines()[1:]] == ["1.0"]
    assert "1 tag of no kit that can be read: 1.0-image" in ran.err


def test_a_store_with_a_broken_manifest_still_lists_the_others() -> None:
    from kitops_core.storage.local import LocalStore

    (fraud,) = [record for record in kitops.list_kits() if record.repository == "ml/fraud"]
    root = LocalStore(None).root
    (blob,) = root.rglob(fraud.digest.removeprefix("sha256:"))
    blob.chmod(0o600)
    blob.write_text("{}")
    ran = ok("list", "--format", "{{.reference}}")
    assert ran.out.split() == ["ml/churn:1.0", "ml/churn:1.1", "ml/churn:dev"]
    assert "1 tag of no kit that can be read: 1.0" in ran.err
