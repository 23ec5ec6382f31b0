"""Following a kit back to what it was made from, through two registries and the local store."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_runner import kit, ok
from clients import client, find_kit
from registry_fixture import PASSWORD, USERNAME, Served, free_port, serve_registry
from signing_tools import KEY, OTHER_KEY, write_keys

import kitops_core as kitops
from kitops_core import Registries
from kitops_core.errors import NotFoundError
from kitops_core.evidence.predicate_types import PROMOTION, SLSA_PROVENANCE
from kitops_core.evidence.statement import statement_for
from kitops_core.evidence.statements import attach_statement
from kitops_core.lineages import build
from kitops_core.lineages.graph import Edge, Node
from kitops_core.lineages.lineage import Lineage
from kitops_core.signing.keys import SigningKey


@pytest.fixture(scope="module")
def second_registry() -> Iterator[str]:
    with serve_registry() as served:
        yield served.address


@pytest.fixture
def name(registry: str) -> str:
    return f"{registry}/lineage/{uuid.uuid4().hex[:12]}"


@pytest.fixture
def make(tmp_path: Path):
    """Pack a kit whose model is ``text``, and push it unless told otherwise."""

    def pack(
        reference: str,
        text: str,
        *inputs: str | kitops.Input,
        model: str = "",
        key: SigningKey | None = None,
        push: bool = True,
        told: bool = True,
        registries: Registries | None = None,
    ) -> kitops.ModelKitRecord:
        root = tmp_path / uuid.uuid4().hex
        root.mkdir()
        (root / "file").write_text(text)
        described = f"model: {{path: '{model}'}}\ndocs: [{{path: file}}]" if model else "model: {path: file}"
        (root / "Kitfile").write_text(f"manifestVersion: 1.0.0\npackage: {{name: {text}}}\n{described}\n")
        provenance = kitops.Provenance(inputs=inputs, commit="c" * 40) if told else None
        return client(signer=key, registries=registries).pack(root, reference, push=push, provenance=provenance)

    return pack


def claim_inputs(reference: str, *uris: str, about: str = "") -> None:
    """Attach provenance that nobody signed, whatever it says."""
    found = find_kit(reference)
    dependencies = [{"uri": uri} for uri in uris]
    predicate = {"buildDefinition": {"resolvedDependencies": dependencies}}
    statement = statement_for(about or found.manifest.digest, SLSA_PROVENANCE, predicate)
    attach_statement(found.storage, found.manifest.descriptor, statement)
    found.storage.close()


def named(found: Lineage, name: str) -> Node:
    return next(node for node in found.nodes if node.name == name)


def edges(found: Lineage) -> set[tuple[str, str, str]]:
    """Child, relation and parent by their names."""
    return {(found.node(e.child).name, e.relation, found.node(e.parent).name) for e in found.edges}


def test_parents_are_followed_through_model_path_and_provenance_across_registries(
    make, name: str, second_registry: str
) -> None:
    corpus = kitops.Input("s3://lake/corpus", {"sha256": "1" * 64}, "corpus")
    base = f"{second_registry}/{uuid.uuid4().hex}:7"
    make(base, "base", corpus)
    make(f"{name}-encoder:2", "encoder", told=False)
    make(f"{name}:1", "churn", f"{name}-encoder:2", model=base)
    found = kitops.lineage(f"{name}:1")
    assert edges(found) == {
        ("churn", "model", "base"),
        ("churn", "input", "encoder"),
        ("churn", "commit", "a commit"),
        ("base", "input", "corpus"),
        ("base", "commit", "a commit"),
    }
    assert named(found, "base").storage == "registry"
    assert named(found, "corpus").digest == "sha256:" + "1" * 64
    assert found.nodes[0].name == "churn"


def test_the_local_store_is_followed_too(make) -> None:
    make("base:1", "base", push=False)
    make("churn:1", "churn", "base:1", push=False)
    found = kitops.lineage("churn:1")
    assert ("churn", "input", "base") in edges(found)
    assert named(found, "base").storage == "local store"


def test_evidence_is_that_of_the_registry_though_the_kit_is_here_too(make, either_registry: str) -> None:
    name = f"{either_registry}/lineage/{uuid.uuid4().hex[:12]}"
    make(f"{name}:1", "churn", "s3://lake/a")
    local = kitops.pull(f"{name}:1")
    found = kitops.lineage(f"{name}:1")
    assert (found.root, found.nodes[0].storage) == (local.digest, "registry")
    assert not edges(kitops.lineage(f"{name}:1", where="store"))
    assert ("churn", "input", "a") in edges(found)


def test_a_missing_parent_is_shown_as_missing(make, name: str) -> None:
    base = make(f"{name}-base:1", "base")
    make(f"{name}:1", "churn", f"{name}-base:1")
    kitops.remove(f"{name}-base@{base.digest}", where="registry", force=True)
    found = kitops.lineage(f"{name}:1")
    node = found.node(base.digest)
    assert (node.status, node.digest) == ("missing", base.digest)
    assert "base" in node.problem


def test_a_denied_parent_is_shown_as_denied(make, name: str, auth_registry: Served) -> None:
    secret = f"{auth_registry.address}/{uuid.uuid4().hex}:1"
    login = Registries({auth_registry.address: kitops.RegistryOptions(username=USERNAME, password=PASSWORD)})
    base = make(secret, "base", registries=login)
    make(f"{name}:1", "churn")
    claim_inputs(f"{name}:1", f"oci://{secret}@{base.digest}")
    assert kitops.lineage(f"{name}:1").node(base.digest).status == "denied"


def test_a_registry_that_does_not_answer_is_asked_once(make, name: str) -> None:
    dead = f"127.0.0.1:{free_port()}"
    make(f"{name}:1", "churn")
    claim_inputs(f"{name}:1", *(f"oci://{dead}/kit@sha256:{digit * 64}" for digit in "123"))
    options = kitops.RegistryOptions(keep_trying=0)
    found = client(registries=Registries(others=options)).lineage(f"{name}:1")
    gone = [node for node in found.nodes if node.name == "kit"]
    assert [node.status for node in gone] == ["unreadable"] * 3
    assert len({node.problem for node in gone}) == 1


def test_the_same_kit_is_looked_for_wherever_it_is_named(make, name: str, second_registry: str) -> None:
    base = make(f"{name}-base:1", "base", told=False)
    make(f"{name}:1", "churn", told=False)
    claim_inputs(f"{name}:1", f"oci://{second_registry}/gone@{base.digest}", f"oci://{name}-base@{base.digest}")
    found = kitops.lineage(f"{name}:1")
    assert found.node(base.digest).status == "found"
    assert len(found.nodes) == 2


def test_a_cycle_that_somebody_claims_ends(make, name: str) -> None:
    first = make(f"{name}:a", "a", told=False)
    second = make(f"{name}:b", "b", told=False)
    claim_inputs(f"{name}:a", f"oci://{name}@{second.digest}")
    claim_inputs(f"{name}:b", f"oci://{name}@{first.digest}", f"oci://{name}@{second.digest}")
    found = kitops.lineage(f"{name}:a")
    assert edges(found) == {("a", "input", "b"), ("b", "input", "a"), ("b", "input", "b")}
    assert "a cycle" in found.to_text()


def test_the_depth_ends_the_walk(make, name: str) -> None:
    make(f"{name}:0", "k0")
    for level in (1, 2, 3):
        make(f"{name}:{level}", f"k{level}", f"{name}:{level - 1}")
    found = kitops.lineage(f"{name}:3", depth=1)
    assert [(node.name, node.status) for node in found.nodes if node.kind == "kit"][:2] == [
        ("k3", "found"),
        ("k2", "found"),
    ]
    assert [node.status for node in found.nodes if node.kind == "kit"][2:] == ["not followed"]


def test_whoever_names_more_than_can_be_read_is_cut_off(make, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "MAX_KITS", 2)
    monkeypatch.setattr(build, "MAX_NODES", 4)
    bases = [make(f"{name}-base:{number}", f"base{number}", told=False) for number in range(5)]
    make(f"{name}:1", "churn", told=False)
    claim_inputs(f"{name}:1", *(f"oci://{name}-base@{base.digest}" for base in bases), "s3://lake/a")
    found = kitops.lineage(f"{name}:1")
    kits = [node for node in found.nodes if node.kind == "kit"]
    assert [node.status for node in kits] == ["found", "found", "not followed"]
    assert len(found.nodes) == 4
    assert not found.complete
    assert "and more" in found.to_text()
    assert "More is named than can be shown" in found.to_html()


def test_no_secret_of_a_strangers_statement_is_shown(make, name: str) -> None:
    make(f"{name}:1", "churn", told=False)
    claim_inputs(f"{name}:1", "https://me:hunter2@data.example/a?token=hunter2")
    found = kitops.lineage(f"{name}:1")
    assert "hunter2" not in json.dumps(found.to_dict())


def test_it_says_which_key_vouches_for_what(make, name: str) -> None:
    make(f"{name}:1", "churn", "s3://lake/a", key=KEY)
    by_key = kitops.lineage(f"{name}:1", keys=[OTHER_KEY.public, KEY.public])
    assert {edge.signer for edge in by_key.edges} == {"release.key"}
    assert "signed by release.key" in by_key.to_text()
    assert by_key.keys == ("other.key", "release.key")
    by_other = kitops.lineage(f"{name}:1", keys=[OTHER_KEY.public])
    assert {(edge.signed, edge.vouched) for edge in by_other.edges} == {(True, False)}
    assert "signed, by none of the keys given" in by_other.to_text()
    assert "signed, not checked" in kitops.lineage(f"{name}:1").to_text()


def test_of_two_who_claim_the_same_the_one_who_signed_counts(make, name: str) -> None:
    make(f"{name}:1", "churn", "s3://lake/a")
    make(f"{name}:1", "churn", "s3://lake/a", key=KEY)
    found = kitops.lineage(f"{name}:1", keys=[KEY.public])
    assert {edge.signer for edge in found.edges} == {"release.key"}


def test_a_statement_about_another_kit_is_not_believed(make, name: str) -> None:
    make(f"{name}:1", "churn", told=False)
    claim_inputs(f"{name}:1", "s3://lake/a", about="sha256:" + "9" * 64)
    found = kitops.lineage(f"{name}:1")
    assert found.edges == ()
    assert found.nodes[0].claims[0].problem == "it is about something else than this kit"


def test_promotions_are_shown_as_they_say(make, name: str) -> None:
    record = make(f"{name}:1", "churn", told=False)
    found = find_kit(f"{name}:1")
    said = {"channel": "prod", "action": "promote", "time": "2026-11-23T12:00:00Z"}
    nested = {"to": {"reference": "r.example/churn:prod"}, "gates": [{"name": "signed"}]}
    attach_statement(
        found.storage, found.manifest.descriptor, statement_for(record.digest, PROMOTION, said | nested), key=KEY
    )
    found.storage.close()
    (claim,) = kitops.lineage(f"{name}:1", keys=[KEY.public]).nodes[0].claims
    assert (claim.kind, claim.signer) == ("promotion", "release.key")
    assert claim.facts == {**said, "to": "r.example/churn:prod"}


def test_there_must_be_a_kit(name: str) -> None:
    with pytest.raises(NotFoundError):
        kitops.lineage(f"{name}:1")


def test_the_command_answers_in_four_forms(make, name: str, tmp_path: Path) -> None:
    make(f"{name}:1", "churn", "s3://lake/a", key=KEY)
    write_keys(tmp_path, KEY, "ci")
    tree = ok("lineage", f"{name}:1", "--verify", tmp_path / "ci.pub").out
    assert tree.startswith("churn  ")
    assert "├── commit  a commit cccccccccccc  [said by provenance, signed by ci.pub]" in tree.replace("└", "├")
    assert ok("lineage", f"{name}:1", "--mermaid").out.startswith("flowchart LR\n")
    answer = ok("lineage", f"{name}:1", "--json").json
    assert answer["schema"] == "kitops/lineage/v1"
    assert [edge["relation"] for edge in answer["edges"]] == ["input", "commit"]
    ran = ok("lineage", f"{name}:1", "--html", tmp_path / "lineage.html")
    assert (ran.out, (tmp_path / "lineage.html").read_text()[:15]) == ("", "<!doctype html>")
    assert kit("lineage", f"{name}:1", "--html", tmp_path / "no" / "x.html").code == 1
    assert kit("lineage", f"{name}:1", "--mermaid", "--json").code == 2


def test_a_tag_in_the_kitfile_is_what_it_is_now_until_signed_provenance_says_what_it_was(make, name: str) -> None:
    base = make(f"{name}-base:7", "base")
    make(f"{name}:1", "churn", model=f"{name}-base:7", told=False)
    (edge,) = kitops.lineage(f"{name}:1", keys=[KEY.public]).parents(kitops.lineage(f"{name}:1").root)
    assert (edge.relation, edge.by_tag, edge.vouched) == ("model", True, False)
    make(f"{name}:1", "churn", model=f"{name}-base:7", key=KEY)
    found = kitops.lineage(f"{name}:1", keys=[KEY.public])
    (edge,) = [edge for edge in found.edges if edge.parent == base.digest]
    assert (edge.relation, edge.signer, edge.vouched) == ("model", "release.key", True)
    make(f"{name}-base:7", "better")
    moved = kitops.lineage(f"{name}:1", keys=[KEY.public])
    assert {(moved.node(e.parent).name, e.vouched) for e in moved.edges if e.relation != "commit"} >= {
        ("base", True),
        ("better", False),
    }


def test_an_edge_of_the_kitfile_is_vouched_for_by_the_digest() -> None:
    assert Edge("a", "b", "model").vouched
    assert not Edge("a", "b", "model", by_tag=True).vouched
    assert not Edge("a", "b", "input", "sha256:1", signed=True).vouched
