"""Operators for kits that outgrow one worker: mapped tasks pack the parts, one task makes the kit of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import kitops_core as kitops
from kitops_airflow.operators.base import KitOpsOperator, listed
from kitops_airflow.operators.pack import KitPackPushOperator, figures
from kitops_airflow.sources import packable, whole_kitfile
from kitops_core import InvalidInputError


class KitPackLayersOperator(KitOpsOperator):
    """Pack some entries of a kit straight into its repository, without making the kit yet.

    Map it over ``entries``, on any executor: each worker needs the files of its own entries only.
    :class:`KitAssembleOperator` then makes the kit, with the digest that packing it in one process would have given.
    A registry may collect what no kit names: assemble soon.

    Args:
        source: A directory with the files of these entries, or the URL of one in an object store.
        reference: The repository.
        entries: The entries to pack, by their paths in the Kitfile.
        kitfile: The Kitfile of the whole kit: its path, or the Kitfile itself as a mapping. By default it is in the
            directory.
        how: Compression and what else decides the digest; the same in every part and where they are assembled.

    Returns:
        The layers, as plain JSON.
    """

    template_fields: Sequence[str] = ("source", "reference", "entries", "kitfile")
    template_fields_renderers: ClassVar[dict[str, str]] = {"entries": "json", "kitfile": "json"}

    def __init__(
        self,
        *,
        source: str,
        reference: str,
        entries: str | Sequence[str],
        kitfile: str | Mapping[str, Any] | None = None,
        how: kitops.Packing | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.reference = reference
        self.entries = entries
        self.kitfile = kitfile
        self.how = how

    def run(self, context: Any) -> list[dict[str, Any]]:
        """Pack, and return the layers."""
        source = packable(self.source)
        if isinstance(source, kitops.Contents):
            raise InvalidInputError("the entries of a Kitfile are in a directory", hint="pass its path, or its URL")
        hook = self.hook(context)
        layers = hook.get_conn().pack_layers(
            source,
            str(hook.reference(self.reference)),
            listed(self.entries),
            kitfile=whole_kitfile(self.kitfile),
            push=True,
            how=self.how,
        )
        return [layer.to_dict() for layer in layers]


class KitAssembleOperator(KitPackPushOperator):
    """Make a kit of the layers that :class:`KitPackLayersOperator` packed, and announce it.

    Args:
        layers: What the mapped tasks returned: ``parts.output``.
        kitfile: The Kitfile of the whole kit: its path, or the Kitfile itself as a mapping.

    Returns:
        The kit's record, as of :class:`~kitops_airflow.operators.pack.KitPackPushOperator`, whose other arguments it
        takes too.
    """

    template_fields: Sequence[str] = (
        "layers",
        *(field for field in KitPackPushOperator.template_fields if field != "source"),
    )

    def __init__(self, *, layers: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.layers = layers

    def make(self, reference: str, tags: Sequence[str], context: Any) -> kitops.ModelKitRecord:
        """Assemble the kit."""
        kitfile = whole_kitfile(self.kitfile)
        if kitfile is None:
            raise InvalidInputError(f"{self.task_id}: no Kitfile says what the kit is", hint="pass kitfile=")
        client = self.hook(context).get_conn()
        return client.assemble(
            reference,
            list(_flat(self.layers)),
            kitfile=kitfile,
            push=True,
            tags=tags,
            how=self.how,
            **self.origin(context, figures(self.metrics)),
        )


def _flat(layers: Iterable[Any]) -> Iterable[Mapping[str, Any]]:
    for item in layers:
        if isinstance(item, Mapping):
            yield item
        else:
            yield from item
