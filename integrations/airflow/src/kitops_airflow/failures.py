"""The engine's errors in Airflow's words: what is worth another try, and what is not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.providers.common.compat.sdk import AirflowFailException

from kitops_core import (
    GateRefusedError,
    IntegrityError,
    InvalidInputError,
    KitOpsError,
    LostRaceError,
    SourceError,
)


class KitOpsTaskError(AirflowFailException):
    """A task failed in a way that another try would not mend: Airflow does not retry it."""


class KitOpsGateRefusedError(KitOpsTaskError):
    """A gate refused a promotion; the message names each gate and why. Nothing was changed."""


class KitOpsLostRaceError(KitOpsTaskError):
    """A channel does not have what was expected, or another writer moved its tag: look at it, then decide again."""


@contextmanager
def airflow_failures() -> Iterator[None]:
    """Inside the block, an error says what can be done about it, and one that is sure to come again is not retried.

    Retried are: a registry that cannot be reached or refuses (the credentials may be renewed, a right may be given), a
    store that cannot be written, files that are missing or changed while they were read, and a kit that is not there
    yet.

    Raises:
        KitOpsGateRefusedError: A gate refused a promotion.
        KitOpsLostRaceError: Another writer moved the tag.
        KitOpsTaskError: The input cannot be used, or bytes are not what their digest says.
        KitOpsError: The engine failed in another way; the message holds the hint too.
    """
    try:
        yield
    except KitOpsError as error:
        text = f"{error.message}: {error.hint}" if error.hint else error.message
        if isinstance(error, GateRefusedError):
            raise KitOpsGateRefusedError(text) from error
        if isinstance(error, LostRaceError):
            raise KitOpsLostRaceError(text) from error
        if isinstance(error, (InvalidInputError, IntegrityError)) and not isinstance(error, SourceError):
            raise KitOpsTaskError(text) from error
        error.message = text
        raise
