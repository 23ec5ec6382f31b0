"""The operator that makes one reference over the variants of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import kitops_core as kitops
from kitops_airflow.operators.pack import KitPackPushOperator
from kitops_core import InvalidInputError


class KitIndexOperator(KitPackPushOperator):
    """Make a ModelKit index of the variants that mapped tasks packed, and announce it.

    The index names each kit by the digest that its task gave; the event's ``extra`` has them as ``variants``: digest,
    tag, labels. The same kits with the same labels give the same digest, in whatever order the tasks came to an end.

    Args:
        kits: The kits, in the index's repository: what the mapped tasks returned (``packed.output``), or references.
            Templated.
        labels: What each is chosen by, in the order of ``kits``: any JSON values by name. Templated.
        reference: The index: ``registry/repository:tag``; by default the repository of ``asset``. Templated.
        tags: Its tag, where neither ``reference`` nor ``asset`` has one, and further tags. Templated.
        signer: The private key that signs the index, and so its kits: a path on the worker, or ``env://NAME``.
        asset: The asset that the index is a version of; by default that of ``reference``.
        skip_unchanged: Where the tag had this very index already, end as skipped, without an event.

    Returns:
        The index's record: plain JSON with ``digest``, ``reference``, ``changed``, ``variants`` and more.
    """

    template_fields: Sequence[str] = ("kits", "labels", "reference", "tags")
    template_fields_renderers: ClassVar[dict[str, str]] = {"labels": "json", "tags": "json"}

    def __init__(self, *, kits: Any, labels: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kits = kits
        self.labels = labels

    def make(self, reference: str, tags: Sequence[str], context: Any) -> kitops.ModelKitRecord:
        """Make the index."""
        hook = self.hook(context)
        kits = [str(hook.reference(_pinned(kit))) for kit in _several(self.kits)]
        labels = _several(self.labels)
        if len(kits) != len(labels):
            raise InvalidInputError(
                f"{self.task_id}: there are {len(kits)} kits, and labels for {len(labels)}",
                hint="give each kit its labels, in the order of the kits; a mapped task that was skipped gives no kit",
            )
        variants = [kitops.Variant(kit, said) for kit, said in zip(kits, labels, strict=True)]
        client = hook.get_conn()
        made = client.index_kits(reference, variants, push=True)
        if not tags:
            return made
        tagged = client.tag(made.reference, tags, where="registry")
        return replace(made, tags=(*made.tags, *tags), changed=made.changed or tagged.changed)


def _several(given: Any) -> list[Any]:
    """What was given, also where it is of one kit, of a task that was not mapped."""
    return [given] if isinstance(given, (str, Mapping)) else list(given)


def _pinned(kit: Any) -> str:
    """A kit by its reference, or what the task that packed it returned: its tag, and the digest it had then."""
    if isinstance(kit, Mapping):
        if not kit.get("reference") or not kit.get("digest"):
            raise InvalidInputError("one of kits is no record of a kit", hint="pass what a packing task returned")
        named = str(kit["reference"]).partition("@")[0]
        return f"{named}@{kit['digest']}"
    return str(kit)
