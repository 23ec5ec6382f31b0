"""Pull: a kit from its registry into the local store.

The registry is asked at once, and what copies kits is imported while its answer is on its way.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from kitops_core.reference import parse_reference
from kitops_core.session import Session

if TYPE_CHECKING:
    from kitops_core.record import ModelKitRecord


def pull(session: Session, reference: str, *, referrers: bool = False) -> ModelKitRecord:
    """See :meth:`kitops_core.Client.pull`."""
    asked = parse_reference(reference)
    session.control.import_meanwhile("kitops_core.oci.kit_index", "kitops_core.kits.copy", "kitops_core.storage.local")
    found = session.find(asked, "registry")  # one kit, as in the reference CLI: a whole index is copied, or index_pull
    with closing(found.storage):
        from kitops_core.kits.chain import missing_parents
        from kitops_core.kits.copy import copy, copy_found
        from kitops_core.kits.stored_kit import read_kit

        kit = read_kit(found.storage, found.manifest)
        for parent in missing_parents(session, found, kit):  # first, so that what is in the store can be unpacked
            copy(session, parent, parent, where="registry", into="store", referrers=referrers)
        target = asked.whole
        if asked.select and asked.digest:  # the digest is the index's
            target = replace(target, digest="" if asked.tag else found.manifest.digest)
        return copy_found(session, found, target, "store", referrers, kit)
