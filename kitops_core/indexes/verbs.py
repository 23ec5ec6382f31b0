"""The verbs of indexes: make, change, delete, read, send and fetch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from kitops_core.errors import InvalidInputError, InvalidReferenceError, NotFoundError, WrongKindError
from kitops_core.events import Control, Event
from kitops_core.evidence.attest import sign
from kitops_core.evidence.predicate_types import COSIGN_SIGN
from kitops_core.indexes.edit import Edits, build_index, edit, new_entry
from kitops_core.kits.copy_index import index_record, keeping_kits
from kitops_core.kits.stored_kit import read_kit
from kitops_core.oci.kit_index import IndexEntry, KitIndex
from kitops_core.openlineage.telling import telling
from kitops_core.parallel import run_all
from kitops_core.record import ModelKitRecord
from kitops_core.reference import DEFAULT_TAG, Reference, Where, parse_name
from kitops_core.session import Found, FoundKit, Session, digest_of
from kitops_core.storage import Storage
from kitops_core.storage.local import LocalRepository


@dataclass(frozen=True)
class Variant:
    """A kit for an index.

    Attributes:
        kit: Its reference, in the index's repository.
        labels: What it is chosen by: any JSON values.
        annotations: What else is to be said of it.
    """

    kit: str
    labels: Mapping[str, Any] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


def index_kits(
    session: Session, reference: str, variants: Sequence[Variant] = (), *, push: bool = False
) -> ModelKitRecord:
    """See :meth:`kitops_core.Client.index_kits`."""
    target = _named(reference)
    with telling(session, "index", target) as told:
        edits = [Edits.given(variant.labels, variant.annotations) for variant in variants]
        kits = [_member(target, variant.kit) for variant in variants]
        tasks = [partial(_entry, session, kit, one, push) for kit, one in zip(kits, edits, strict=True)]
        entries = run_all(tasks, session.control)
        first: dict[str, Reference] = {}
        for kit, entry in zip(kits, entries, strict=True):
            if first.setdefault(entry.digest, kit) is not kit:
                raise InvalidInputError(
                    f"{first[entry.digest]} and {kit} are one kit, {entry.digest}, and an index has each kit once",
                    hint="leave one of them out, or see why both were packed of the same files",
                )
        with closing(_home(session, target, push)) as storage:
            made = _put(storage, build_index(entries), target, session.control)
        if session.signer is not None:
            sign(session, str(target.with_digest(made.digest)), where="registry" if push else "any")
        signed = (COSIGN_SIGN,) if session.signer is not None else ()
        told.say(record=made, statements=signed, signed=bool(signed))
    return made


def index_add(session: Session, reference: str, kit: str, edits: Edits, *, where: Where = "store") -> ModelKitRecord:
    """See :meth:`kitops_core.Client.index_add`."""
    target = _named(reference)
    with closing(_home(session, target)) as storage:
        before = _read_to_change(storage, target)
        member = _member(target, kit)
        try:
            found = _find(session, member, where)
        except NotFoundError as error:
            if where == "registry":
                raise
            raise NotFoundError(
                f"{kit} is not in the local store",
                hint=f"see what is with `kitops list {member.name}`"
                if member.is_local_name
                else "--remote (-r) takes it as its registry has it",
            ) from error
        with closing(found.storage):
            entry = _entry_of(found, member)
        had = before.find(entry.digest)
        for other in before.entries:
            if entry.tag and other.tag == entry.tag and other.digest != entry.digest:
                detail = f"had {other.digest} as {kit} already, and keeps it: `kitops index remove` takes it out"
                session.control.emit(Event("warning", str(target), detail=detail))
        others = [one for one in before.entries if one.digest != entry.digest]
        return _put(storage, build_index([*others, edit(entry, edits, had)], before), target, session.control, before)


def index_remove(session: Session, reference: str, kit: str) -> ModelKitRecord:
    """See :meth:`kitops_core.Client.index_remove`."""
    target = _named(reference)
    member = _member(target, kit)
    with closing(_home(session, target)) as storage:
        before = _read_to_change(storage, target)
        gone = _entry_named(session, before, member)
        left = [entry for entry in before.entries if entry is not gone]
        return _put(storage, build_index(left, before), target, session.control, before)


def _entry_named(session: Session, index: KitIndex, member: Reference) -> IndexEntry:
    """The entry of a kit: of the digest, or the one that the tag has now, or else the one that was added by that tag.

    Raises:
        NotFoundError: There is none, or there are several; lists what there is.
    """
    digest = member.digest
    if not digest:
        with suppress(NotFoundError):
            digest = session.resolve(str(member), "store")
    if (named := index.find(digest)) is not None:
        return named
    tagged = [entry for entry in index.entries if entry.tag == member.target and not member.digest]
    if len(tagged) == 1:
        return tagged[0]
    told = "\n".join(f"  {entry.digest}  {entry.describe()}" for entry in tagged or index.entries)
    if tagged:
        raise NotFoundError(
            f"the index has {len(tagged)} kits that were added as {member}:\n{told}", hint="name the kit by its digest"
        )
    raise NotFoundError(f"the index does not have {member}. There are:\n{told or '  no kits'}")


def index_delete(session: Session, reference: str, *, force: bool = False) -> str:
    """See :meth:`kitops_core.Client.index_delete`."""
    target = parse_name(reference)
    if not target.tag and not target.digest:
        raise InvalidReferenceError(f"'{reference}' has no tag or digest", hint=f"say which: {reference}:latest")
    with closing(_home(session, target)) as storage:
        digest = storage.resolve(target.target).digest
        shared = any(digest_of(storage, other) == digest for other in storage.tags() if other != target.tag)
        if not target.digest and not force and shared:
            storage.untag(target.tag)
        else:
            storage.delete(digest)
        return digest


def index_delete_all(session: Session, *, tagged: bool = False) -> list[str]:
    """Delete the local indexes without a tag, and with ``tagged`` all; the references of those that went."""
    gone = []
    local = session.store
    for name in local.repositories():
        registry, _, path = name.partition("/")
        with closing(LocalRepository(local, name, indexes=True)) as storage:
            keep = set() if tagged else {digest_of(storage, tag) for tag in storage.tags()}
            for one in storage.manifests():
                if one.digest not in keep:
                    storage.delete(one.digest)
                    gone.append(str(Reference(registry, path, digest=one.digest)))
    return gone


def read_index(session: Session, reference: str, *, where: Where = "any") -> tuple[KitIndex, Reference]:
    """The index a reference names, and the reference pinned to its digest.

    Raises:
        NotFoundError: There is none.
        WrongKindError: It is a kit.
    """
    target = parse_name(reference)
    if where != "registry" and not target.layout:
        with closing(LocalRepository(session.store, target.name, indexes=True)) as storage:
            try:
                found = storage.read(target.target)
            except NotFoundError:
                if where == "store" or target.is_local_name:
                    raise _no_such_index(session, target) from None
            else:
                return _as_index(found, target), replace(target, digest=found.digest)
    other = session.find_any(target.whole, "any" if target.layout else "registry")
    with closing(other.storage):
        return _as_index(other.manifest, target), other.reference


def _no_such_index(session: Session, target: Reference) -> NotFoundError | WrongKindError:
    """What to say where the local store has no index of that name."""
    with suppress(NotFoundError):
        session.resolve(str(target), "store")
        return _is_a_kit(target)
    hint = "`kitops index pull` fetches it, and --remote (-r) looks in the registry"
    if target.is_local_name:
        hint = "see what is with `kitops index list`, or make it with `kitops index create`"
    return NotFoundError(f"the index {target} is not in the local store", hint=hint)


def index(session: Session, reference: str, *, where: Where = "any") -> ModelKitRecord:
    """See :meth:`kitops_core.Client.index`."""
    found, pinned = read_index(session, reference, where=where)
    return index_record(found, pinned)


def index_push(session: Session, reference: str, to: str = "") -> ModelKitRecord:
    """See :meth:`kitops_core.Client.index_push`."""
    source = parse_name(reference)
    target = _named(to) if to else _named(str(source.with_tag(source.tag or DEFAULT_TAG)))
    with closing(_home(session, source)) as here:
        found = _as_index(here.read(source.target), source)
    with closing(session.storage(target, "registry")) as there:
        if missing := _missing(there, found, session.control):  # some registries would take it all the same
            raise NotFoundError(
                f"{target.name} does not have every kit that the index names: {'; '.join(missing)}",
                hint="push those kits first; `kitops push` sends an index with its kits",
            )
        return _put(there, found, target, session.control)


def index_pull(session: Session, reference: str) -> ModelKitRecord:
    """See :meth:`kitops_core.Client.index_pull`."""
    target = _named(reference)
    with closing(session.storage(target, "registry")) as there:
        found = _as_index(there.read(target.target), target)
    with closing(_home(session, target)) as here:
        return _put(here, found, target, session.control)


def _named(reference: str) -> Reference:
    target = parse_name(reference)
    if target.digest:
        raise InvalidReferenceError(
            f"'{reference}' must name the index by a tag", hint="its digest follows from its kits"
        )
    return target.with_tag(target.tag or DEFAULT_TAG)


def _member(index: Reference, kit: str) -> Reference:
    member = parse_name(kit)
    if member.name != index.name:
        raise InvalidInputError(
            f"'{kit}' is not in {index.name}",
            hint="an index names kits of its own repository: copy the kit there first",
        )
    return member


def _home(session: Session, target: Reference, push: bool = False) -> Storage:
    """Where an index is changed: among the local store's indexes, in a layout, or with ``push`` in the registry."""
    if push or target.layout:
        return session.storage(target.whole, "registry")
    return LocalRepository(session.store, target.name, indexes=True)


def _read_to_change(storage: Storage, target: Reference) -> KitIndex:
    try:
        return _as_index(storage.read(target.target), target)
    except NotFoundError:
        raise NotFoundError(
            f"the index {target} is not in the local store", hint="make it first: kitops index create " + str(target)
        ) from None


def _as_index(found: object, target: Reference) -> KitIndex:
    if isinstance(found, KitIndex):
        return found
    raise _is_a_kit(target)


def _is_a_kit(target: Reference) -> WrongKindError:
    return WrongKindError(f"{target} is a kit, and no index", hint="an index is made with `kitops index create`")


def _find(session: Session, member: Reference, where: Where) -> FoundKit:
    """A kit that is to be in an index.

    Raises:
        WrongKindError: It is an index itself.
    """
    found = session.find_any(member, where)
    if isinstance(found.manifest, KitIndex):
        found.storage.close()
        raise WrongKindError(
            f"{member} is an index, and an index names kits", hint="add the kits that it has one by one"
        )
    return Found(found.reference, found.storage, found.manifest, found.remote)


def _entry(session: Session, member: Reference, edits: Edits, push: bool, control: Control) -> IndexEntry:
    control.check()
    found = _find(session, member, "registry" if push else "store")
    with closing(found.storage):
        return edit(_entry_of(found, member), edits)


def _entry_of(found: FoundKit, member: Reference) -> IndexEntry:
    read_kit(found.storage, found.manifest)  # an image, or an attestation, is not for an index
    # A pipeline pins what a step packed under a tag: the digest says which kit, the tag what it is called.
    return new_entry(found.manifest, member.tag or ("" if member.digest else member.target))


def _put(
    storage: Storage, index: KitIndex, target: Reference, control: Control, before: KitIndex | None = None
) -> ModelKitRecord:
    """Store an index and point its tag at it; the one that it takes the place of goes where nothing else names it."""
    previous = digest_of(storage, target.target)
    if previous and previous != index.digest:
        storage.keep_present(previous)
    if previous != index.digest:
        run_all(keeping_kits(storage, index.digests), control)
        storage.put_manifest(index, [target.target])
        if before is not None and isinstance(storage, LocalRepository):
            tags = {digest_of(storage, tag) for tag in storage.tags()}
            if before.digest not in tags:
                storage.delete(before.digest)
    return index_record(index, target, previous=previous, moved=True)


def _missing(storage: Storage, index: KitIndex, control: Control) -> list[str]:
    def there(entry: IndexEntry, control: Control) -> bool:
        control.check()
        return bool(digest_of(storage, entry.digest))

    held = run_all([partial(there, entry) for entry in index.entries], control)
    return [entry.describe() for entry, found in zip(index.entries, held, strict=True) if not found]
