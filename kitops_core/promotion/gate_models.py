"""The gates as ``promotion.yaml`` writes them. What they do is in :mod:`kitops_core.promotion.gates`."""

from __future__ import annotations

from datetime import timedelta

from pydantic import ConfigDict, Field, model_validator

from kitops_core.promotion.fields import Count, Duration, Number, Section, Size, Text


class Keyed(Section):
    """A gate that names the keys its evidence must be signed by."""

    key: str = Field("", description="The public key that counts: a file beside this one, env://NAME, or the PEM text.")
    keys: list[Text] = Field(default_factory=list, description="Several public keys, each of which counts.")

    @property
    def key_names(self) -> tuple[str, ...]:
        """The keys as they were written, however they were given."""
        return ((self.key,) if self.key else ()) + tuple(self.keys)


class Signed(Keyed):
    """The kit must be signed, by keys or by an identity; without either, by the keys under trust."""

    needed: Count = Field(1, description="How many different keys must have signed.")
    identity: str = Field("", description="Keyless: the identity in the certificate, such as a workflow's address.")
    issuer: str = Field("", description="Keyless: who vouches for the identity.")
    trust_root: str = Field("", description="Keyless: the trusted root's JSON file, relative to this one.")

    @model_validator(mode="after")
    def _one_kind(self) -> Signed:
        keyless = (self.identity, self.issuer, self.trust_root)
        if any(keyless) and not all(keyless):
            raise ValueError("identity, issuer and trust_root are only given together")
        if self.identity and self.key_names:
            raise ValueError("is either signed by keys or by an identity: write two gates for both")
        if self.identity and self.needed > 1:
            raise ValueError("needed counts keys; an identity signs once")
        return self


class BuiltBy(Keyed):
    """There must be provenance of the kit; with conditions, one provenance that meets all of them."""

    builder: str = Field("", description="The builder's id; * stands for anything.")
    repository: str = Field("", description="The git repository the kit was built from; * stands for anything.")
    clean: bool = Field(False, strict=True, description="Whether the git tree must have had no uncommitted changes.")


class Metric(Keyed):
    """A metric from the newest test result that has it must be within bounds."""

    name: Text = Field(description="The metric's name in the test result.")
    min: Number | None = Field(None, description="The smallest value that passes.")
    max: Number | None = Field(None, description="The largest value that passes.")
    not_worse_than: str = Field("", description="A channel: the value of the kit that is there now is the bound.")
    by: Number = Field(0.0, ge=0, description="How much worse than that channel's value still passes.")
    higher_is_better: bool = Field(True, strict=True, description="Which way is worse, for not_worse_than.")

    @model_validator(mode="after")
    def _bounded(self) -> Metric:
        if self.min is None and self.max is None and not self.not_worse_than:
            raise ValueError("needs a bound: min, max or not_worse_than")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}: nothing could pass")
        if self.by and not self.not_worse_than:
            raise ValueError("by is only for not_worse_than")
        return self


class License(Section):
    """Every licence that the Kitfile names must be on the list, and it must name one."""

    allow: list[Text] = Field(min_length=1, description="SPDX identifiers, such as Apache-2.0.")


class Age(Section):
    """The time since the kit was made."""

    max: Duration | None = Field(None, description="The oldest that passes.")
    min: Duration | None = Field(None, description="The youngest that passes.")

    @model_validator(mode="after")
    def _bounded(self) -> Age:
        if self.min is None and self.max is None:
            raise ValueError("needs a bound: min or max")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min is above max: nothing could pass")
        return self


class Command(Section):
    """A command that must end with exit code 0.

    It finds KITOPS_DIGEST, KITOPS_REFERENCE, KITOPS_CHANNEL and KITOPS_PREVIOUS_DIGEST in its environment, and runs in
    this file's directory. The last line it writes is shown.
    """

    run: list[Text] = Field(default_factory=list, description="The program and its arguments; no shell is involved.")
    shell: str = Field("", description="A command line for /bin/sh, instead of run.")
    timeout: Duration = Field(
        timedelta(minutes=1),
        description="After this time it is ended, and refuses.",
        json_schema_extra={"default": "1m"},
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Command:
        if bool(self.run) == bool(self.shell):
            raise ValueError("needs either run (a list) or shell (a line)")
        if self.timeout <= timedelta(0):
            raise ValueError("timeout must be above 0")
        return self


class GateModel(Section):
    """One gate: exactly one of these."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    signed: Signed | None = Field(None, description="The kit is signed by these keys, or by this identity.")
    provenance: BuiltBy | None = Field(None, description="The kit has provenance: who built it, from what.")
    metric: Metric | None = Field(None, description="A metric of the kit's test results is within bounds.")
    license: License | None = Field(None, description="The licences that the Kitfile names are allowed.")
    required: list[Text] | None = Field(
        None,
        min_length=1,
        description="Sections and fields the Kitfile must have.",
        examples=[["model", "docs", "package.license"]],
    )
    max_size: Size | None = Field(None, description="The largest kit that passes: config and layers as stored.")
    age: Age | None = Field(None, description="The time since the kit was made, from its provenance.")
    command: Command | None = Field(None, description="A command of yours that decides.")

    @model_validator(mode="after")
    def _exactly_one(self) -> GateModel:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            what = f"has {' and '.join(given)}" if given else "is empty"
            raise ValueError(f"{what}; a gate is exactly one of {', '.join(type(self).model_fields)}")
        return self
