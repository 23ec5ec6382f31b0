"""Sign the files of a kit, so that they can be verified after unpacking, wherever they are then."""

from __future__ import annotations

from contextlib import closing

from kitops_core.evidence.attach import Attached
from kitops_core.evidence.bundle import BUNDLE
from kitops_core.evidence.predicate_types import ANNOTATION_PREDICATE, OMS
from kitops_core.evidence.statements import ANNOTATION_CONTENT, attach_blob
from kitops_core.reference import Where
from kitops_core.session import Session
from kitops_core.staged import scratch


def sign_files(
    session: Session,
    reference: str,
    *,
    where: Where = "any",
) -> Attached:
    """See :meth:`kitops_core.Client.sign_files`."""
    from kitops_core.evidence import oms
    from kitops_core.kits.unpack import unpack

    signer = session.need_signer(f"the files of '{reference}'")
    found = session.find_subject_kit(reference, where)
    with closing(found.storage), scratch("sign") as temporary:
        directory = temporary / "kit"
        unpack(session, str(found.reference), directory, where="registry" if found.remote else "store")
        (directory / "Kitfile").unlink()  # it is written anew at each unpacking, and the manifest covers it
        descriptor = attach_blob(
            found.storage,
            found.manifest.descriptor,
            oms.sign_files(directory, signer),
            artifact_type=BUNDLE,
            annotations={ANNOTATION_CONTENT: "dsse-envelope", ANNOTATION_PREDICATE: OMS},
            control=session.control,
        )
    return Attached(str(found.reference), descriptor.digest, BUNDLE, OMS, found.where)
