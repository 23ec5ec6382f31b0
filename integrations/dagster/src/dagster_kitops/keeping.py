"""What an output's kits are kept for: that no training is lost between its end and the end of the push."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import dagster as dg

import kitops_core as kitops
from dagster_kitops.contents import ModelKitContents
from dagster_kitops.kit_ref import ModelKitLayers, ModelKitRef, ModelKitVariants
from dagster_kitops.modelkit import ModelKit
from dagster_kitops.outputs import Packer
from dagster_kitops.resources import KitOpsResource
from dagster_kitops.unpushed import kept_name
from kitops_core import KitOpsError, parse_reference

When = Literal["always", "on-error", "never"]


@dataclass
class Keeper:
    """Keeps the kits of one output in the local store, once.

    Attributes:
        context: The output's context.
        resource: Where the kits are going.
        packer: How they are packed.
        values: The kits' contents, each by the partitions that it is for.
        name: The kits' name where they say none.
        when: Whether to keep them before the first byte is sent, only when something went wrong, or never.
        target: Gives the reference that the kit of some partitions is going to have.
    """

    context: dg.OutputContext
    resource: KitOpsResource
    packer: Packer
    values: Mapping[tuple[str, ...], Any]
    name: str
    when: When
    target: Callable[[tuple[str, ...]], str]
    _kept: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _tried: bool = False

    def before_sending(self, event: kitops.Event) -> None:
        """Keep the kits when the first blob is about to be sent: of a kit that is there already none is."""
        if self.when == "always" and self.resource.remote and event.phase == "start":
            with self._lock:
                if not self._tried:
                    self._tried = True
                    if self._room() and (problem := self._keep()):
                        self.context.log.warning(f"nothing is kept before the push: {problem}")

    def after_error(self) -> None:
        """Keep the kits, and say in the log how to go on. The error is what the run must show: nothing is raised."""
        if self.when == "never" or not self._names():
            return
        with self._lock:
            if not self._kept and (problem := self._keep()):
                self.context.log.error(f"what was made could not be kept in the local store either: {problem}")
        for name in self._kept:
            self.context.log.error(
                f"what was packed is kept in the local store as {name}: `{self._command(name)}` does the rest, and "
                "kept_kit(context) gives it to the next attempt of this step"
            )

    def forget(self) -> None:
        """Let go of what this and earlier attempts kept: the output is stored."""
        names = {*self._names(), *(self._name(partitions) for partitions in self._every())} - {""}
        with suppress(KitOpsError), KitOpsResource(store=self.resource.store).client() as client:
            for name in names:
                with suppress(KitOpsError):
                    client.remove(name, force=True)  # there is none, as nearly always

    def _keep(self) -> str:
        """Keep the kits; gives what went wrong, if something did."""
        local = KitOpsResource(store=self.resource.store, signer=self.packer.signer or self.resource.signer)
        packer = replace(self.packer, resource=local, on_event=None, client=None)
        bare = replace(packer, provenance=False, serializer="auto", metrics={}, signer="")
        bare = replace(bare, resource=KitOpsResource(store=self.resource.store))
        for partitions, value in self.values.items():
            name = self._name(partitions)
            if not name or isinstance(value, (ModelKitRef, ModelKit, ModelKitLayers, ModelKitVariants)):
                continue  # it is in some store already
            target = parse_reference(name)
            try:
                packer.store(value, target.repository, [target.tag], name=self.name)
            except Exception as first:  # whatever it is, the training is worth another try
                try:
                    bare.store(_bare(value), target.repository, [target.tag], name=self.name)
                except Exception as error:
                    return str(error)
                self.context.log.warning(f"kept without provenance, signature, parameters and metrics: {first}")
            self._kept.append(name)
        return ""

    def _room(self) -> bool:
        """Whether the disk of the local store has room for the files twice."""
        needed = 2 * sum(_size(value) for value in self.values.values())
        with suppress(OSError, KitOpsError), KitOpsResource(store=self.resource.store).client() as client:
            there = client.store
            while not there.exists():
                there = there.parent
            free = shutil.disk_usage(there).free
            if free < needed:
                self.context.log.warning(
                    f"nothing is kept before the push: the local store's disk has {free} bytes left of {needed}"
                )
                return False
        return True

    def _command(self, name: str) -> str:
        partitions = next(each for each in self.values if self._name(each) == name)
        try:
            target = self.target(partitions)
        except KitOpsError:  # that is what is wrong
            target = "REFERENCE"
        return f"kitops {'push' if self.resource.remote else 'tag'} {name} {target}"

    def _names(self) -> list[str]:
        return [name for name in (self._name(partitions) for partitions in self.values) if name]

    def _every(self) -> list[tuple[str, ...]]:
        """What attempts may have kept: a kit of all partitions, or one of each."""
        everything = tuple(partition for partitions in self.values for partition in partitions)
        return [everything, *((partition,) for partition in everything)]

    def _name(self, partitions: tuple[str, ...]) -> str:
        if not self.context.has_asset_key:
            return ""
        try:
            run = dg.OpExecutionContext.get().run
        except dg.DagsterInvariantViolationError:  # outside a run there is no next attempt
            return ""
        return kept_name(run, self.context.asset_key, partitions)


def _bare(value: Any) -> Any:
    """The contents without what may be wrong with their description."""
    if not isinstance(value, ModelKitContents):
        return value
    return replace(value, parameters={}, metrics={}, parents=())


def _size(value: Any) -> int:
    """Bytes of the files that a value names; what is in memory counts as nothing."""
    if isinstance(value, bytes):
        return len(value)
    if isinstance(value, Path):
        with suppress(OSError):
            if value.is_dir():
                return sum(
                    os.lstat(os.path.join(root, name)).st_size for root, _, files in os.walk(value) for name in files
                )
            return value.stat().st_size
    if isinstance(value, kitops.Contents):
        return sum(_size(part) for part in vars(value).values())
    if isinstance(value, Mapping):
        return sum(_size(part) for part in value.values())
    return sum(_size(part) for part in value) if isinstance(value, (list, tuple)) else 0
