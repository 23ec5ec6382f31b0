"""What a pack says about how the kit was made: put together before the first byte is sent, attached before the tags."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kitops_core.errors import NotFoundError
from kitops_core.events import Control
from kitops_core.evidence.predicate_types import COSIGN_SIGN, SLSA_PROVENANCE, TEST_RESULT
from kitops_core.oci.manifest import Descriptor
from kitops_core.record import Source
from kitops_core.reference import Reference, parse_reference
from kitops_core.session import Session
from kitops_core.storage import Storage

if TYPE_CHECKING:
    from kitops_core.evidence.inputs import Input
    from kitops_core.evidence.slsa import Provenance
    from kitops_core.evidence.statement import Statement
    from kitops_core.evidence.statements import Evidence, EvidenceReader
    from kitops_core.kitfile import KitfileData
    from kitops_core.signing.keys import SigningKey

FindSame = Callable[[Sequence[Mapping[str, Any]], Mapping[str, Any]], "int | None"]
"""Which of the predicates that are there says the same as a new one, if any."""


@dataclass(frozen=True)
class PackEvidence:
    """Statements about a kit that is being packed.

    Attributes:
        source: The pipeline run, with the git state that was found and without secrets.
        parents: References, pinned by digest, of the kits it was made from.
        key: What to sign with, if anything.
        created: The time to stamp on what is attached; now where nobody says.
        statements: Predicate types and predicates, each with how to find one that says the same.
        inputs: What the provenance says it was made from, kits pinned to their digests.
    """

    source: Source
    parents: tuple[str, ...]
    key: SigningKey | None = None
    created: datetime | None = None
    statements: tuple[tuple[str, Mapping[str, Any], FindSame], ...] = ()
    inputs: tuple[Input, ...] = ()

    def missing(self, storage: Storage, subject: Descriptor, control: Control) -> list[Statement]:
        """What is not attached yet; nothing has to be there."""
        if not self.statements:
            return []
        from kitops_core.evidence.statement import statement_for
        from kitops_core.evidence.statements import EvidenceReader

        reader = EvidenceReader(storage, subject.digest, control)
        return [
            statement_for(subject.digest, predicate_type, predicate)
            for predicate_type, predicate, find_same in self.statements
            if _same(reader, predicate_type, predicate, find_same, self.key) is None
        ]

    def attach(self, storage: Storage, subject: Descriptor, statements: Sequence[Statement], control: Control) -> None:
        """Attach statements, listed by one write."""
        if statements:
            from kitops_core.evidence.statements import write_statements

            written = write_statements(
                storage, subject, statements, key=self.key, control=control, created=self.created
            )
            storage.put_referrers([manifest for manifest, _ in written])


def prepare_evidence(
    session: Session, provenance: Provenance | None, kitfile: KitfileData, directory: Path | None
) -> PackEvidence:
    """Find out all that is to be said: the git state, and the digests of parent kits.

    A signer signs the kit, and what is said about it. Without provenance nothing else is attached and no registry is
    asked: of the Kitfile's parent kit only a digest that is known here gets into the record.

    Args:
        session: Who packs, and with which key.
        provenance: What to say.
        kitfile: The Kitfile.
        directory: Where git is asked for the commit; ``None`` where the files come from no checkout.

    Raises:
        InvalidInputError: An input, a metric, a parameter or the key cannot be used.
        NotFoundError: A parent kit is not there.
        DeniedError, RegistryError, StoreError: A parent kit could not be looked up.
    """
    from kitops_core.evidence.secrets import redact_text

    run, signer = session.run, session.signer
    signature: list[tuple[str, Mapping[str, Any], FindSame]] = [(COSIGN_SIGN, {}, says_anything)] if signer else []
    named = [parse_reference(text) for text in kitfile.references()]
    if provenance is None:
        known = tuple(found for reference in named if (found := _known_here(session, reference)))
        source = replace(run, url=redact_text(run.url))
        return PackEvidence(source, known, signer, None, tuple(signature))

    from kitops_core.evidence.inputs import Input, kit_input, parse_input
    from kitops_core.evidence.metrics import metrics_predicate, says_metrics
    from kitops_core.evidence.slsa import provenance_predicate, says_build, with_git, with_state

    provenance = provenance if directory is None else with_git(provenance, directory, run)
    inputs = [item if isinstance(item, Input) else parse_input(item) for item in provenance.inputs]
    inputs += [kit_input(reference) for reference in named]
    pinned = [_pinned(session, item) for item in inputs]
    source = with_state(run, provenance)
    statements = [*signature, (SLSA_PROVENANCE, provenance_predicate(provenance, source, pinned), says_build)]
    if provenance.metrics:
        measured = metrics_predicate(provenance.metrics, time=provenance.finished, url=source.url)
        statements.append((TEST_RESULT, measured, says_metrics))
    parents = dict.fromkeys(str(item.kit.with_digest(item.kit.digest)) for item in pinned if item.kit is not None)
    return PackEvidence(source, tuple(parents), signer, provenance.finished, tuple(statements), tuple(pinned))


def says_anything(said: Sequence[Mapping[str, Any]], predicate: Mapping[str, Any]) -> int | None:
    """Of a signature, whose predicate says nothing, any that is there is the same."""
    return 0 if said else None


def attach_new(
    storage: Storage,
    subject: Descriptor,
    predicate_type: str,
    predicate: Mapping[str, Any],
    find_same: FindSame,
    *,
    key: SigningKey | None,
    created: datetime | None = None,
    control: Control,
) -> Evidence:
    """Attach a statement, unless one that says the same is there, signed by the same key where there is one."""
    from kitops_core.evidence.statement import statement_for
    from kitops_core.evidence.statements import EvidenceReader, attach_statement

    reader = EvidenceReader(storage, subject.digest, control)
    if (same := _same(reader, predicate_type, predicate, find_same, key)) is not None:
        return same
    statement = statement_for(subject.digest, predicate_type, predicate)
    return attach_statement(storage, subject, statement, key=key, control=control, created=created)


def _same(
    reader: EvidenceReader,
    predicate_type: str,
    predicate: Mapping[str, Any],
    find_same: FindSame,
    key: SigningKey | None,
) -> Evidence | None:
    """What is attached and says the same, signed by the same key where there is one."""
    there = [
        (item, item.statement.predicate)
        for item in reader.read(predicate_type)
        if item.statement is not None
        and item.statement.about(item.subject)
        and (key is None or item.verified_by([key.public]))
    ]
    said = find_same([old for _, old in there], predicate)
    return None if said is None else there[said][0]


def all_parents(*groups: Sequence[str]) -> tuple[str, ...]:
    """Every parent once."""
    return tuple(dict.fromkeys(parent for group in groups for parent in group))


def _pinned(session: Session, item: Input) -> Input:
    """The input; a kit with the digest that its tag has now."""
    from kitops_core.evidence.inputs import kit_input

    reference = item.kit
    if reference is None or reference.digest:
        return item
    found = session.find(reference)
    found.storage.close()
    return kit_input(found.reference, item.name)


def _known_here(session: Session, reference: Reference) -> str:
    """The reference pinned, where it is or the local store has it; an empty string otherwise."""
    if reference.digest:
        return str(reference.with_digest(reference.digest))
    try:
        found = session.find(reference, "store")
    except NotFoundError:
        return ""
    found.storage.close()
    return str(found.reference.with_digest(found.reference.digest))
