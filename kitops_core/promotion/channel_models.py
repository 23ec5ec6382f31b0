"""Channels as ``promotion.yaml`` writes them, with what each asks for."""

from __future__ import annotations

from pydantic import Field

from kitops_core.promotion.fields import Count, Duration, Section, Text
from kitops_core.promotion.gate_models import GateModel


class TrustPolicy(Section):
    """Whose word counts."""

    keys: list[Text] = Field(
        min_length=1,
        description="Public keys. Provenance, test results and promotion records count only when one of them signed.",
    )


class Approvals(Section):
    """Signed statements by which people let a kit in."""

    keys: list[Text] = Field(min_length=1, description="The public keys of those who may approve.")
    needed: Count = Field(1, description="How many of them must approve.")


class Retention(Section):
    """What `kitops prune` leaves."""

    keep: Count = Field(description="How many of the kits that were in this channel stay, newest first.")


class Channel(Section):
    """One environment."""

    from_: str = Field("", alias="from", description="The channel a kit must come through first; none for the entry.")
    target: str = Field(
        "",
        description="Where the channel is: registry/repository or registry/repository:tag. "
        "Without it the kit's repository; without a tag the channel's name. "
        "{kit} stands for the kit's repository without its registry.",
        examples=["registry.example.com/ml/churn", "registry.example.com/{kit}:production"],
    )
    gates: list[GateModel] = Field(default_factory=list, description="What a kit must show. All of them must pass.")
    soak: Duration | None = Field(None, description="How long a kit must have been in the upstream channel.")
    approvals: Approvals | None = Field(None, description="Who must approve.")
    version_tags: list[Text] = Field(
        default_factory=list,
        description="Tags that are given along with the channel's own and never move: "
        "{name} and {version} come from the Kitfile's package, {channel} and {digest} (12 digits) are known too.",
        examples=[["{version}", "v{version}-{channel}"]],
    )
    retention: Retention | None = Field(None, description="What stays when this channel is pruned; without it all.")


def is_key_file(name: str) -> bool:
    """Whether a key is named by its file, rather than by ``env://NAME`` or given as PEM text."""
    return not name.startswith("env://") and "-----BEGIN" not in name
