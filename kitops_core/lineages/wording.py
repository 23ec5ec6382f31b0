"""The words that all renderings share."""

from __future__ import annotations

from kitops_core.lineages.graph import Claim, Edge, Graph, Node
from kitops_core.wording import parse_timestamp, printable


def title(node: Node) -> str:
    """A node's name and version on one line."""
    version = short(node.version) if node.kind == "commit" else node.version
    return printable(f"{node.name} {version}".strip())


def short(digest: str) -> str:
    """The first 12 digits of a digest or commit."""
    algorithm, colon, value = digest.rpartition(":")
    return algorithm + colon + value[:12]


def moment(time: str) -> str:
    """A time for people, to the second; what is no time of RFC 3339 stays as it is."""
    parsed = parse_timestamp(time)
    return f"{parsed:%Y-%m-%d %H:%M:%S} UTC" if parsed else time


def standing(item: Claim | Edge, lineage: Graph) -> str:
    """Who vouches for a claim or an edge."""
    if isinstance(item, Edge) and not item.claim:
        return "in the kit, by a tag as it is now" if item.by_tag else "in the kit"
    if item.signer:
        return f"signed by {item.signer}"
    if not item.signed:
        return "not signed"
    return "signed, by none of the keys given" if lineage.keys else "signed, not checked"


def node_standing(node: Node, lineage: Graph) -> str:
    """What is wrong with a node, or who vouches for it by a signature or provenance."""
    if node.kind == "commit":
        return {True: "files differed", False: "clean", None: ""}[node.dirty]
    if node.kind == "pipeline":
        return ""
    if node.kind == "data":
        return "" if node.digest else "no digest"
    if node.status != "found":
        return node.status
    claims = [claim for claim in node.claims if claim.kind in ("signature", "provenance") and not claim.problem]
    if not claims:
        return "nothing signed"
    signatures_first = sorted(claims, key=lambda claim: claim.kind != "signature")
    if signers := dict.fromkeys(claim.signer for claim in signatures_first if claim.signer):
        return f"signed by {', '.join(signers)}"
    return standing(max(claims, key=lambda claim: claim.signed), lineage)


def tone(node: Node, lineage: Graph) -> str:
    """How a node's standing is to be taken: ``good``, ``warn``, ``bad`` or ``plain``."""
    if node.kind != "kit":
        return "warn" if node.dirty or (node.kind == "data" and not node.digest) else "plain"
    if node.status in ("missing", "denied", "unreadable"):
        return "bad"
    if node.status == "not followed":
        return "plain"
    return "good" if node_standing(node, lineage).startswith("signed by ") else "warn"
