"""What is in a store or a repository."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from kitops_core.errors import IntegrityError, NotFoundError
from kitops_core.events import Control, Event
from kitops_core.kits.copy_index import index_record
from kitops_core.kits.stored_kit import read_kit
from kitops_core.oci.kit_index import KitIndex
from kitops_core.parallel import run_all
from kitops_core.record import ModelKitRecord
from kitops_core.reference import Reference, parse_reference
from kitops_core.session import Session
from kitops_core.storage import Storage
from kitops_core.wording import count_text

if TYPE_CHECKING:
    from kitops_core.storage.local import LocalRepository


def list_kits(
    session: Session,
    repository: str = "",
    *,
    untagged: bool = False,
    indexes: bool = False,
) -> list[ModelKitRecord]:
    """See :meth:`kitops_core.Client.list_kits`."""
    if repository:
        reference = parse_reference(repository)
        with closing(session.storage(reference, "registry" if reference.in_registry else "store")) as storage:
            return _records(session, storage, reference, indexes)
    from kitops_core.storage.local import LocalRepository

    local = session.store
    records = []
    for name in local.repositories():
        registry_name, _, path = name.partition("/")
        with closing(LocalRepository(local, name)) as storage:
            tagged = _records(session, storage, Reference(registry_name, path), indexes=False)
            records += tagged
            if untagged:
                records += _untagged(storage, Reference(registry_name, path), {record.digest for record in tagged})
        if indexes:
            with closing(LocalRepository(local, name, indexes=True)) as storage:
                records += _records(session, storage, Reference(registry_name, path), indexes=True)
    return records


def _records(session: Session, storage: Storage, reference: Reference, indexes: bool) -> list[ModelKitRecord]:
    known: dict[str, ModelKitRecord] = {}  # a kit may have thousands of tags

    def read(name: str, control: Control) -> ModelKitRecord | str | None:
        """The record of a tag's kit or index, the tag where it has neither, ``None`` for what is not asked for."""
        control.check()
        try:
            found = storage.read(name)
            if not isinstance(found, KitIndex):
                named = reference.with_tag(name)
                if (same := known.get(found.digest)) is None:
                    same = known[found.digest] = read_kit(storage, found).record(named)
                return replace(same, reference=str(named), tag=name, tags=(name,))
            if found.is_modelkit_index:
                return index_record(found, reference.with_tag(name)) if indexes else None
        except (IntegrityError, NotFoundError):
            pass  # an image beside the kits is not an error of this listing
        return name

    found = run_all([partial(read, name) for name in storage.tags()], session.control)
    records = [one for one in found if isinstance(one, ModelKitRecord)]
    others = [one for one in found if isinstance(one, str)]
    if others:
        named = ", ".join(others[:10]) + (", …" if len(others) > 10 else "")
        what = f"{count_text(len(others), 'tag')} of no kit that can be read: {named}"
        session.control.emit(Event("warning", reference.name, detail=what))
    return records


def _untagged(storage: LocalRepository, reference: Reference, tagged: set[str]) -> list[ModelKitRecord]:
    records = []
    for descriptor in storage.manifests():
        if descriptor.digest not in tagged:
            try:
                manifest = storage.manifest(descriptor.digest)
                records.append(read_kit(storage, manifest).record(reference))
            except IntegrityError:
                continue
    return records
