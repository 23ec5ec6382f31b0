"""A kit to serve: what was asked for, pinned to digests, verified, and fetched into a directory of nobody else's."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from kitops_core.errors import SourceError
from kitops_core.events import Control
from kitops_core.files.incomplete import find_fault
from kitops_core.kitfile.file_kinds import file_kind
from kitops_core.kits.filters import parse_filters
from kitops_core.kits.stored_kit import StoredKit, read_kit
from kitops_core.kits.unpack import Unpacked, model_chain, unpack_kit
from kitops_core.reference import Where, parse_reference
from kitops_core.serving.arrange import arrange
from kitops_core.serving.lease import writing
from kitops_core.session import FoundKit, Session

if TYPE_CHECKING:
    from kitops_core.evidence.verification import VerificationPolicy

EVERYTHING = ("kitfile", "model", "code", "datasets", "docs", "prompts", "mcpServers")
"""The filters that take all of a kit."""


@dataclass(frozen=True)
class Selection:
    """What of a kit is wanted, and how it is laid out.

    Attributes:
        only: Filters, as for ``unpack``.
        keep_paths: Whether files keep the Kitfile's paths instead of being laid out for a server.
    """

    only: tuple[str, ...] = ("model",)
    keep_paths: bool = False

    @staticmethod
    def of(only: Sequence[str], keep_paths: bool) -> Selection:
        """The selection for these filters; none means the model and its parts.

        Raises:
            InvalidInputError: A filter cannot be read.
        """
        parse_filters(only)
        return Selection(tuple(sorted(set(only))) or ("model",), keep_paths)


@dataclass(frozen=True)
class Identity:
    """What decides every byte of a directory to serve.

    Attributes:
        digest: The kit.
        bases: The digests of the kits that ``model.path`` leads through.
        selection: What of it, and how it is laid out.
    """

    digest: str
    bases: tuple[str, ...]
    selection: Selection


class ResolvedKit:
    """A kit that was found and verified; a context manager that lets go of its connections.

    Args:
        session: Where kits are found.
        reference: The kit. Its tag, and those of the kits that ``model.path`` names, are resolved once, here.
        selection: What of it is wanted.
        verify: Take only what this policy verifies: this very digest, and every kit that ``model.path`` names
            otherwise than by digest.
        where: Which storage to look in, as for ``unpack``.

    Raises:
        NotFoundError, VerificationError, IntegrityError, DeniedError, RegistryError, StoreError: As ``unpack``.
    """

    def __init__(
        self,
        session: Session,
        reference: str,
        selection: Selection,
        *,
        verify: VerificationPolicy | None,
        where: Where,
    ) -> None:
        control = session.control
        self._selection = selection
        self._stack = ExitStack()
        self._parents: dict[str, FoundKit] = {}
        try:
            self._found = self._keep(session.find(reference, where))
            if verify is not None:
                _check(self._found, verify, control)
            self._kit = read_kit(self._found.storage, self._found.manifest, control)

            def find_parent(text: str) -> FoundKit:
                if text not in self._parents:
                    parent = self._keep(session.find(text))
                    if verify is not None and not parse_reference(text).digest:
                        _check(parent, verify, control)
                    self._parents[text] = parent
                return self._parents[text]

            self._find_parent = find_parent
            self._chain = model_chain(self._found, self._kit, find_parent, control)
        except BaseException:
            self.close()
            raise

    @property
    def reference(self) -> str:
        """The kit, pinned to its digest."""
        return str(self._found.reference)

    @property
    def storage(self) -> str:
        """Which storage it comes from: ``registry``, ``local store`` or ``layout``."""
        return self._found.where

    @cached_property
    def identity(self) -> Identity:
        """What decides every byte."""
        bases = tuple(parent.manifest.digest for parent, _ in self._chain)
        return Identity(self._found.manifest.digest, bases, self._selection)

    @property
    def is_pinned(self) -> bool:
        """Whether the digest alone decides every byte, because ``model.path`` names kits by digest only."""
        return all(parse_reference(text).digest for text in self._parents)

    @property
    def parameters(self) -> dict[str, Any]:
        """``model.parameters``, over those of the kits that ``model.path`` leads through."""
        kits = [self._kit, *(kit for _, kit in self._chain)]
        return merged_parameters(kits)

    def fetch(self, scratch: Path, *, max_ratio: int | None, control: Control) -> tuple[Path, Unpacked]:
        """Fetch and lay out what is wanted, every byte verified, readable by whoever the umask allows.

        Args:
            scratch: An existing directory that nobody else uses; what is left in it is of no use.
            max_ratio: How many times its stored size a compressed layer may unpack to, as for ``unpack``.
            control: Progress and cancelling.

        Returns:
            The directory with the files, below ``scratch``, and what was unpacked.

        Raises:
            ConflictError: Two files would have one path.
            NotFoundError: The kit has nothing that the filters take.
            SourceError: Weights are Git LFS pointers, or were cut when they were packed: no server could load them.
            IntegrityError, DeniedError, RegistryError, StoreError, CancelledError: As ``unpack``.
        """
        tree = scratch / "kit"
        unpacked = unpack_kit(
            self._found,
            self._kit,
            tree,
            filters=parse_filters(self._selection.only),
            find_parent=self._find_parent,
            existing="refuse",
            max_ratio=max_ratio,
            control=control,
        )
        check_whole(tree, str(self._found.reference))
        entries = [entry for kit in (self._kit, *(kit for _, kit in self._chain)) for entry in kit.kitfile.entries()]
        made = tree if self._selection.keep_paths else scratch / "flat"
        with writing(scratch):
            mode = tree.stat().st_mode  # of a new directory, as the umask has it
            if made != tree:
                arrange(tree, entries, made)
            let_read(made, mode)
        return made, unpacked

    def close(self) -> None:
        """Let go of connections."""
        self._stack.close()

    def __enter__(self) -> ResolvedKit:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _keep(self, found: FoundKit) -> FoundKit:
        self._stack.callback(found.storage.close)
        return found


def check_whole(directory: Path, kit: str) -> None:
    """See that the weights in a directory are what a server can load.

    Raises:
        SourceError: Some are Git LFS pointers, or shorter than their header says; all are named.
    """
    faults = []
    for path, _, names in os.walk(directory):
        for name in names:
            if file_kind(name) == "model":
                file = Path(path, name)
                if fault := find_fault(os.fsencode(name), file.stat().st_size, lambda: file.open("rb")):  # noqa: B023
                    faults.append(f"'{file.relative_to(directory)}' {fault}")
    if faults:
        hint = "pack it again from the files themselves: `git lfs pull` brings what pointers stand for"
        raise SourceError(f"{kit} cannot be served: " + "; ".join(faults[:10]), hint=hint)


def let_read(directory: Path, mode: int) -> None:
    """Let others read files and enter directories, as ``mode`` lets them: servers run as users of their own.

    Files that were written as temporary ones are closed to others, and stay so in a kit.
    """
    files, directories = mode & 0o444, mode & 0o555
    for path, _, names in os.walk(directory):
        if directories & ~os.stat(path).st_mode:
            os.chmod(path, os.stat(path).st_mode & 0o7777 | directories)
        for name in names:
            found = os.lstat(f"{path}/{name}").st_mode
            if files & ~found:
                os.chmod(f"{path}/{name}", found & 0o7777 | files)


def merged_parameters(kits: Sequence[StoredKit]) -> dict[str, Any]:
    """The parameters of a kit and of those its model comes from; the first kit's count most."""
    merged: dict[str, Any] = {}
    for kit in reversed(kits):
        model = kit.kitfile.model
        if model is not None and isinstance(model.parameters, Mapping):
            merged.update(model.parameters)
    return merged


def _check(found: FoundKit, policy: VerificationPolicy, control: Control) -> None:
    from kitops_core.evidence.verify import check_found

    check_found(found, policy, control)
