"""What was handed out keeps a name, also where a registry drops what has no tag."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from clients import client
from fault_proxy import FaultProxy, answer
from hypothesis import given
from hypothesis import strategies as st
from promotions import QUICK, Project, new_project
from registry_fixture import serve_registry
from variants import LABELS, make_index

import kitops_core as kitops
from kitops_core import Registries
from kitops_core.oci.own_tags import is_listed, is_own_tag, kept_digest, kept_tag, log_tag, logged
from kitops_core.reference import check_tag
from kitops_core.storage.registry import RegistryRepository

HEX = st.text("0123456789abcdef", min_size=64, max_size=64)
TAGS = st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}", fullmatch=True)


@pytest.fixture
def project(tmp_path: Path, dropping_registry: str) -> Project:
    return new_project(tmp_path / "project", dropping_registry)


@pytest.fixture
def repository(project: Project) -> Iterator[RegistryRepository]:
    registry, _, name = project.kit.partition("/")
    repository = RegistryRepository(registry, name, QUICK)
    yield repository
    repository.close()


def push_as_others_do(repository: RegistryRepository, digest: str, tag: str) -> None:
    """Point a tag at a manifest, as every client does it that has no names of its own for what it pushes."""
    repository._manifests.put(repository._manifests.fetch(digest), tag)


def forget(repository: RegistryRepository, digest: str) -> None:
    repository.untag(kept_tag(digest))


def test_the_kit_that_a_tag_had_before_it_was_packed_again_is_still_there_by_its_digest(project: Project) -> None:
    digests = [project.pack(version, "dev") for version in ("1.0", "2.0", "3.0")]
    assert [project.digest(f"{project.kit}@{digest}") for digest in digests] == digests


def test_the_kit_of_another_client_whose_tag_is_taken_over_is_still_there(
    project: Project, repository: RegistryRepository
) -> None:
    first = project.pack("1.0", "dev")
    push_as_others_do(repository, first, "other")
    forget(repository, first)
    project.pack("2.0", "dev")
    client(registries=Registries(others=QUICK)).tag(f"{project.kit}:dev", ["other"], where="registry")
    assert project.digest(f"{project.kit}@{first}") == first


def test_the_kit_that_a_copy_replaces_is_still_there(project: Project, tmp_path: Path) -> None:
    other = new_project(tmp_path / "other", project.kit.partition("/")[0])
    digests = []
    for version in ("1.0", "2.0"):
        digests.append(project.pack(version, "dev"))
        client(registries=Registries(others=QUICK)).copy(f"{project.kit}:dev", f"{other.kit}:prod", where="registry")
    assert [other.digest(f"{other.kit}@{digest}") for digest in digests] == digests


def test_the_clean_up_of_a_registry_takes_nothing_of_an_index(tmp_path: Path) -> None:
    """This registry's deletes what an index names, where it has no tag (findings/registry-clean-up-takes-…)."""
    with serve_registry() as served:
        name = f"{served.address}/test/llm"
        make_index(tmp_path, name)
        kitops.push(f"{name}:all")  # its kits by their digests
        kitops.attest_metrics(f"{name}:all", {"size": 3})
        program = shutil.which("docker-registry") or shutil.which("registry")
        assert program is not None
        subprocess.run([program, "garbage-collect", "-m", str(served.root / "config.yml")], check=True, timeout=60)
        for one in LABELS:
            with kitops.open(f"{name}:all?quantization={one}", where="registry") as kit:
                assert kit.read(f"{one}.gguf").startswith(one.encode())
        assert kitops.metrics(f"{name}:all") == {"size": 3}


def test_a_copy_by_digest_has_a_name(project: Project, repository: RegistryRepository, tmp_path: Path) -> None:
    digest = project.pack("1.0", "dev")
    other = new_project(tmp_path / "other", project.kit.partition("/")[0])
    client(registries=Registries(others=QUICK)).copy(
        f"{project.kit}@{digest}", f"{other.kit}@{digest}", where="registry"
    )
    assert other.digest(f"{other.kit}:{kept_tag(digest)}") == digest


def test_lists_do_not_show_the_names_that_keep_kits(project: Project, repository: RegistryRepository) -> None:
    digest = project.pack("1.0", "dev")
    assert [*repository.tags()] == ["dev"]
    assert [record.tag for record in client(registries=Registries(others=QUICK)).list_kits(project.kit)] == ["dev"]
    assert [*repository.own_tags()] == [kept_tag(digest)]


def test_tagging_what_has_the_tag_already_sends_nothing(tmp_path: Path, faults: FaultProxy) -> None:
    project = new_project(tmp_path / "project", faults.address)
    project.pack("1.0", "dev")
    faults.seen.clear()
    client(registries=Registries(others=QUICK)).tag(f"{project.kit}:dev", ["dev"], where="registry")
    assert {seen.method for seen in faults.seen} <= {"GET", "HEAD"}


@pytest.mark.parametrize("status", [409, 412])
def test_a_name_that_is_there_and_cannot_be_moved_is_as_good(tmp_path: Path, faults: FaultProxy, status: int) -> None:
    project = new_project(tmp_path / "project", faults.address)
    digest = project.pack("1.0", "dev")
    faults.fault("PUT", f"manifests/{kept_tag(digest)}", answer(status, b"immutable"))
    assert project.pack("1.0", "other") == digest
    assert project.digest(f"{project.kit}:other") == digest


@pytest.mark.parametrize("status", [409, 412])
def test_a_name_that_something_else_has_taken_is_an_error(tmp_path: Path, faults: FaultProxy, status: int) -> None:
    project = new_project(tmp_path / "project", faults.address)
    project.pack("1.0", "dev")
    faults.fault("PUT", "manifests/kitops-kept-", answer(status, b"immutable"))
    with pytest.raises(kitops.ConflictError):
        project.pack("2.0", "dev")


@given(HEX)
def test_a_kept_tag_says_the_digest(value: str) -> None:
    tag = kept_tag(f"sha256:{value}")
    assert kept_digest(check_tag(tag)) == f"sha256:{value}"
    assert is_own_tag(tag)
    assert kept_digest(f"sha256-{value}") == ""


@given(st.text("0123456789abcdef", min_size=128, max_size=128))
def test_a_longer_digest_has_a_tag_too(value: str) -> None:
    assert kept_digest(check_tag(kept_tag(f"sha512:{value}"))) == ""


@given(TAGS, st.integers(1, 10**17), HEX, TAGS)
def test_a_log_tag_says_which_move_of_which_tag(tag: str, number: int, value: str, other: str) -> None:
    own = check_tag(log_tag(tag, number, f"sha256:{value}"))
    assert logged(own, tag) == (own, number, value[:12])
    assert is_own_tag(own)
    assert not is_listed(own)
    if other[:80] != tag[:80]:
        assert logged(own, other) is None
