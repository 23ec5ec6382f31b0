"""Lineages made by hand, for the tests of what is drawn of them."""

from __future__ import annotations

from kitops_core.evidence.identifiers import HOME
from kitops_core.lineages.graph import Claim, Edge, Node
from kitops_core.lineages.lineage import Lineage
from kitops_core.record import LayerRecord

HOSTILE = "</title></pre></svg><img src=x onerror=alert(1)>\"'&<script>document.title='owned'</script>\u202e\x1b[31m"


def digest(letter: str) -> str:
    return "sha256:" + letter * 64


def claim(kind: str, letter: str, *, signer: str = "", signed: bool = True, problem: str = "", **facts: str) -> Claim:
    predicate = {"provenance": "https://slsa.dev/provenance/v1", "signature": "https://sigstore.dev/cosign/sign/v1"}
    return Claim(
        digest=digest(letter),
        kind=kind,
        predicate_type=predicate.get(kind, f"{HOME}attestation/{kind.replace(' ', '-')}/v1"),
        artifact_type="application/vnd.dev.sigstore.bundle.v0.3+json",
        signed=signed,
        signer=signer,
        created="2026-11-23T18:00:00Z",
        facts={name.replace("__", " "): value for name, value in facts.items()},
        problem=problem,
    )


def churn() -> Lineage:
    """A kit fine-tuned from a base kit, with data, a commit, promotions, and a parent that nobody may read."""
    registry = "registry.example.com/ml"
    kitfile = """\
manifestVersion: 1.0.0
package:
  name: churn
  version: 2.4.0
  description: Says which customers are about to leave, and why.
  license: Apache-2.0
model:
  name: churn
  path: registry.example.com/ml/base:7
  parameters: {max_depth: 8, learning_rate: 0.1}
datasets:
  - {name: eval, path: data/eval.parquet}
"""
    root = Node(
        id=digest("a"),
        kind="kit",
        status="found",
        reference=f"{registry}/churn:2.4.0@{digest('a')}",
        name="churn",
        version="2.4.0",
        digest=digest("a"),
        storage="registry",
        package={
            "name": "churn",
            "version": "2.4.0",
            "description": "Says which customers are about to leave, and why.",
            "license": "Apache-2.0",
            "authors": ["Ada Park", "Ben Ito"],
        },
        size=1_288_490_188,
        layers=(
            LayerRecord("model", "model.safetensors", "application/x", digest("1"), digest("1"), 1_288_000_000),
            LayerRecord("dataset", "data/eval.parquet", "application/x", digest("2"), digest("2"), 480_188),
            LayerRecord("docs", "README.md", "application/x", digest("3"), digest("3"), 4096),
        ),
        kitfile=kitfile,
        claims=(
            claim("signature", "4", signer="release.pub"),
            claim(
                "provenance",
                "5",
                signer="ci.pub",
                builder=f"{HOME}builder/airflow/v1",
                orchestrator="airflow",
                pipeline="train_churn",
                task="fit",
                run="scheduled__2026-11-23T00:00:00+00:00",
                url="https://airflow.example.com/dags/train_churn/runs/scheduled__2026-11-23",
                started="2026-11-23T00:00:04Z",
                finished="2026-11-23T01:12:40Z",
                repository="https://github.com/example/churn",
                commit="9f2c1e7ab04d55c0e1f2a3b4c5d6e7f8091a2b3c",
                dirty="no",
                parameter__max_depth="8",
            ),
            claim("test result", "6", signer="ci.pub", result="PASSED", metric__accuracy="0.941", metric__auc="0.972"),
            claim("bill of materials", "8", signed=False),
            claim(
                "promotion",
                "7",
                signer="release.pub",
                channel="staging",
                to="registry.example.com/ml/churn:staging",
                action="promote",
                time="2026-11-23T09:00:00Z",
                actor="ada@example.com",
                previousDigest=digest("f"),
            ),
            claim(
                "promotion",
                "9",
                signed=False,
                channel="prod",
                to="registry.prod.example.com/ml/churn:prod",
                action="promote",
                time="2026-11-24T10:30:00Z",
                actor="ben@example.com",
                previousDigest=digest("e"),
            ),
        ),
    )
    base = Node(
        id=digest("b"),
        kind="kit",
        status="found",
        reference=f"{registry}/base:7@{digest('b')}",
        name="tabular-base",
        version="7",
        digest=digest("b"),
        storage="registry",
        package={"name": "tabular-base", "version": "7", "license": "MIT"},
        size=900_000_000,
        kitfile="manifestVersion: 1.0.0\npackage: {name: tabular-base}\n",
        claims=(claim("provenance", "c", signed=False, pipeline="pretrain"),),
    )
    gone = Node(
        digest("d"), "kit", "denied", f"vendor.example.com/encoder@{digest('d')}", "encoder", digest=digest("d")
    )
    data = Node("d1", "data", "found", "s3://lake/churn/train-2026-11.parquet", "train-2026-11", digest=digest("1"))
    loose = Node("d2", "data", "found", "https://data.example.com/regions.csv", "regions.csv")
    corpus = Node("d3", "data", "found", "s3://lake/tables", "tables", digest=digest("2"))
    commit = Node(
        "c1",
        "commit",
        "found",
        "https://github.com/example/churn",
        "churn",
        "9f2c1e7ab04d55c0e1f2a3b4c5d6e7f8091a2b3c",
        "9f2c1e7ab04d55c0e1f2a3b4c5d6e7f8091a2b3c",
        dirty=False,
    )
    edges = (
        Edge(root.id, base.id, "model"),
        Edge(root.id, "d1", "input", digest("5"), True, "ci.pub"),
        Edge(root.id, "d2", "input", digest("5"), True, "ci.pub"),
        Edge(root.id, "c1", "commit", digest("5"), True, "ci.pub"),
        Edge(base.id, gone.id, "input", digest("c")),
        Edge(base.id, "d3", "input", digest("c")),
        Edge(root.id, "d3", "input", digest("5"), True, "ci.pub"),
    )
    return Lineage(root.id, (root, base, data, loose, commit, gone, corpus), edges, ("release.pub", "ci.pub"))


def hostile() -> Lineage:
    """A lineage whose every text tries to get out, and whose edges go round in circles."""
    ids = [f"{letter}{HOSTILE}" for letter in "abc"]
    package = {"name": HOSTILE, "description": HOSTILE, "license": HOSTILE, "authors": [HOSTILE]}
    nodes = [
        Node(
            id=identity,
            kind="kit",
            status="found",
            reference="javascript:alert(1)//" + HOSTILE,
            name=HOSTILE,
            version=HOSTILE,
            digest=digest("a"),
            problem=HOSTILE,
            package=package,
            layers=(LayerRecord("model", HOSTILE * 3, HOSTILE, HOSTILE, HOSTILE, 1),),
            kitfile=f"a: {HOSTILE}\nb: {HOSTILE}",
            claims=(claim("provenance", "5", signer=HOSTILE, **{"url": "javascript:alert(1)", HOSTILE: HOSTILE}),),
        )
        for identity in ids
    ]
    edges = [Edge(ids[0], ids[1], "input", HOSTILE, True), Edge(ids[1], ids[0], "input"), Edge(ids[1], ids[2], "input")]
    return Lineage(ids[0], tuple(nodes), tuple(edges), (HOSTILE,))
