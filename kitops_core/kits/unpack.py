"""Unpack: a stored kit to files, of which nothing appears at the target before all of it was verified."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kitops_core.errors import ConflictError, IntegrityError, InvalidInputError, NotFoundError
from kitops_core.events import Control, Event
from kitops_core.kits.chain import MAX_REFERENCE_CHAIN
from kitops_core.kits.filters import Filter, parse_filters, takes_entry, takes_kitfile
from kitops_core.kits.remote import fetch_remote, select_remote
from kitops_core.kits.stored_kit import StoredKit, StoredLayer, read_kit
from kitops_core.lanes import SMALL_BYTES
from kitops_core.parallel import run_all
from kitops_core.reference import Where, parse_reference
from kitops_core.session import FoundKit, Session
from kitops_core.storage import Storage

if TYPE_CHECKING:
    from kitops_core.evidence.verification import VerificationPolicy
    from kitops_core.layers.extract import Extracted
    from kitops_core.layers.publish import Existing
    from kitops_core.layers.tar_reader import Readable
    from kitops_core.signing.keys import PublicKey

_NEXT = (
    *("kitops_core.oci.kit_index", "kitops_core.storage.registry.downloads", "kitops_core.layers.staging"),
    *("kitops_core.layers.extract", "kitops_core.layers.codecs", "kitops_core.kitfile.yaml_write"),
)
"""What is imported while a registry's first answer is on its way."""


@dataclass(frozen=True)
class Unpacked:
    """What was unpacked.

    Attributes:
        reference: The kit, pinned to its digest.
        digest: Its digest.
        directory: Where to.
        storage: Which storage it came from: ``registry``, ``local store`` or ``layout``.
        files: How many files were put in place.
        size: Bytes of the files that were read.
        remote: Addresses of datasets that the kit does not hold and that were not fetched.
    """

    reference: str
    digest: str
    directory: str
    storage: str
    files: int
    size: int
    remote: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON."""
        return {**vars(self), "remote": list(self.remote)}


def unpack(
    session: Session,
    reference: str,
    to: str | os.PathLike[str],
    *,
    only: Sequence[str] = (),
    existing: Existing = "refuse",
    max_ratio: int | None = None,
    verify: VerificationPolicy | None = None,
    verify_files: Sequence[PublicKey] = (),
    include_remote: bool = False,
    where: Where = "any",
) -> Unpacked:
    """See :meth:`kitops_core.Client.unpack`."""
    filters = parse_filters(only)
    if verify_files and filters:
        raise InvalidInputError("the files are signed together, so a filter cannot be combined with verifying them")
    control = session.control
    control.import_meanwhile(*_NEXT)
    with ExitStack() as stack:
        found = session.find(reference, where)
        stack.callback(found.storage.close)
        if verify is not None:
            _check(found, verify, control)
        kit = read_kit(found.storage, found.manifest, control)
        elsewhere = select_remote(kit.kitfile_data, filters)
        fetched = 0

        def find_parent(text: str) -> FoundKit:
            parent = session.find(text)
            stack.callback(parent.storage.close)
            if verify is not None and not parse_reference(text).digest:
                _check(parent, verify, control)
            return parent

        def inspect(staged: Path) -> None:
            if verify_files:
                _check_files(found, staged, verify_files, control)
            if include_remote and elsewhere:
                nonlocal fetched
                fetched = fetch_remote(elsewhere, staged, find_parent, unpack_datasets, control)

        def unpack_datasets(parent: FoundKit, directory: int) -> int:
            stored = read_kit(parent.storage, parent.manifest, control)
            layers = [layer for layer in stored.layers if layer.entry.section == "dataset"]
            return sum(_extract(parent.storage, layer, directory, max_ratio, control).bytes for layer in layers)

        unpacked = unpack_kit(
            found,
            kit,
            Path(to),
            filters=filters,
            find_parent=find_parent,
            existing=existing,
            max_ratio=max_ratio,
            control=control,
            inspect=inspect,
            elsewhere=[dataset.entry.path for dataset in elsewhere],
        )
        left = () if include_remote else tuple(dataset.url for dataset in elsewhere)
        return replace(unpacked, remote=left, size=unpacked.size + fetched)


def _check(found: FoundKit, policy: VerificationPolicy, control: Control) -> None:
    from kitops_core.evidence.verify import check_found

    check_found(found, policy, control)


def _check_files(found: FoundKit, directory: Path, keys: Sequence[PublicKey], control: Control) -> None:
    from kitops_core.evidence.oms import check_files
    from kitops_core.evidence.predicate_types import OMS
    from kitops_core.evidence.statements import read_evidence

    evidence = read_evidence(found.storage, found.manifest.digest, predicate_type=OMS, control=control)
    check_files(directory, evidence, keys)


def unpack_kit(
    found: FoundKit,
    kit: StoredKit,
    directory: Path,
    *,
    filters: Sequence[Filter],
    find_parent: Callable[[str], FoundKit],
    existing: Existing,
    max_ratio: int | None,
    control: Control,
    inspect: Callable[[Path], None] | None = None,
    elsewhere: Sequence[str] = (),
) -> Unpacked:
    """Unpack a kit that was already found and read; see :func:`unpack`.

    ``inspect`` is given the directory with all of the kit's files but the Kitfile, before anything is at the target.
    ``elsewhere`` are the paths of what the filters take and the kit does not hold.
    """
    from kitops_core.layers.staging import Staging

    layers = [(found.storage, layer) for layer in kit.layers if takes_entry(filters, layer.entry)]
    layers += _inherited_layers(found, kit, filters, find_parent, control)
    with_kitfile = takes_kitfile(filters)
    if filters and not layers and not with_kitfile and not elsewhere:
        names = ", ".join(f"{layer.entry.section} {layer.entry.name or layer.entry.path}" for layer in kit.layers)
        raise NotFoundError(
            f"{found.reference} has nothing the filter takes", hint=f"it has {names}" if names else "it has no layers"
        )
    if existing == "refuse":
        _refuse_what_exists(directory, [layer.entry.path for _, layer in layers] + ["Kitfile"] * with_kitfile)
    with Staging(directory) as staging:
        tasks = [partial(_extract, storage, layer, staging.fd, max_ratio) for storage, layer in layers]
        if sum(layer.descriptor.size for _, layer in layers) < len(layers) * SMALL_BYTES:
            control.lanes.expect_small()
        results = run_all(tasks, control)
        if inspect is not None:
            inspect(staging.path)
        if with_kitfile:
            staging.write_file("Kitfile", kit.kitfile_data.to_yaml().encode())
        control.check()
        published = staging.publish(existing)
    return Unpacked(
        reference=str(found.reference),
        digest=found.manifest.digest,
        directory=str(directory),
        storage=found.where,
        files=published.files,
        size=sum(result.bytes for result in results),
    )


def _refuse_what_exists(directory: Path, paths: Sequence[str]) -> None:
    """Find the conflicts that can be known from the Kitfile alone, before gigabytes are fetched for nothing."""
    there = [path for path in paths if os.path.lexists(directory / path) and not (directory / path).is_dir()]
    if there:
        raise ConflictError(
            f"{directory} already has {len(there)} of the kit's files: "
            + ", ".join(f"'{path}'" for path in there[:10]),
            hint="--overwrite replaces them, --ignore-existing keeps them",
        )


def open_layer(storage: Storage, layer: StoredLayer, control: Control, stack: ExitStack) -> Readable:
    """The uncompressed bytes of a layer, to be read with ``readinto``; verified once it returned 0."""
    from kitops_core.layers.codecs import decompressed

    reader = stack.enter_context(storage.open_blob(layer.descriptor, control))
    return decompressed(reader, layer.type.compression)


def _extract(
    storage: Storage, layer: StoredLayer, directory: int, max_ratio: int | None, control: Control
) -> Extracted:
    from kitops_core.layers.extract import MAX_RATIO, Limits, extract_raw, extract_tar

    size, path = layer.descriptor.size, layer.entry.path
    control.emit(Event("start", path, 0, size))
    limits = Limits.for_layer(size, layer.type.compression, max_ratio=max_ratio or MAX_RATIO)
    expected = layer.diff_id if layer.type.compression != "none" else ""
    with ExitStack() as stack:
        stream = open_layer(storage, layer, control, stack)
        if layer.type.format == "tar":
            result = extract_tar(
                stream, directory, control=control, limits=limits, name=path, hash_diff_id=bool(expected)
            )
        else:
            result = extract_raw(
                stream, directory, path, control=control, limits=limits, name=path, hash_diff_id=bool(expected)
            )
    if expected and result.diff_id != expected:
        raise IntegrityError(
            f"layer '{path}': its uncompressed bytes have digest {result.diff_id}, the Kitfile says {expected}"
        )
    control.emit(Event("finish", path, size, size, "unpacked"))
    return result


def _inherited_layers(
    found: FoundKit,
    kit: StoredKit,
    filters: Sequence[Filter],
    find_parent: Callable[[str], FoundKit],
    control: Control,
) -> list[tuple[Storage, StoredLayer]]:
    """The model layers of the kits that ``model.path`` leads through, but for entries that a nearer kit has itself."""
    if filters and not any(not filter_.types or "model" in filter_.types for filter_ in filters):
        return []
    layers: list[tuple[Storage, StoredLayer]] = []
    taken = {layer.entry.path for layer in kit.layers}
    for parent, stored in model_chain(found, kit, find_parent, control):
        of_model = [layer for layer in stored.layers if layer.entry.section in ("model", "modelpart")]
        mine = [layer for layer in of_model if layer.entry.path not in taken]
        layers += [(parent.storage, layer) for layer in mine if takes_entry(filters, layer.entry)]
        taken.update(layer.entry.path for layer in mine)
    return layers


def model_chain(
    found: FoundKit, kit: StoredKit, find_parent: Callable[[str], FoundKit], control: Control
) -> list[tuple[FoundKit, StoredKit]]:
    """The kits that ``model.path`` leads through, nearest first; ``kit`` itself is not among them.

    Raises:
        NotFoundError: One of them is not there.
        InvalidInputError: They lead in a circle, or are more than :data:`MAX_REFERENCE_CHAIN`.
    """
    parents: list[tuple[FoundKit, StoredKit]] = []
    seen = [found.manifest.digest]
    chain = [str(found.reference)]
    while (parent := kit.kitfile_data.model_reference()) is not None:
        chain.append(parent)
        if len(seen) > MAX_REFERENCE_CHAIN:
            raise InvalidInputError(
                f"{chain[0]}: model.path leads through more than {MAX_REFERENCE_CHAIN} kits: {' -> '.join(chain)}"
            )
        try:
            found = find_parent(parent)
        except NotFoundError as error:
            raise NotFoundError(f"the model of {chain[-2]} is the kit '{parent}': {error}", hint=error.hint) from None
        if found.manifest.digest in seen:
            raise InvalidInputError(f"{chain[0]}: model.path leads in a circle: {' -> '.join(chain)}")
        seen.append(found.manifest.digest)
        kit = read_kit(found.storage, found.manifest, control)
        parents.append((found, kit))
    return parents
