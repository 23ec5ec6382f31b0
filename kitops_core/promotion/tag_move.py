"""Moving a channel's tag: the claim before, the log tag after; :mod:`kitops_core.promotion.move` has the protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Literal

from kitops_core.errors import KitOpsError, LostRaceError, RegistryError
from kitops_core.events import Control, Event
from kitops_core.oci.kit_index import AnyManifest
from kitops_core.oci.own_tags import claim_tag, claimed, log_tag, logged
from kitops_core.parallel import run_all
from kitops_core.promotion.history import HistoryReader
from kitops_core.session import digest_of

if TYPE_CHECKING:
    from kitops_core.oci.manifest import Manifest
    from kitops_core.promotion.records import PromotionRecord
    from kitops_core.reference import Reference
    from kitops_core.storage import Storage


class TagMove:
    """One move of a channel's tag.

    Args:
        storage: The channel's repository.
        target: The channel's target.
        current: What the tag has, or an empty string.
        reader: What has read the channel's past, on which the move builds.
        control: Progress and cancelling.

    Attributes:
        stage: How far it is.
    """

    def __init__(
        self, storage: Storage, target: Reference, current: str, reader: HistoryReader, control: Control
    ) -> None:
        self.stage: Literal["preparing", "writing", "written"] = "preparing"
        self._storage = storage
        self._target = target
        self._current = current
        self._reader = reader
        self._control = control
        self._claim = ""

    def claim(self, record: Manifest, number: int) -> None:
        """Let all who are about to move the tag know that we are.

        Args:
            record: The record of the move.
            number: Which move it is.
        """
        self._claim = claim_tag(self._target.target, number, record.digest)
        self._storage.keep(record, self._claim)

    def swap(
        self,
        manifest: AnyManifest,
        record: Manifest,
        said: PromotionRecord,
        to_list: Sequence[Callable[[], None]],
        built_on: Callable[[str, PromotionRecord], bool],
    ) -> None:
        """Move the tag and log that it was moved; then list the record for other tools.

        Args:
            manifest: What the tag shall point at.
            record: The record, which was claimed.
            said: What it says.
            to_list: Lists it for other tools.
            built_on: Whether what the channel has instead was promoted by somebody who knew of a record.

        Raises:
            LostRaceError: Another writer moved the tag.
            RegistryError: The tag was moved, and that could not be logged.
        """

        def writing() -> None:
            self.stage = "writing"

        def written() -> None:
            self.stage = "written"
            then: list[Callable[[Control], None]] = [lambda _: self._log(manifest, record, said)]
            then += [partial(self._list, one) for one in to_list]
            run_all(then, self._control, at_once=True)

        try:
            self._storage.swap_tag(
                manifest,
                self._target.target,
                self._current,
                control=self._control,
                writing=writing,
                written=written,
                alone=self._is_alone,
            )
        except LostRaceError as error:
            if self.stage != "written" or not built_on(error.found, replace(said, record=record.digest)):
                raise
            detail = f"was promoted, and then {error.found}, at almost the same time"
            self._control.emit(Event("warning", f"{self._target}@{manifest.digest}", detail=detail))

    def _log(self, manifest: AnyManifest, record: Manifest, said: PromotionRecord) -> None:
        try:
            self._storage.keep(record, log_tag(self._target.target, said.number, record.digest))
        except KitOpsError as error:
            raise RegistryError(
                f"{self._target} was moved to {manifest.digest}, and that could not be logged: {error.message}",
                hint=error.hint or "the next promotion finds it all the same, unless something else moves the tag",
            ) from error

    def _list(self, list_record: Callable[[], None], _: Control) -> None:
        try:
            list_record()
        except KitOpsError as error:  # other tools do not see it in their list; we find it all the same
            self._control.emit(Event("warning", str(self._target), detail=error.message))

    def _is_alone(self) -> bool:
        """Whether nobody else claims the tag.

        A claim whose move is logged is done with, and so is one of an earlier move: its writer was killed, or found
        that it had lost. Where our own is not listed, the list is an old one, and proves nothing.

        Raises:
            LostRaceError: Somebody moved the tag after we had read its log.
        """
        tag, known = self._target.target, self._reader.log_tags
        own_tags = [*self._storage.own_tags()]
        log = [entry for own_tag in own_tags if (entry := logged(own_tag, tag))]
        if any(entry.tag not in known for entry in log):
            found = ""
            with suppress(KitOpsError):
                found = digest_of(self._storage, tag)
            raise LostRaceError(
                f"{self._target} was promoted by somebody else meanwhile, and is {found or 'absent'}",
                expected=self._current,
                found=found,
                hint="look at what happened with `kitops history`, then decide again",
            )
        done = {(entry.number, entry.short) for entry in log}
        claims = [entry for own_tag in own_tags if (entry := claimed(own_tag, tag))]
        ours = next((entry for entry in claims if entry.tag == self._claim), None)
        return ours is not None and all(
            entry == ours or entry.number < ours.number or (entry.number, entry.short) in done for entry in claims
        )
