"""What a catalogue shows, as data: kits and their versions, and what tables and graphs tell of each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone

from kitops_core.lineages.graph import Claim, Edge, Graph
from kitops_core.lineages.wording import node_standing, standing, tone
from kitops_core.reference import Reference
from kitops_core.wording import parse_timestamp, timestamp_text

_METRIC = "metric "
_NAME, _TEXT = 100, 2000  # what tables show of what a Kitfile says, which may be megabytes
_FIRST = datetime.min.replace(tzinfo=timezone.utc)


@dataclass(frozen=True)
class Parent:
    """A kit that a version says it was made from.

    Attributes:
        reference: Its name, as the kit or its provenance has it.
        edge: Who says so.
    """

    reference: str
    edge: Edge


@dataclass(frozen=True)
class Move:
    """A promotion or rollback, as a statement on a version says it; whether it counts, a policy decides.

    Attributes:
        time: When, RFC 3339.
        action: ``promote`` or ``rollback``.
        channel: The channel.
        to: The reference that was moved.
        actor: Who did it.
        digest: What the channel had from then on.
        standing: Who vouches for the statement.
        signed: Whether a key that was given verifies it.
    """

    time: str
    action: str
    channel: str
    to: str
    actor: str
    digest: str
    standing: str
    signed: bool


@dataclass(frozen=True)
class Version:
    """One kit or index of a repository, by its digest.

    Attributes:
        digest: Its digest.
        tags: The tags that point to it, sorted as people count.
        name: The package's name, or that of the repository.
        version: The package's version, or an empty string.
        description: The package's description.
        license: The package's licence.
        size: Bytes as stored.
        variants: How many kits an index has; 0 for a kit.
        time: When it was made, as its provenance or its manifest says, or when something was first attached to it;
            ``None`` where nothing says.
        standing: Who vouches for it.
        tone: How that is to be taken: ``good``, ``warn``, ``bad`` or ``plain``.
        metrics: What was measured, by name, with who vouches for it.
        pipelines: What made it: orchestrator and pipeline.
        parents: The kits it was made from.
        moves: Promotions and rollbacks that are said of it.
        fact: The key under which its lineage is kept.
    """

    digest: str
    tags: tuple[str, ...]
    name: str
    version: str
    description: str
    license: str
    size: int
    variants: int
    time: datetime | None
    standing: str
    tone: str
    metrics: Mapping[str, tuple[str, str]]
    pipelines: tuple[tuple[str, str], ...]
    parents: tuple[Parent, ...]
    moves: tuple[Move, ...]
    fact: str

    @property
    def title(self) -> str:
        """What to call it among the versions of its kit: its version, its first tag or its digest."""
        return self.version or next(iter(self.tags), "") or self.digest[:19]


@dataclass(frozen=True)
class Kit:
    """A repository.

    Attributes:
        reference: Its name.
        versions: Its kits and indexes, newest first.
        tags: The digests of its tags.
        passed_over: How many tags are of something else: images, say.
        problems: What could not be read, in sentences.
        denied: Whether it could not be read because the registry refused.
    """

    reference: Reference
    versions: tuple[Version, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    passed_over: int = 0
    problems: tuple[str, ...] = ()
    denied: bool = False

    @property
    def name(self) -> str:
        """``registry/repository``."""
        return self.reference.name

    @property
    def newest(self) -> Version | None:
        """The newest version."""
        return self.versions[0] if self.versions else None


def version_of(graph: Graph, tags: Sequence[str], fact: str) -> Version:
    """What tables show of a version, from its lineage one step deep."""
    node = graph.node(graph.root)
    claims = [claim for claim in node.claims if not claim.problem]
    names = {one.id: one.reference for one in graph.nodes}
    kits = {one.id for one in graph.nodes if one.kind == "kit"}
    parents = [Parent(names[edge.parent], edge) for edge in graph.parents(node.id) if edge.parent in kits]
    builds = [claim.facts for claim in claims if claim.kind == "provenance"]
    pipelines = ((build.get("orchestrator", ""), build.get("pipeline", "")) for build in builds)
    index = not node.layers and not node.kitfile
    return Version(
        digest=node.digest,
        tags=tuple(sorted(tags, key=natural)),
        name=_cut(node.name, _NAME),
        version=_cut(node.version, _NAME),
        description=_cut(str(node.package.get("description", "")), _TEXT),
        license=_cut(str(node.package.get("license", "")), _NAME),
        size=node.size,
        variants=len(parents) if index else 0,
        time=_made(node.created, claims),
        standing=node_standing(node, graph),
        tone=tone(node, graph),
        metrics=_metrics(claims, graph),
        pipelines=tuple(dict.fromkeys(pair for pair in pipelines if any(pair))),
        parents=() if index else tuple(parents),
        moves=tuple(_move(claim, graph) for claim in claims if claim.kind == "promotion"),
        fact=fact,
    )


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def natural(text: str) -> tuple[list[tuple[int, int, str]], str]:
    """A key to sort texts as people count: ``v2`` before ``v10``."""
    parts = re.findall(r"\d{1,18}|\D+|\d+", text)
    return [(0, int(part), "") if part.isascii() and part.isdecimal() else (1, 0, part) for part in parts], text


def newest_first(versions: Sequence[Version]) -> tuple[Version, ...]:
    """Sort versions: by time, those without one last, and else by version and tags."""
    return tuple(
        sorted(
            versions,
            key=lambda one: (one.time or _FIRST, natural(one.version or next(iter(one.tags), "")), one.digest),
            reverse=True,
        )
    )


def _made(created: str, claims: Sequence[Claim]) -> datetime | None:
    """The end of the build, else the time in the manifest, else that of what was attached first."""
    builds = [claim.facts.get("finished") for claim in claims if claim.kind == "provenance"]
    for texts in (builds, [created], [claim.created for claim in claims]):
        if known := [time for text in texts if (time := parse_timestamp(text)) is not None]:
            return min(known)
    return None


def _metrics(claims: Sequence[Claim], graph: Graph) -> dict[str, tuple[str, str]]:
    """Of every figure the one that counts most: vouched for first, then the latest."""
    results = [claim for claim in claims if claim.kind == "test result"]
    results.sort(key=lambda claim: (bool(claim.signer), claim.facts.get("time", claim.created)))
    return {
        name.removeprefix(_METRIC): (value, standing(claim, graph))
        for claim in results
        for name, value in claim.facts.items()
        if name.startswith(_METRIC)
    }


def _move(claim: Claim, graph: Graph) -> Move:
    facts = claim.facts
    time = parse_timestamp(facts.get("time"))
    return Move(
        time=timestamp_text(time) if time else "",
        action=facts.get("action", ""),
        channel=facts.get("channel", ""),
        to=facts.get("to", ""),
        actor=facts.get("actor", ""),
        digest=facts.get("digest", ""),
        standing=standing(claim, graph),
        signed=bool(claim.signer),
    )
