"""Say later what a kit measures: figures attached to it as a test result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from kitops_core.events import Cancel, Control, Event
from kitops_core.evidence.attach import Attached
from kitops_core.evidence.pack_evidence import attach_new, load_key
from kitops_core.evidence.predicate_types import TEST_RESULT
from kitops_core.kits.find import find_kit

if TYPE_CHECKING:
    from kitops_core.evidence.keys import SigningKey
    from kitops_core.storage.registry import RegistryOptions


def attest_metrics(
    reference: str,
    metrics: Mapping[str, float],
    *,
    key: SigningKey | str | Path | None = None,
    time: datetime | None = None,
    url: str = "",
    remote: bool | None = None,
    store: Path | None = None,
    registry: RegistryOptions | None = None,
    on_event: Callable[[Event], None] | None = None,
    cancel: Cancel | None = None,
) -> Attached:
    """Attach figures to a kit, whose digest stays the same; what the latest figures say already is not said again.

    Args:
        reference: The kit.
        metrics: Figures by name: ``{"accuracy": 0.94}``.
        key: The private key, or where to load it from, to sign them with.
        time: When they were measured; now where nobody says.
        url: Where the evaluation can be looked at.
        remote: ``True`` attaches in the registry, ``False`` in the local store, ``None`` in the first that has the
            kit.
        store: The local store's directory, where it is not the default.
        registry: How to talk to registries.
        on_event: Called with progress.
        cancel: A switch that stops between buffers.

    Raises:
        InvalidInputError: A figure is no finite number, or the key cannot be used.
        NotFoundError: There is no such kit.
        DeniedError, RegistryError, StoreError: The storage refused or failed.
    """
    from kitops_core.evidence.metrics import metrics_predicate, says_metrics

    predicate = metrics_predicate(metrics, time=time, url=url)
    signing = load_key(key)
    found = find_kit(reference, remote=remote, store=store, registry=registry)
    with closing(found.storage):
        evidence = attach_new(
            found.storage,
            found.manifest.descriptor,
            TEST_RESULT,
            predicate,
            says_metrics,
            key=signing,
            created=time,
            control=Control(on_event, cancel),
        )
    return Attached(str(found.reference), evidence.digest, evidence.artifact_type, TEST_RESULT, found.where)
