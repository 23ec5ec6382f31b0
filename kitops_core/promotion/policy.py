"""``promotion.yaml``: the channels a kit goes through, where they are, and what each asks for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator, model_validator

from kitops_core.errors import NotFoundError, PolicyError
from kitops_core.promotion.channel_models import Channel, TrustPolicy, is_key_file
from kitops_core.promotion.fields import Section, Text
from kitops_core.promotion.policy_problems import find_problems
from kitops_core.reference import Reference, parse_reference

if TYPE_CHECKING:
    from kitops_core.evidence.keys import PublicKey


class PromotionPolicy(Section):
    """The channels of one kit. Read with :func:`~kitops_core.promotion.policy_file.load_policy`, or made in Python.

    Raises:
        PolicyError: Parts that each are well formed do not fit together; names every problem.

    Example:
        >>> policy = PromotionPolicy(
        ...     kit="registry.example.com/ml/churn", channels={"dev": Channel(), "prod": Channel(from_="dev")}
        ... )
        >>> str(policy.target("prod"))
        'registry.example.com/ml/churn:prod'
    """

    kit: Text = Field(description="The kit's repository, without a tag.", examples=["registry.example.com/ml/churn"])
    trust: TrustPolicy | None = Field(None, description="Whose evidence counts; without it everyone's does.")
    channels: dict[str, Channel] = Field(min_length=1, description="The channels by name, in the order a kit takes.")

    _base: Path = PrivateAttr(default=Path())
    _loaded: dict[str, Any] = PrivateAttr(default_factory=dict)

    @field_validator("channels", mode="before")
    @classmethod
    def _bare_channels(cls, channels: Any) -> Any:
        if isinstance(channels, dict):
            return {name: {} if channel is None else channel for name, channel in channels.items()}
        return channels

    @model_validator(mode="after")
    def _fits_together(self, info: ValidationInfo) -> PromotionPolicy:
        context = info.context or {}
        self._base = Path(context.get("base", ""))
        problems = find_problems(self)
        if "problems" in context:
            context["problems"] += problems
        elif problems:
            raise PolicyError("the promotion policy", [str(problem) for problem in problems])
        return self

    def channel(self, name: str) -> Channel:
        """The channel of that name.

        Raises:
            NotFoundError: There is none; the hint names those there are.
        """
        if name in self.channels:
            return self.channels[name]
        close = get_close_matches(name, self.channels, 1)
        raise NotFoundError(
            f"there is no channel '{name}'",
            hint=f"did you mean '{close[0]}'?" if close else f"there are {', '.join(self.channels)}",
        )

    def target(self, name: str) -> Reference:
        """Where the channel ``name`` is: its repository and its tag.

        Raises:
            NotFoundError: There is no such channel.
        """
        target = self.channel(name).target
        reference = parse_reference(target or self.kit)
        return reference if target and reference.tag else reference.with_tag(name)

    def path(self, name: str) -> Path:
        """A file the policy names, relative to the directory it was read from; to the working directory otherwise."""
        return self._base / name

    def keys(self, names: Sequence[str]) -> tuple[PublicKey, ...]:
        """The public keys that the policy calls ``names``: files, ``env://NAME`` or PEM text.

        Raises:
            InvalidInputError: One cannot be read, or is no public key of a kind that can be checked.
        """
        from kitops_core.evidence.keys import PublicKey

        for name in names:
            if name not in self._loaded:
                self._loaded[name] = PublicKey.load(self.path(name) if is_key_file(name) else name)
        return tuple(self._loaded[name] for name in names)

    @property
    def trusted(self) -> tuple[PublicKey, ...]:
        """The keys whose evidence counts; empty where everyone's does.

        Raises:
            InvalidInputError: One cannot be read.
        """
        return self.keys(self.trust.keys) if self.trust else ()

    @property
    def digest(self) -> str:
        """``sha256:<hex>`` of what the policy says, whatever the file looks like."""
        data = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
