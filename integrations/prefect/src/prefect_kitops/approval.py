"""The question put to a person before a promotion, and their answer."""

from __future__ import annotations

from typing import Literal

from prefect.input import RunInput
from pydantic import Field


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


class PromotionRejectedError(Exception):
    """A person rejected a promotion; nothing was changed."""


class PromotionSupersededError(Exception):
    """The channel's upstream moved on from a kit before it was promoted; nothing was changed."""


class PromotionCheckError(Exception):
    """The check after a promotion failed; the channel got back what it had."""
