"""Sign the files of a kit, so that they can be verified after unpacking, wherever they are then."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from kitops_core.events import Cancel, Control, Event
from kitops_core.evidence.attach import Attached
from kitops_core.evidence.bundle import BUNDLE
from kitops_core.evidence.keys import SigningKey
from kitops_core.evidence.predicate_types import ANNOTATION_PREDICATE, OMS
from kitops_core.evidence.statements import ANNOTATION_CONTENT, attach_blob
from kitops_core.kits.find import find_kit

if TYPE_CHECKING:
    from kitops_core.storage.registry import RegistryOptions


def sign_files(
    reference: str,
    *,
    key: SigningKey | str | Path,
    remote: bool | None = None,
    store: Path | None = None,
    registry: RegistryOptions | None = None,
    on_event: Callable[[Event], None] | None = None,
    cancel: Cancel | None = None,
) -> Attached:
    """Sign a kit's files with OpenSSF model signing, and attach the signature. Needs the ``oms`` extra.

    The kit is unpacked into a temporary directory for it.

    Args:
        reference: The kit. A tag is resolved once.
        key: The key, or where it is; see :meth:`kitops_core.SigningKey.load`.
        remote: ``True`` looks in the registry, ``False`` in the local store, ``None`` in the first that has the kit.
        store: The local store's directory, where it is not the default.
        registry: How to talk to registries.
        on_event: Called with progress.
        cancel: A switch that stops between buffers.

    Raises:
        NotFoundError: There is no such kit.
        InvalidInputError: The key cannot be used, or the extra is not installed.
        IntegrityError: A blob is not what its digest says.
        DeniedError, RegistryError, StoreError: A storage refused or failed.
    """
    from kitops_core.evidence import oms
    from kitops_core.kits.unpack import unpack

    signer = key if isinstance(key, SigningKey) else SigningKey.load(key)
    found = find_kit(reference, remote=remote, store=store, registry=registry)
    with closing(found.storage), TemporaryDirectory(prefix="kitops-") as temporary:
        directory = Path(temporary, "kit")
        unpack(
            str(found.reference),
            directory,
            remote=found.remote,
            store=store,
            registry=registry,
            on_event=on_event,
            cancel=cancel,
        )
        (directory / "Kitfile").unlink()  # it is written anew at each unpacking, and the manifest covers it
        descriptor = attach_blob(
            found.storage,
            found.manifest.descriptor,
            oms.sign_files(directory, signer),
            artifact_type=BUNDLE,
            annotations={ANNOTATION_CONTENT: "dsse-envelope", ANNOTATION_PREDICATE: OMS},
            control=Control(on_event, cancel),
        )
    return Attached(str(found.reference), descriptor.digest, BUNDLE, OMS, found.where)
