"""What differs between two kits: layers, and what their Kitfiles say; of two indexes, which variants."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from kitops_core.errors import WrongKindError
from kitops_core.kits.diff_index import VariantChange, variant_changes
from kitops_core.kits.stored_kit import StoredKit, StoredLayer, read_kit
from kitops_core.oci.kit_index import KitIndex
from kitops_core.reference import Where
from kitops_core.session import FoundAny, Session
from kitops_core.wording import count_text, plain_value, size_text

if TYPE_CHECKING:
    from kitops_core.events import Control
    from kitops_core.kits.diff_files import FileChange
    from kitops_core.oci.manifest import Manifest
    from kitops_core.storage import Storage


@dataclass(frozen=True)
class LayerChange:
    """A layer that one kit has and the other has not, or has with other bytes.

    Layers are told apart by section and path, and compared by the digest of their uncompressed bytes: a kit packed
    again with another compression has the same contents.

    Attributes:
        change: ``added``, ``removed`` or ``changed``, going from the first kit to the second.
        section: The Kitfile section.
        path: The path in the kit.
        before: Bytes as stored in the first kit; 0 where it has no such layer.
        after: Bytes as stored in the second kit; 0 where it has no such layer.
    """

    change: Literal["added", "removed", "changed"]
    section: str
    path: str
    before: int
    after: int


@dataclass(frozen=True)
class FieldChange:
    """A field of the Kitfile that differs.

    Attributes:
        field: Where it is: ``package.version``, ``model.parameters.max_depth``, ``datasets[1].name``.
        before: Its value in the first kit; ``None`` where it has none.
        after: Its value in the second kit; ``None`` where it has none.
    """

    field: str
    before: Any
    after: Any


@dataclass(frozen=True)
class KitDiff:
    """What differs, going from the first kit to the second.

    Attributes:
        before: The first kit, pinned to its digest.
        after: The second kit, pinned to its digest.
        same: Whether both are the very same kit.
        layers: Layers that differ.
        fields: Fields of the Kitfile that differ.
        shared_size: Bytes of layers that both have.
        before_storage: Which storage the first kit was read from: ``registry``, ``local store`` or ``layout``.
        after_storage: Which storage the second kit was read from.
        variants: Of two indexes, the variants that differ.
        files: Files that differ within layers that both have with other bytes, where that was asked for.
    """

    before: str
    after: str
    same: bool
    layers: tuple[LayerChange, ...]
    fields: tuple[FieldChange, ...]
    shared_size: int
    before_storage: str = ""
    after_storage: str = ""
    variants: tuple[VariantChange, ...] = ()
    files: tuple[FileChange, ...] = ()

    def summary(self) -> str:
        """The difference on one line: how many layers, how large, and the first fields or variants."""
        if self.variants:
            return f"{count_text(len(self.variants), 'variant')} differ" + ("s" if len(self.variants) == 1 else "")
        counts = [
            f"{len(layers)} {change}, {size_text(sum(max(layer.after, layer.before) for layer in layers))}"
            for change in ("added", "changed", "removed")
            if (layers := [layer for layer in self.layers if layer.change == change])
        ]
        fields = [f"{field.field} {_value(field.before)} → {_value(field.after)}" for field in self.fields[:3]]
        more = [f"{len(self.fields) - 3} more fields"] if len(self.fields) > 3 else []
        return f"layers: {'; '.join(counts) or 'the same'}" + "".join(f"; {text}" for text in fields + more)

    def to_dict(self) -> dict[str, Any]:
        """The difference as JSON."""
        return {
            "before": self.before,
            "after": self.after,
            "same": self.same,
            "layers": [dict(vars(change)) for change in self.layers],
            "fields": [dict(vars(change)) for change in self.fields],
            "shared_size": self.shared_size,
            "before_storage": self.before_storage,
            "after_storage": self.after_storage,
            **({"variants": [dict(vars(change)) for change in self.variants]} if self.variants else {}),
            **({"files": [dict(vars(change)) for change in self.files]} if self.files else {}),
        }


def diff(
    session: Session,
    before: str,
    after: str,
    *,
    where: Where = "any",
    files: bool = False,
) -> KitDiff:
    """See :meth:`kitops_core.Client.diff`."""
    first = _find(session, before, where)
    with closing(first.storage):
        second = _find(session, after, where)
        with closing(second.storage):
            return compare(first, second, files=session.control if files else None)


def compare(
    first: FoundAny,
    second: FoundAny,
    *,
    files: Control | None = None,
    read: Callable[[Storage, Manifest], StoredKit] = read_kit,
) -> KitDiff:
    """Compare two kits, or two indexes, that were found; see :func:`diff`.

    Args:
        first: The first.
        second: The second.
        files: Read the layers that changed, too, with this progress and cancelling.
        read: How a kit is read: who compares many may have some at hand.

    Raises:
        WrongKindError: One is a kit and the other an index.
    """
    before, after = first.manifest, second.manifest
    if isinstance(before, KitIndex) and isinstance(after, KitIndex):
        return _compare_indexes(first, second, before, after)
    if isinstance(before, KitIndex) or isinstance(after, KitIndex):
        index = first if isinstance(before, KitIndex) else second
        raise WrongKindError(
            f"{index.reference} is an index, and the other is one kit",
            hint=f"say which of its kits is meant: {index.reference}?quantization=q4_0",
        )
    one, two = read(first.storage, before), read(second.storage, after)
    layers = tuple(_layer_changes(one, two))
    moved = {(change.section, change.path) for change in layers}
    inside: list[FileChange] = []
    if files is not None and (changed := [change for change in layers if change.change == "changed"]):
        from kitops_core.kits.diff_files import file_changes

        old, new = _by_path(one), _by_path(two)
        both = [(old[change.section, change.path], new[change.section, change.path]) for change in changed]
        inside = file_changes(first.storage, second.storage, both, files)
    return KitDiff(
        before=str(first.reference),
        after=str(second.reference),
        same=before.digest == after.digest,
        layers=layers,
        fields=tuple(_field_changes("", one.kitfile_data.said(), two.kitfile_data.said())),
        shared_size=sum(layer.descriptor.size for key, layer in _by_path(two).items() if key not in moved),
        before_storage=first.where,
        after_storage=second.where,
        files=tuple(inside),
    )


def _compare_indexes(first: FoundAny, second: FoundAny, before: KitIndex, after: KitIndex) -> KitDiff:
    return KitDiff(
        before=str(first.reference),
        after=str(second.reference),
        same=before.digest == after.digest,
        layers=(),
        fields=(),
        shared_size=sum(entry.size or 0 for entry in after.entries if before.find(entry.digest)),
        before_storage=first.where,
        after_storage=second.where,
        variants=tuple(variant_changes(before, after)),
    )


def _find(session: Session, text: str, where: Where) -> FoundAny:
    places: dict[str, Where] = {"local://": "store", "remote://": "registry"}  # as the reference CLI writes them
    for prefix, place in places.items():
        if text.startswith(prefix):
            return session.find_any(text.removeprefix(prefix), place)
    return session.find_any(text, where)


def _by_path(kit: StoredKit) -> dict[tuple[str, str], StoredLayer]:
    return {(layer.type.section, layer.entry.path): layer for layer in kit.layers}


def _layer_changes(one: StoredKit, two: StoredKit) -> Iterator[LayerChange]:
    old, new = _by_path(one), _by_path(two)
    for key in dict.fromkeys([*old, *new]):
        before, after = old.get(key), new.get(key)
        size_before = before.descriptor.size if before else 0
        size_after = after.descriptor.size if after else 0
        if before is None:
            yield LayerChange("added", *key, size_before, size_after)
        elif after is None:
            yield LayerChange("removed", *key, size_before, size_after)
        elif before.diff_id != after.diff_id:
            yield LayerChange("changed", *key, size_before, size_after)


def _field_changes(path: str, before: Any, after: Any) -> Iterator[FieldChange]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in dict.fromkeys([*before, *after]):
            yield from _field_changes(f"{path}.{key}" if path else str(key), before.get(key), after.get(key))
    elif isinstance(before, list) and isinstance(after, list) and (_has_mapping(before) or _has_mapping(after)):
        for index in range(max(len(before), len(after))):
            old = before[index] if index < len(before) else None
            new = after[index] if index < len(after) else None
            yield from _field_changes(f"{path}[{index}]", old, new)
    elif before != after or type(before) is not type(after):
        yield FieldChange(path, before, after)


def _value(value: Any) -> str:
    return "(none)" if value is None else plain_value(value)


def _has_mapping(values: list[Any]) -> bool:
    return any(isinstance(value, Mapping) for value in values)
