"""What a promotion waits for: the question put to a person before it and their answer, and the check after it."""

from __future__ import annotations

from typing import Literal

from prefect.input import RunInput
from pydantic import BaseModel, ConfigDict, Field


class PromotionApproval(RunInput):
    """A person's answer. A run that is resumed without one is not approved.

    Attributes:
        decision: ``approve`` or ``reject``.
        approver: Who decided; it gets into the promotion's record.
        note: Why.
    """

    decision: Literal["approve", "reject"] = Field(default="reject", description="Whether this very digest goes ahead.")
    approver: str = Field(default="", description="Your name; it gets into the promotion's record.")
    note: str = Field(default="", description="Why; it gets into the promotion's record.")


class PromotionCheck(BaseModel):
    """What looks at a kit in the channel it was promoted to.

    Attributes:
        deployment: The deployment that is run, with the kit as its parameter ``reference``.
        seconds: How long it is waited for; a run that does not end by then counts as failed.
    """

    model_config = ConfigDict(extra="forbid")

    deployment: str = Field(description="A deployment (flow/deployment) that takes the kit as its parameter reference.")
    seconds: int = Field(default=3600, gt=0, description="How long it is waited for; else it counts as failed.")


class PromotionRejectedError(Exception):
    """A person rejected a promotion; nothing was changed."""


class PromotionSupersededError(Exception):
    """The channel's upstream moved on from a kit before it was promoted; nothing was changed."""


class PromotionCheckError(Exception):
    """The check after a promotion failed; the channel got back what it had."""
