"""``promotion.yaml``: the channels a kit goes through, where they are, and what each asks for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator, model_validator

from kitops_core.errors import InvalidReferenceError, NotFoundError, PolicyError
from kitops_core.kitfile.yaml_document import Place
from kitops_core.oci.own_tags import is_listed
from kitops_core.promotion.channel_models import Channel, TrustPolicy, is_key_file
from kitops_core.promotion.fields import Section, Text
from kitops_core.promotion.gate_models import GateModel, Keyed, Metric, Signed
from kitops_core.promotion.kitfile_fields import field_problem
from kitops_core.promotion.version_tags import template_problem
from kitops_core.reference import Reference, channel_reference, check_tag, parse_name

if TYPE_CHECKING:
    from kitops_core.signing.keys import PublicKey


KIT = "{kit}"
"""What stands for the kit's repository, without its registry, in a channel's target."""


class Problem(NamedTuple):
    """Something that must be mended.

    Attributes:
        place: The field, step by step, as the file has it.
        text: What is wrong with it.
    """

    place: Place
    text: str

    def __str__(self) -> str:
        return f"{place_text(self.place)}: {self.text}" if self.place else self.text


def place_text(place: Place) -> str:
    """A field as people write it: ``channels.prod.gates[0].metric.min``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return text.removeprefix(".")


class PromotionPolicy(Section):
    """The channels of one kit, or of several that go the same way.

    Read with :func:`~kitops_core.promotion.policy_file.load_policy`, or made in Python.

    Raises:
        PolicyError: Parts that each are well formed do not fit together; names every problem.

    Example:
        >>> policy = PromotionPolicy(
        ...     kit="registry.example.com/ml/churn", channels={"dev": Channel(), "prod": Channel(from_="dev")}
        ... )
        >>> str(policy.target("prod"))
        'registry.example.com/ml/churn:prod'
    """

    kit: str = Field("", description="The kit's repository, without a tag.", examples=["registry.example.com/ml/churn"])
    kits: list[Text] = Field(
        default_factory=list,
        description="Instead of kit: the repositories of several kits that go through these channels, each by itself.",
        examples=[["registry.example.com/ml/churn", "registry.example.com/ml/fraud"]],
    )
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
        channel = self.channel(name)
        return channel_reference(self.kit, channel.target and _filled(channel.target, self.kit), name)

    def each(self) -> list[PromotionPolicy]:
        """The policy of each of its kits, by itself."""
        return [self._only(kit) for kit in self.kits] if self.kits else [self]

    def of(self, kit: str) -> PromotionPolicy:
        """The policy of one of its kits, which is named by its repository, with its registry or without.

        Raises:
            NotFoundError: It is not among them; the hint names one that is nearly called so.
        """
        names = {_path(name): name for name in self.kits or [self.kit]}
        names.update({name: name for name in names.values()})
        if kit not in names:
            close = get_close_matches(kit, names, 1)
            raise NotFoundError(
                f"the policy has no kit '{kit}'",
                hint=f"did you mean '{close[0]}'?" if close else f"it has {', '.join([*names][:5])}",
            )
        return self._only(names[kit])

    def _only(self, kit: str) -> PromotionPolicy:
        return self.model_copy(update={"kit": kit, "kits": []})

    def path(self, name: str) -> Path:
        """A file the policy names, relative to the directory it was read from; to the working directory otherwise."""
        return self._base / name

    def keys(self, names: Sequence[str]) -> tuple[PublicKey, ...]:
        """The public keys that the policy calls ``names``: files, ``env://NAME`` or PEM text.

        Raises:
            InvalidInputError: One cannot be read, or is no public key of a kind that can be checked.
        """
        from kitops_core.signing.keys import PublicKey

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


def find_problems(policy: PromotionPolicy) -> list[Problem]:
    """Everything that is wrong with a policy whose parts are well formed by themselves."""
    problems = [*_kit_problems(policy)]
    policy = policy.each()[0]
    if policy.trust is not None:
        problems += _key_problems(policy, ("trust", "keys"), policy.trust.keys)
    for name, channel in policy.channels.items():
        problems += _channel_problems(policy, name, channel)
    problems += _cycles(policy)
    problems += _shared_targets(policy)
    return problems


def _kit_problems(policy: PromotionPolicy) -> Iterator[Problem]:
    if policy.kit and policy.kits:
        yield Problem(("kits",), "stands beside kit; write one of them")
    elif not policy.kit and not policy.kits:
        yield Problem(("kit",), "is missing")
    named: list[tuple[Place, str]] = [(("kits", index), kit) for index, kit in enumerate(policy.kits)]
    seen: set[str] = set()
    for place, kit in named or [(("kit",), policy.kit)] if policy.kit or policy.kits else []:
        reference = _reference(kit)
        if isinstance(reference, str):
            yield Problem(place, reference)
        elif reference.tag or reference.digest:
            yield Problem(place, f"'{kit}' names one kit; write the repository only: {reference.name}")
        elif kit in seen:
            yield Problem(place, f"{kit} is there already")
        seen.add(kit)
    for name, channel in policy.channels.items() if len(policy.kits) > 1 else ():
        if channel.target and KIT not in channel.target:
            problem = f"'{channel.target}' is one place for all kits; write {KIT} for the kit's repository in it"
            yield Problem(("channels", name, "target"), problem)


def _channel_problems(policy: PromotionPolicy, name: str, channel: Channel) -> Iterator[Problem]:
    place: Place = ("channels", name)
    try:
        check_tag(name)
    except InvalidReferenceError as error:
        yield Problem(place, f"the name of a channel follows the rules of a tag: {error.hint}")
    if not is_listed(name):
        yield Problem(place, "tags of this form only hold what is attached to a kit")
    if channel.from_ and channel.from_ not in policy.channels:
        yield Problem((*place, "from"), _unknown_channel(policy, channel.from_))
    if channel.soak is not None and not channel.from_:
        yield Problem((*place, "soak"), "needs 'from': the time is counted in the channel a kit comes from")
    yield from _target_problems(channel, (*place, "target"))
    if channel.approvals is not None:
        keys = channel.approvals.keys
        yield from _key_problems(policy, (*place, "approvals", "keys"), keys)
        yield from _needed_problems((*place, "approvals", "needed"), channel.approvals.needed, keys)
    for index, template in enumerate(channel.version_tags):
        problem = template_problem(template)
        if problem:
            yield Problem((*place, "version_tags", index), problem)
    for index, gate in enumerate(channel.gates):
        yield from _gate_problems(policy, (*place, "gates", index), gate)


def _target_problems(channel: Channel, place: Place) -> Iterator[Problem]:
    if not channel.target:
        return
    reference = _reference(channel.target.replace(KIT, "kit"))
    if isinstance(reference, str):
        yield Problem(place, reference)
    elif reference.digest:
        yield Problem(place, f"'{channel.target}' names a digest; a channel is a tag, which kits move through")


def _gate_problems(policy: PromotionPolicy, place: Place, gate: GateModel) -> Iterator[Problem]:
    for kind in ("signed", "provenance", "metric"):
        keyed = getattr(gate, kind)
        if isinstance(keyed, Keyed):
            yield from _keyed_problems(policy, (*place, kind), keyed)
    if isinstance(gate.metric, Metric) and gate.metric.not_worse_than:
        other = gate.metric.not_worse_than
        if other not in policy.channels:
            yield Problem((*place, "metric", "not_worse_than"), _unknown_channel(policy, other))
    for index, field in enumerate(gate.required or ()):
        problem = field_problem(field)
        if problem:
            yield Problem((*place, "required", index), problem)


def _keyed_problems(policy: PromotionPolicy, place: Place, gate: Keyed) -> Iterator[Problem]:
    if gate.key:
        yield from (Problem((*place, "key"), problem.text) for problem in _key_problems(policy, (), [gate.key]))
    yield from _key_problems(policy, (*place, "keys"), gate.keys)
    if not isinstance(gate, Signed):
        return
    if gate.identity:
        if not policy.path(gate.trust_root).is_file():
            yield Problem((*place, "trust_root"), f"there is no file {policy.path(gate.trust_root)}")
    elif not gate.key_names and policy.trust is None:
        yield Problem(place, "names nobody: give key, keys or identity here, or keys under trust")
    else:
        keys = gate.key_names or (policy.trust.keys if policy.trust else ())
        yield from _needed_problems((*place, "needed"), gate.needed, keys)


def _key_problems(policy: PromotionPolicy, place: Place, keys: Sequence[str]) -> Iterator[Problem]:
    for index, key in enumerate(keys):
        if key in keys[:index]:
            yield Problem((*place, index), f"{key} is there already")
        elif is_key_file(key) and not policy.path(key).is_file():
            yield Problem((*place, index), f"there is no file {policy.path(key)}")


def _needed_problems(place: Place, needed: int, keys: Sequence[str]) -> Iterator[Problem]:
    if needed > len(set(keys)):
        yield Problem(place, f"{needed} of {len(set(keys))} keys can never be met")


def _cycles(policy: PromotionPolicy) -> Iterator[Problem]:
    seen: set[str] = set()
    for start in policy.channels:
        path: dict[str, None] = {}
        name = start
        while name in policy.channels and name not in path and name not in seen:
            path[name] = None
            name = policy.channels[name].from_
        if name in path:
            circle = list(path)[list(path).index(name) :]
            yield Problem(("channels", name, "from"), f"goes round in a circle: {' from '.join([*circle, name])}")
        seen |= path.keys()


def _shared_targets(policy: PromotionPolicy) -> Iterator[Problem]:
    seen: dict[tuple[str, str], str] = {}
    for name in policy.channels:
        try:
            target = policy.target(name)
        except InvalidReferenceError:
            continue
        first = seen.setdefault((target.name.lower(), target.tag), name)
        if first != name:
            yield Problem(("channels", name, "target"), f"{target} is the channel {first} already")


def _filled(target: str, kit: str) -> str:
    """A channel's target for one kit."""
    return target.replace(KIT, _path(kit)) if KIT in target else target


def _path(kit: str) -> str:
    """The repository without its registry, as far as it can be read."""
    reference = _reference(kit)
    return kit if isinstance(reference, str) else reference.repository


def _reference(text: str) -> Reference | str:
    try:
        return parse_name(text)
    except InvalidReferenceError as error:
        return f"{error.message}; {error.hint}"


def _unknown_channel(policy: PromotionPolicy, name: str) -> str:
    close = get_close_matches(name, policy.channels, 1)
    guess = f"did you mean '{close[0]}'?" if close else f"there are {', '.join(policy.channels)}"
    return f"there is no channel '{name}'; {guess}"
