"""The lineage of a kit as data: nodes, edges, and what stands behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from kitops_core.record import LayerRecord

SCHEMA = "kitops/lineage/v1"

Kind = Literal["kit", "data", "commit", "pipeline"]
Status = Literal["found", "missing", "denied", "unreadable", "not followed"]
Relation = Literal["model", "input", "commit", "build"]


@dataclass(frozen=True)
class Claim:
    """One piece of evidence attached to a kit.

    Attributes:
        digest: Digest of the referrer that carries it.
        kind: What it is, in a word or two: ``provenance``, ``test result``, ``signature``, ``promotion`` ...
        predicate_type: The statement's predicate type; empty where it is no statement.
        artifact_type: The referrer's artifact type.
        signed: Whether it carries a signature, checked or not.
        signer: Name of the key given that verifies it; empty where none does.
        created: When its maker says it was made, RFC 3339; not to be trusted.
        facts: What it says, in few words: names and values.
        problem: Why it could not be read, or does not count.
    """

    digest: str
    kind: str
    predicate_type: str
    artifact_type: str
    signed: bool
    signer: str
    created: str
    facts: Mapping[str, str]
    problem: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The claim as JSON."""
        return {**vars(self), "facts": dict(self.facts)}


@dataclass(frozen=True)
class Node:
    """A kit, or something a kit was made from.

    Attributes:
        id: The digest of a kit, or a name that is unique in the graph.
        kind: ``kit``, ``data``, ``commit``, or ``pipeline`` where a graph is of what makes which kit.
        status: Whether a kit could be read: ``found``, ``missing``, ``denied``, ``unreadable`` or ``not followed``.
        reference: The kit's reference pinned to its digest, or a URI.
        name: What to call it.
        version: The package's version, or the commit.
        digest: ``algorithm:hex``, or an empty string.
        problem: Why a kit could not be read.
        storage: Where a kit was read: ``registry``, ``local store`` or ``layout``.
        package: Name, version, description, license and authors from the Kitfile.
        size: Bytes of a kit as stored.
        layers: A kit's layers.
        kitfile: A kit's Kitfile as YAML.
        claims: The evidence attached to a kit.
        dirty: Whether the files differed from the commit, ``None`` where nobody says.
        created: When a kit was made as its manifest says it (RFC 3339); empty where it carries no time.
    """

    id: str
    kind: Kind
    status: Status
    reference: str
    name: str
    version: str = ""
    digest: str = ""
    problem: str = ""
    storage: str = ""
    package: Mapping[str, Any] = field(default_factory=dict)
    size: int = 0
    layers: tuple[LayerRecord, ...] = ()
    kitfile: str = ""
    claims: tuple[Claim, ...] = ()
    dirty: bool | None = None
    created: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The node as JSON."""
        return {
            **vars(self),
            "package": dict(self.package),
            "layers": [layer.to_dict() for layer in self.layers],
            "claims": [claim.to_dict() for claim in self.claims],
        }


@dataclass(frozen=True)
class Edge:
    """That one node was made from another, and who says so.

    Attributes:
        child: Id of the kit.
        parent: Id of what it was made from.
        relation: ``model`` (the Kitfile's ``model.path`` names it), ``input``, ``commit``, or ``build`` where a
            pipeline made it.
        claim: Digest of the referrer that says so; empty where the Kitfile does, which the kit's digest covers.
        signed: Whether that referrer carries a signature.
        signer: Name of the key given that verifies it; empty where none does.
        by_tag: Whether the Kitfile names a tag: the parent is what that tag is now, whatever it was then.
    """

    child: str
    parent: str
    relation: Relation
    claim: str = ""
    signed: bool = False
    signer: str = ""
    by_tag: bool = False

    @property
    def vouched(self) -> bool:
        """Whether the kit's digest or a key given vouches for it."""
        return bool(self.signer) or not (self.claim or self.by_tag)


@dataclass(frozen=True)
class Graph:
    """What a kit was made from, for all that draws it.

    Attributes:
        root: Id of the kit; empty for a graph of several kits.
        nodes: All nodes, the kit first.
        edges: All edges.
        keys: Names of the keys that were given to check signatures with.
        complete: Whether everything that is named is here; a limit on the number of nodes ended it otherwise.
    """

    root: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    keys: tuple[str, ...] = ()
    complete: bool = True

    def node(self, identity: str) -> Node:
        """The node with this id."""
        return next(node for node in self.nodes if node.id == identity)

    def parents(self, identity: str) -> list[Edge]:
        """What the node with this id was made from."""
        return [edge for edge in self.edges if edge.child == identity]

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Graph:
        """Read what :meth:`to_dict` of this very version wrote."""
        nodes = (
            Node(
                **{
                    **node,
                    "layers": tuple(LayerRecord(**layer) for layer in node["layers"]),
                    "claims": tuple(Claim(**claim) for claim in node["claims"]),
                }
            )
            for node in data["nodes"]
        )
        edges = (Edge(**edge) for edge in data["edges"])
        return Graph(data["root"], tuple(nodes), tuple(edges), tuple(data["keys"]), data["complete"])

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON with a ``schema`` key."""
        return {
            "schema": SCHEMA,
            "root": self.root,
            "nodes": [node.to_dict() for node in self.nodes],
            "edges": [dict(vars(edge)) for edge in self.edges],
            "keys": list(self.keys),
            "complete": self.complete,
        }
