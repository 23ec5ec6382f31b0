"""Following a kit to what it was made from, through registries and the local store."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kitops_core.errors import CancelledError, DeniedError, KitOpsError, NotFoundError, RegistryError
from kitops_core.evidence.predicate_types import SLSA_PROVENANCE
from kitops_core.evidence.secrets import redact_text
from kitops_core.evidence.slsa_read import Build, read_build
from kitops_core.evidence.statements import read_evidence
from kitops_core.kits.stored_kit import read_kit
from kitops_core.lineages.claims import key_name, make_claim
from kitops_core.lineages.graph import Edge, Node, Relation, Status
from kitops_core.lineages.lineage import Lineage
from kitops_core.oci.kit_index import KitIndex
from kitops_core.reference import Reference, Where, parse_reference
from kitops_core.session import Found, FoundAny, FoundKit, Session
from kitops_core.wording import count_text

if TYPE_CHECKING:
    from kitops_core.evidence.inputs import Input
    from kitops_core.signing.keys import PublicKey

MAX_KITS = 200
"""How many kits are read: statements that nobody signed could name any number."""

MAX_NODES = 2000
"""How many kits, data and commits are noted at all."""


def lineage(
    session: Session,
    reference: str,
    *,
    depth: int = 10,
    keys: Sequence[PublicKey | str | Path] = (),
    where: Where = "any",
) -> Lineage:
    """See :meth:`kitops_core.Client.lineage`."""
    from kitops_core.signing.keys import PublicKey

    loaded = [key if isinstance(key, PublicKey) else PublicKey.load(key) for key in keys]
    walk = _Walk(session, loaded, depth, where)
    root = walk.start(reference)
    walk.follow()
    nodes, edges = tuple(walk.nodes.values()), tuple(walk.edges.values())
    return Lineage(root, nodes, edges, tuple(map(key_name, loaded)), walk.complete)


@dataclass(frozen=True)
class _Step:
    """A parent that was named, and is yet to be looked at."""

    edge: Edge
    reference: Reference
    level: int


class _Walk:
    """One walk, breadth first, so that the nearest kits are read where the depth or the number of kits ends it."""

    def __init__(self, session: Session, keys: Sequence[PublicKey], depth: int, where: Where) -> None:
        self.nodes: dict[str, Node] = {}
        self.edges: dict[tuple[str, str], Edge] = {}
        self._keys = keys
        self._depth = depth
        self._session = session
        self._where = where
        self._control = session.control
        self._steps: deque[_Step] = deque()
        self._read = 0
        self.complete = True
        self._silent: dict[str, str] = {}  # registries that did not answer, and what was said of that

    def follow(self) -> None:
        """Look at all that was named."""
        while self._steps:
            self._control.check()
            self._take(self._steps.popleft())

    def start(self, text: str) -> str:
        """Read the kit that the lineage is of; returns the id of its node."""
        found = self._session.find_subject(text, self._where)
        if isinstance(found.manifest, KitIndex):
            with closing(found.storage):
                return self._add_index(found, found.manifest)
        return self._note(Found(found.reference, found.storage, found.manifest, found.remote), 0)

    def _add_index(self, found: FoundAny, index: KitIndex) -> str:
        """An index as a node, over its kits, each with a lineage of its own."""
        evidence = read_evidence(found.storage, index.digest, control=self._control)
        self.nodes[index.digest] = Node(
            id=index.digest,
            kind="kit",
            status="found",
            reference=str(found.reference),
            name=f"{_name(found.reference)} ({count_text(len(index.entries), 'variant')})",
            digest=index.digest,
            storage=found.where,
            size=index.size,
            claims=tuple(make_claim(item, self._keys) for item in evidence),
        )
        self._steps += [
            _Step(Edge(index.digest, "", "model"), found.reference.with_digest(digest), 1) for digest in index.digests
        ]
        return index.digest

    def _read_parent(self, reference: Reference, level: int) -> str:
        """Read a kit that was named; a copy in the local store will do where its registry cannot give it."""
        try:
            found = self._session.find_subject_kit(str(reference), self._where)
        except CancelledError:
            raise
        except KitOpsError:
            if self._where != "any" or not reference.in_registry:
                raise
            with suppress(NotFoundError):
                return self._note(self._session.find(reference, "store"), level)
            raise
        return self._note(found, level)

    def _note(self, found: FoundKit, level: int) -> str:
        self._read += 1
        try:
            return self._add_kit(found, level)
        finally:
            found.storage.close()

    def _take(self, step: _Step) -> None:
        identity = step.reference.digest or str(step.reference)
        known = self.nodes.get(identity)
        if known is None and self._is_full():
            return
        # The same kit may be named in several places, and be gone from the first.
        if known is None or known.status in ("missing", "denied", "unreadable"):
            identity = self._try(step, identity)
        self._add_edge(replace(step.edge, parent=identity))

    def _try(self, step: _Step, identity: str) -> str:
        reference, host = step.reference, step.reference.registry
        status: Status = "not followed"
        problem = "further away than was asked for" if step.level > self._depth else ""
        if self._read >= MAX_KITS:
            problem = f"more than {MAX_KITS} kits are named"
        if not problem and host in self._silent:
            status, problem = "unreadable", self._silent[host]
        if not problem:
            try:
                return self._read_parent(reference, step.level)
            except CancelledError:
                raise
            except KitOpsError as error:
                status, problem = _status(error), error.message
                if isinstance(error, RegistryError) and error.status is None:
                    self._silent[host] = problem
        self.nodes.setdefault(
            identity,
            Node(identity, "kit", status, str(reference), _name(reference), digest=reference.digest, problem=problem),
        )
        return identity

    def _add_kit(self, found: FoundKit, level: int) -> str:
        kit = read_kit(found.storage, found.manifest, self._control)
        record = kit.record(found.reference)
        evidence = read_evidence(found.storage, found.manifest.digest, control=self._control)
        claims = tuple(make_claim(item, self._keys) for item in evidence)
        identity = found.manifest.digest
        self.nodes[identity] = Node(
            id=identity,
            kind="kit",
            status="found",
            reference=str(found.reference),
            name=kit.kitfile.package.name or _name(found.reference),
            version=kit.kitfile.package.version,
            digest=identity,
            storage=found.where,
            package=record.kit,
            size=kit.manifest.size,
            layers=record.layers,
            kitfile=kit.kitfile.to_yaml(),
            claims=claims,
            created=record.created,
        )
        model = kit.kitfile_data.model_reference()
        for named in kit.kitfile_data.references():
            kind: Relation = "model" if named == model else "input"
            parent = parse_reference(named)
            self._steps.append(_Step(Edge(identity, "", kind, by_tag=not parent.digest), parent, level + 1))
        for item, claim in zip(evidence, claims, strict=True):
            if item.statement is not None and item.predicate_type == SLSA_PROVENANCE and not claim.problem:
                edge = Edge(identity, "", "input", claim.digest, claim.signed, claim.signer)
                self._add_build(read_build(item.statement.predicate), edge, level)
        return identity

    def _add_build(self, build: Build, edge: Edge, level: int) -> None:
        """The inputs and the commit that a provenance statement names."""
        for item in build.inputs:
            reference = item.kit
            if reference is not None:
                self._steps.append(_Step(edge, reference, level + 1))
            else:
                self._add_leaf(_data(item), edge, "input")
        if build.commit:
            repository = redact_text(build.repository)
            name = repository.removesuffix(".git").rstrip("/").rpartition("/")[2] or "a commit"
            identity = f"commit {repository} {build.commit} {build.dirty}"
            node = Node(identity, "commit", "found", repository, name, build.commit, build.commit, dirty=build.dirty)
            self._add_leaf(node, edge, "commit")

    def _is_full(self) -> bool:
        if len(self.nodes) >= MAX_NODES:
            self.complete = False
        return not self.complete

    def _add_leaf(self, node: Node, edge: Edge, relation: Relation) -> None:
        if node.id not in self.nodes and self._is_full():
            return
        self.nodes.setdefault(node.id, node)
        self._add_edge(replace(edge, parent=node.id, relation=relation))

    def _add_edge(self, edge: Edge) -> None:
        """Note an edge; of several between the same two, what most vouches for stays."""
        key = (edge.child, edge.parent)
        before = self.edges.get(key, edge)
        best = max(before, edge, key=lambda one: (one.vouched, not one.claim, one.signed))
        named_by_model = "model" in (before.relation, edge.relation)
        self.edges[key] = replace(best, relation="model") if named_by_model else best


def _data(item: Input) -> Node:
    algorithm, value = next(iter(sorted(item.digest.items(), key=lambda pair: pair[0] != "sha256")), ("", ""))
    digest = f"{algorithm}:{value}" if value else ""
    uri = redact_text(item.uri)
    name = redact_text(item.name) or uri.rstrip("/").rpartition("/")[2] or uri
    return Node(f"data {uri} {digest}", "data", "found", uri, name or digest, digest=digest)


def _name(reference: Reference) -> str:
    return (reference.repository or reference.layout).rpartition("/")[2]


def _status(error: KitOpsError) -> Status:
    if isinstance(error, NotFoundError):
        return "missing"
    return "denied" if isinstance(error, DeniedError) else "unreadable"
