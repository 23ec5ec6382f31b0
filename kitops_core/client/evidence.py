"""The verbs that hang something on a kit, and read what hangs there."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from kitops_core import types
from kitops_core.session import Session


class EvidenceVerbs:
    """The verbs that hang something on a kit, and read what hangs there."""

    _session: Session

    def sign(self, reference: str, *, where: types.Where = "any") -> types.Attached:
        """Sign a kit's digest as cosign does, and attach the signature. The digest does not change.

        Args:
            reference: The kit. A tag is resolved once, and what it named then is signed.
            where: Which storage; see :class:`Client`.

        Raises:
            NotFoundError: There is no such kit.
            InvalidInputError: The key cannot be used.
            DeniedError, RegistryError, StoreError: A storage refused or failed.
        """
        from kitops_core.evidence.attest import sign

        return sign(self._session, reference, where=where)

    def sign_files(self, reference: str, *, where: types.Where = "any") -> types.Attached:
        """Sign a kit's files with OpenSSF model signing, and attach the signature. Needs the ``oms`` extra.

        The kit is unpacked into a temporary directory for it.

        Args:
            reference: The kit. A tag is resolved once.
            where: Which storage; see :class:`Client`.

        Raises:
            NotFoundError: There is no such kit.
            InvalidInputError: The key cannot be used, or the extra is not installed.
            IntegrityError: A blob is not what its digest says.
            DeniedError, RegistryError, StoreError: A storage refused or failed.
        """
        from kitops_core.kits.sign_files import sign_files

        return sign_files(self._session, reference, where=where)

    def attest(
        self,
        reference: str,
        predicate: Mapping[str, Any] | str | os.PathLike[str],
        *,
        type: str,
        where: types.Where = "any",
    ) -> types.Attached:
        """Attach a statement about a kit, signed where the client has a signer.

        Args:
            reference: The kit. A tag is resolved once.
            predicate: What is said, or a JSON file that says it.
            type: The predicate type: a URI, or a short name such as ``slsaprovenance1``, ``vsa``, ``test-result``.
            where: Which storage; see :class:`Client`.

        Raises:
            NotFoundError: There is no such kit.
            InvalidInputError: The key, the predicate or its type cannot be used.
            DeniedError, RegistryError, StoreError: A storage refused or failed.
        """
        from kitops_core.evidence.attest import attest

        return attest(self._session, reference, predicate, type=type, where=where)

    def attest_metrics(
        self,
        reference: str,
        metrics: Mapping[str, float],
        *,
        time: datetime | None = None,
        url: str = "",
        where: types.Where = "any",
    ) -> types.Attached:
        """Attach figures to a kit, whose digest stays the same; what the latest figures say already is not said again.

        Args:
            reference: The kit.
            metrics: Figures by name: ``{"accuracy": 0.94}``.
            time: When they were measured; now where nobody says.
            url: Where the evaluation can be looked at.
            where: Which storage; see :class:`Client`.

        Raises:
            InvalidInputError: A figure is no finite number, or the key cannot be used.
            NotFoundError: There is no such kit.
            DeniedError, RegistryError, StoreError: The storage refused or failed.
        """
        from kitops_core.evidence.attest_metrics import attest_metrics

        return attest_metrics(self._session, reference, metrics, time=time, url=url, where=where)

    def attach(
        self,
        reference: str,
        file: str | os.PathLike[str],
        *,
        artifact_type: str,
        media_type: str = "",
        annotations: Mapping[str, str] | None = None,
        where: types.Where = "any",
    ) -> types.Attached:
        """Attach a file to a kit. The same file attached twice is one referrer.

        Args:
            reference: The kit. A tag is resolved once.
            file: The file.
            artifact_type: What it is, as a media type: ``application/vnd.cyclonedx+json``.
            media_type: The file's own media type, where it is another.
            annotations: Annotations of the referrer.
            where: Which storage; see :class:`Client`.

        Raises:
            NotFoundError: There is no such kit.
            InvalidInputError: ``artifact_type`` or ``media_type`` is no media type.
            SourceError: The file cannot be read, or changes meanwhile.
            DeniedError, RegistryError, StoreError: A storage refused or failed.
        """
        from kitops_core.evidence.attach import attach

        return attach(
            self._session,
            reference,
            file,
            artifact_type=artifact_type,
            media_type=media_type,
            annotations=annotations,
            where=where,
        )

    def referrers(self, reference: str, *, where: types.Where = "any") -> types.Referrers:
        """What is attached to a kit: signatures, attestations, files, and what is attached to those.

        Args:
            reference: The kit. A tag is resolved once.
            where: Which storage; see :class:`Client`.

        Raises:
            NotFoundError: There is no such kit.
            IntegrityError: There are too many referrers.
            DeniedError, RegistryError, StoreError: A storage refused or failed.
        """
        from kitops_core.evidence.referrers import referrers

        return referrers(self._session, reference, where=where)

    def verify(
        self,
        reference: str,
        *,
        keys: Sequence[types.PublicKey | str | Path | bytes] = (),
        identity: str = "",
        issuer: str = "",
        trust_root: Path | None = None,
        type: str = "signature",
        needed: int = 1,
        where: types.Where = "any",
    ) -> types.Verified:
        """Verify that a kit has a signature, or an attestation of one type, by one of the keys or by an identity.

        Predicate type, subject digest and content of what is signed must match: a signed summary that says ``FAILED``
        is neither a signature nor a passed check.

        Args:
            reference: The kit. A tag is resolved once; the digest that was verified is in the result.
            keys: Public keys of which any may have signed, or where they are.
            identity: Instead of keys: the mail address or URI in a keyless signer's certificate.
            issuer: The OpenID Connect issuer that vouched for it.
            trust_root: The file with the authorities and logs to trust for that.
            type: ``signature``, or the attestation's predicate type: a URI, or a short name such as ``vsa``.
            needed: How many of the keys must have signed.
            where: Which storage; see :class:`Client`.

        Raises:
            NotFoundError: There is no such kit.
            VerificationError: It is not verified; the message says what was found instead.
            InvalidInputError: A key or the trust root cannot be used, or neither is given.
            DeniedError, RegistryError, StoreError: A storage refused or failed.
        """
        from kitops_core.evidence.verify import verify

        return verify(
            self._session,
            reference,
            keys=keys,
            identity=identity,
            issuer=issuer,
            trust_root=trust_root,
            type=type,
            needed=needed,
            where=where,
        )

    def metrics(
        self,
        reference: str,
        *,
        trusted: Sequence[types.PublicKey | str | Path] = (),
        where: types.Where = "any",
    ) -> dict[str, float]:
        """A kit's figures, as statements say that one of the trusted keys signed; the newest of each name.

        A promotion's gates count the same figures. Without keys unsigned statements count as well.

        Args:
            reference: The kit.
            trusted: Public keys, or where they are.
            where: Which storage; see :class:`Client`.

        Raises:
            NotFoundError: There is no such kit.
            InvalidInputError: A key cannot be used.
            DeniedError, RegistryError, StoreError: A storage refused or failed.
        """
        from kitops_core.evidence.measured import metrics

        return metrics(self._session, reference, trusted=trusted, where=where)

    def bom(
        self,
        reference: str,
        *,
        attach: bool = False,
        keys: Sequence[types.PublicKey | str | Path] = (),
        where: types.Where = "any",
    ) -> dict[str, Any]:
        """The bill of materials of a kit: CycloneDX 1.6 as JSON data. The same kit and evidence give the same bill.

        It has the kit as a machine-learning model with a model card, its files and datasets, and the kits and data it
        was made from. Metrics and inputs come from the statements attached to it. Where it is attached by a client
        with a signer, or keys are given, only statements that one of them verifies count: a signed bill must not vouch
        for what anybody attached.

        Args:
            reference: The kit.
            attach: Attach it to the kit, whose digest stays the same.
            keys: Public keys whose statements count.
            where: Which storage; see :class:`Client`.

        Raises:
            InvalidInputError: A key cannot be used.
            NotFoundError: There is no such kit.
            DeniedError, RegistryError, StoreError: The storage refused or failed.
        """
        from kitops_core.sbom.bill import bom

        return bom(self._session, reference, attach=attach, keys=keys, where=where)

    def lineage(
        self,
        reference: str,
        *,
        depth: int = 10,
        keys: Sequence[types.PublicKey | str | Path] = (),
        where: types.Where = "any",
    ) -> types.Lineage:
        """What a kit was made from: parent kits and theirs, data, commits, and the evidence attached to each.

        Follows ``model.path`` of the Kitfile and the resolved dependencies of provenance statements. A parent that is
        gone or that may not be read is shown as such, and a cycle ends.

        Args:
            reference: The kit.
            depth: How many generations of parents to read.
            keys: Public keys, or where to load them from, to check signatures with.
            where: Which storage; see :class:`Client`.

        Raises:
            NotFoundError: There is no such kit.
            DeniedError, RegistryError, StoreError: The kit itself could not be read.
            IntegrityError: It is not what its digest says.
            InvalidInputError: A key cannot be used.
        """
        from kitops_core.lineages.build import lineage

        return lineage(self._session, reference, depth=depth, keys=keys, where=where)
