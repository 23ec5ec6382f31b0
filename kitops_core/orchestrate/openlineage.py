"""Lineage of a task whose orchestrator tells OpenLineage itself: what to add to its own event, in the core's words.

Needs OpenLineage's client, which such an orchestrator brings along.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from kitops_core.openlineage.naming import kit_name
from kitops_core.reference import parse_reference

if TYPE_CHECKING:
    from openlineage.client.event_v2 import Dataset
    from openlineage.client.generated.base import RunFacet

    from kitops_core.openlineage.operation import Operation


class TaskLineage(NamedTuple):
    """What a task read and made.

    Attributes:
        inputs: The kits that it read, and what the kits that it made come from.
        outputs: The kits that it made.
        run_facets: What else is said of the run: the gates of a promotion.
    """

    inputs: list[Dataset]
    outputs: list[Dataset]
    run_facets: dict[str, RunFacet]


def task_lineage(operations: Sequence[Operation], read: Iterable[str] = ()) -> TaskLineage:
    """The lineage of a task.

    Args:
        operations: What the client's ``on_lineage`` was called with.
        read: References of kits that the task read, pinned to their digests.
    """
    from kitops_core.openlineage.events import dataset_of, inputs_of, outputs_of, own_run_facets

    # What is on a worker only is nobody else's, and an operation says more at its end than at its beginning.
    ended = [one for one in operations if one.state != "START" and one.target.in_registry]
    found = [*map(dataset_of, map(kit_name, map(parse_reference, read))), *(i for one in ended for i in inputs_of(one))]
    inputs = {(item.namespace, item.name, repr(item.facets)): item for item in found}
    return TaskLineage([*inputs.values()], [out for one in ended for out in outputs_of(one)], own_run_facets(ended))


def kit_dataset(reference: str) -> Dataset:
    """A kit as a dataset, with its digest as the version where the reference has one.

    Raises:
        InvalidReferenceError: It does not follow the grammar.
    """
    from kitops_core.openlineage.events import dataset_of

    return dataset_of(kit_name(parse_reference(reference)))
