"""Following a kit to what it was made from, through registries and the local store."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kitops_core.errors import CancelledError, DeniedError, KitOpsError, NotFoundError, RegistryError
from kitops_core.events import Cancel, Control
from kitops_core.evidence.predicate_types import SLSA_PROVENANCE
from kitops_core.evidence.secrets import redact_text
from kitops_core.evidence.slsa_read import Build, read_build
from kitops_core.kits.find import FoundKit, find_kit, open_storage
from kitops_core.kits.stored_kit import read_kit
from kitops_core.lineages.claims import key_name, make_claim
from kitops_core.lineages.graph import Edge, Node, Relation, Status
from kitops_core.lineages.lineage import Lineage
from kitops_core.reference import Reference, parse_reference

if TYPE_CHECKING:
    from kitops_core.evidence.inputs import Input
    from kitops_core.evidence.keys import PublicKey
    from kitops_core.evidence.statements import Evidence
    from kitops_core.storage.registry import RegistryOptions

MAX_KITS = 200
"""How many kits are read: statements that nobody signed could name any number."""

MAX_NODES = 2000
"""How many kits, data and commits are noted at all."""


def lineage(
    reference: str,
    *,
    depth: int = 10,
    keys: Sequence[PublicKey | str | Path] = (),
    remote: bool | None = None,
    store: Path | None = None,
    registry: RegistryOptions | None = None,
    cancel: Cancel | None = None,
) -> Lineage:
    """What a kit was made from: parent kits and theirs, data, commits, and the evidence attached to each.

    Follows ``model.path`` of the Kitfile and the resolved dependencies of provenance statements. A parent that is gone
    or that may not be read is shown as such, and a cycle ends.

    Args:
        reference: The kit.
        depth: How many generations of parents to read.
        keys: Public keys, or where to load them from, to check signatures with.
        remote: ``True`` reads from registries only, ``False`` from the local store only.
        store: The local store's directory, where it is not the default.
        registry: How to talk to registries.
        cancel: A switch that stops between requests.

    Raises:
        NotFoundError: There is no such kit.
        DeniedError, RegistryError, StoreError: The kit itself could not be read.
        IntegrityError: It is not what its digest says.
        InvalidInputError: A key cannot be used.
    """
    from kitops_core.evidence.keys import PublicKey

    loaded = [key if isinstance(key, PublicKey) else PublicKey.load(key) for key in keys]
    walk = _Walk(loaded, depth, remote, store, registry, Control(cancel=cancel))
    root = walk.read(reference, remote)
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

    def __init__(
        self,
        keys: Sequence[PublicKey],
        depth: int,
        remote: bool | None,
        store: Path | None,
        registry: RegistryOptions | None,
        control: Control,
    ) -> None:
        self.nodes: dict[str, Node] = {}
        self.edges: dict[tuple[str, str], Edge] = {}
        self._keys = keys
        self._depth = depth
        self._remote = remote
        self._store = store
        self._registry = registry
        self._control = control
        self._steps: deque[_Step] = deque()
        self._read = 0
        self.complete = True
        self._silent: dict[str, str] = {}  # registries that did not answer, and what was said of that

    def follow(self) -> None:
        """Look at all that was named."""
        while self._steps:
            self._control.check()
            self._take(self._steps.popleft())

    def read(self, text: str, remote: bool | None, level: int = 0) -> str:
        """Read a kit and note what it names; returns the id of its node."""
        found = find_kit(text, remote=remote, store=self._store, registry=self._registry)
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
                return self.read(str(reference), False if reference.is_local_name else self._remote, step.level)
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
        evidence = self._evidence(found)
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
        )
        if parent := kit.kitfile.model_reference():
            model = parse_reference(parent)
            self._steps.append(_Step(Edge(identity, "", "model", by_tag=not model.digest), model, level + 1))
        for item, claim in zip(evidence, claims, strict=True):
            if item.statement is not None and item.predicate_type == SLSA_PROVENANCE and not claim.problem:
                edge = Edge(identity, "", "input", claim.digest, claim.signed, claim.signer)
                self._add_build(read_build(item.statement.predicate), edge, level)
        return identity

    def _evidence(self, found: FoundKit) -> list[Evidence]:
        """What is attached to a kit; in its registry too, where the local store has the kit without its provenance."""
        from kitops_core.evidence.statements import read_evidence

        digest = found.manifest.digest
        evidence = read_evidence(found.storage, digest, control=self._control)
        local_only = found.remote or self._remote is False or found.reference.is_local_name or found.reference.layout
        if local_only or any(item.predicate_type == SLSA_PROVENANCE for item in evidence):
            return evidence
        host = found.reference.registry
        if host in self._silent:
            return evidence
        storage = open_storage(found.reference, remote=True, registry=self._registry)
        try:
            there = read_evidence(storage, digest, control=self._control)
        except (NotFoundError, DeniedError):
            return evidence
        except RegistryError as error:
            self._silent[host] = error.message
            return evidence
        finally:
            storage.close()
        here = {item.digest for item in evidence}
        return evidence + [item for item in there if item.digest not in here]

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
