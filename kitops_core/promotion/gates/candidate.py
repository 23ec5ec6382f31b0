"""A kit or an index that is to enter a channel, with all that gates look at, each part read once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Generic, TypeVar

from kitops_core.errors import CancelledError, KitOpsError, WrongKindError
from kitops_core.events import Control
from kitops_core.kits.copy_graph import Attached
from kitops_core.kits.copy_index import read_kits
from kitops_core.kits.stored_kit import StoredKit, read_kit
from kitops_core.oci.kit_index import AnyManifest, KitIndex
from kitops_core.oci.manifest import Manifest
from kitops_core.parallel import run_all

if TYPE_CHECKING:
    from kitops_core.evidence.statements import Evidence, EvidenceReader
    from kitops_core.promotion.policy import PromotionPolicy
    from kitops_core.session import FoundAny
    from kitops_core.storage import Storage

_T = TypeVar("_T")

OpenChannel = Callable[[str], "FoundAny | None"]
"""Opens the kit that a channel has now; ``None`` where it is empty. Whoever supplies it closes what it opened."""


class _Once(Generic[_T]):
    """The outcome of reading something, good or bad, so that no gate asks a registry again."""

    def __init__(self, read: Callable[[], _T]) -> None:
        self._error: KitOpsError | None = None
        try:
            self._value = read()
        except CancelledError:
            raise
        except KitOpsError as error:
            self._error = error

    def get(self) -> _T:
        if self._error is not None:
            raise self._error
        return self._value


class Readings:
    """What was read of kits and of what is attached to them, by place and digest, for all candidates that share it."""

    def __init__(self) -> None:
        self.kits: dict[tuple[tuple[str, str], str], _Once[StoredKit]] = {}
        self.readers: dict[tuple[tuple[str, str], str], _Once[EvidenceReader]] = {}
        self.evidence: dict[tuple[tuple[str, str], str, str], _Once[list[Evidence]]] = {}

    def reader(self, storage: Storage, digest: str, control: Control) -> _Once[EvidenceReader]:
        """What reads what is attached to a digest: the list, and each part of it, once."""
        from kitops_core.evidence.statements import EvidenceReader

        where = (storage.place, digest)
        if where not in self.readers:
            self.readers[where] = _Once(lambda: EvidenceReader(storage, digest, control))
        return self.readers[where]


class Candidate:
    """A kit that is to enter a channel. A candidate is always a digest.

    Attributes:
        found: The kit: its pinned reference, its storage and its manifest.
        channel: The name of the channel it is to enter.
        policy: The channels and what they ask for.
        now: The time that counts as now.
        control: Progress and cancelling.
        of_kits: What gates have found to be attached to the kits of an index, by digest.
    """

    def __init__(
        self,
        found: FoundAny,
        channel: str,
        policy: PromotionPolicy,
        *,
        open_channel: OpenChannel,
        now: datetime | None = None,
        control: Control | None = None,
        readings: Readings | None = None,
    ) -> None:
        self.found = found
        self.channel = channel
        self.policy = policy
        self.now = now or datetime.now(timezone.utc)
        self.control = control or Control()
        self.of_kits: dict[str, Attached] = {}
        self._open_channel = open_channel
        self._readings = readings or Readings()
        self._channels: dict[str, _Once[Candidate | None]] = {}

    @property
    def storage(self) -> Storage:
        """Where the kit is."""
        return self.found.storage

    @property
    def manifest(self) -> AnyManifest:
        """The kit's manifest, or the index."""
        return self.found.manifest

    @property
    def digest(self) -> str:
        """The manifest's digest."""
        return self.found.manifest.digest

    @cached_property
    def kits(self) -> list[Manifest]:
        """The manifests of an index's kits, each once, in its order; of a kit, its own.

        Raises:
            NotFoundError: A kit that the index names is not there.
        """
        manifest = self.manifest
        if isinstance(manifest, KitIndex):
            return read_kits(self.storage, manifest, self.control)
        return [manifest]

    @property
    def has_read_kits(self) -> bool:
        """Whether :attr:`kits` were read already."""
        return "kits" in vars(self)

    @property
    def _read(self) -> _Once[StoredKit]:
        where = (self.storage.place, self.digest)
        if where not in self._readings.kits:
            self._readings.kits[where] = self._read_kit()
        return self._readings.kits[where]

    def _read_kit(self) -> _Once[StoredKit]:
        def read() -> StoredKit:
            if isinstance(self.manifest, KitIndex):
                raise WrongKindError(f"{self.found.reference} is an index, and no kit")
            return read_kit(self.storage, self.manifest, self.control)

        return _Once(read)

    @property
    def kit(self) -> StoredKit:
        """The kit's Kitfile and layers.

        Raises:
            KitOpsError: They cannot be read.
        """
        return self._read.get()

    def evidence(self, predicate_type: str) -> list[Evidence]:
        """The statements of a type that are attached to the kit, where the candidate is, and what cannot be read.

        Raises:
            KitOpsError: They cannot be read.
        """
        return self.evidence_in(self.storage, self.digest, predicate_type)

    def evidence_in(self, storage: Storage, digest: str, predicate_type: str) -> list[Evidence]:
        """The same of a digest in another place, such as an upstream channel's repository; each is read once.

        Raises:
            KitOpsError: They cannot be read.
        """
        reader = self._readings.reader(storage, digest, self.control).get()
        key, known = (storage.place, digest, predicate_type), self._readings.evidence
        if key not in known:
            known[key] = _Once(lambda: reader.read(predicate_type))
        return known[key].get()

    def read_ahead(self, *, evidence: bool, control: Control) -> None:
        """Read at once what gates and the record ask for one by one; what fails is said to whoever asks.

        Args:
            evidence: Whether also to list what is attached.
            control: How much may be done at a time.

        Raises:
            CancelledError: The caller asked to stop.
        """
        reads: list[Callable[[Control], object]] = [lambda _: self._read]
        if evidence:
            reads.append(lambda _: self._readings.reader(self.storage, self.digest, self.control))
        run_all(reads, control, at_once=True)

    def attached(self) -> Attached | None:
        """What is known to be attached to the kit, if a gate has asked for any of it."""
        reader = self._readings.readers.get((self.storage.place, self.digest))
        if reader is None:
            return None
        read = reader.get()
        return Attached(read.referrers, read.manifests)

    def in_channel(self, name: str) -> Candidate | None:
        """The kit that the channel ``name`` has now, with its own evidence; ``None`` where the channel is empty.

        Raises:
            KitOpsError: The channel cannot be read.
        """
        if name not in self._channels:
            self._channels[name] = _Once(lambda: self._open(name))
        return self._channels[name].get()

    def _open(self, name: str) -> Candidate | None:
        found = self._open_channel(name)
        if found is None:
            return None
        return Candidate(
            found,
            self.channel,
            self.policy,
            open_channel=self._open_channel,
            now=self.now,
            control=self.control,
            readings=self._readings,
        )
