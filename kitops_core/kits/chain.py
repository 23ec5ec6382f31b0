"""The kits that a kit is made from by name: fetched with it, and refused where they lead round in a circle."""

from __future__ import annotations

from collections.abc import Sequence

from kitops_core.errors import InvalidInputError, NotFoundError
from kitops_core.events import Event
from kitops_core.kitfile.data import KitfileData
from kitops_core.kits.stored_kit import StoredKit, read_kit
from kitops_core.reference import Reference, parse_reference
from kitops_core.session import FoundKit, Session

MAX_REFERENCE_CHAIN = 10
"""How many kits a Kitfile's references may lead through, as in the reference CLI."""


def check_chain(session: Session, target: Reference, tags: Sequence[str], kitfile: KitfileData, pushed: bool) -> None:
    """See that what is to be packed does not lead back to itself, nor through more kits than unpacking follows.

    Kits are looked for in the local store, and in the registry that is packed to; what is elsewhere is not seen.

    Args:
        session: Where to look.
        target: What is packed.
        tags: Its tags.
        kitfile: Its Kitfile.
        pushed: Whether it goes to its registry.

    Raises:
        InvalidInputError: It does.
    """
    own = {str(target.with_tag(tag)) for tag in tags}

    def follow(named: Sequence[str], chain: tuple[str, ...]) -> None:
        for text in named:
            reference = parse_reference(text)
            here = str(reference if reference.digest else reference.with_tag(reference.target))
            steps = " -> ".join((*chain, here))
            if here in own or here in chain:
                raise InvalidInputError(f"the kits that the Kitfile names lead in a circle: {steps}")
            if len(chain) > MAX_REFERENCE_CHAIN:
                raise InvalidInputError(f"the Kitfile leads through more than {MAX_REFERENCE_CHAIN} kits: {steps}")
            found = _seen(session, reference, pushed and reference.registry == target.registry)
            if found is not None:
                try:
                    below = read_kit(found.storage, found.manifest, session.control).kitfile_data.references()
                finally:
                    found.storage.close()
                follow(below, (*chain, here))

    follow(kitfile.references(), (str(target.with_tag(tags[0])),))


def missing_parents(session: Session, found: FoundKit, kit: StoredKit) -> list[str]:
    """The kits that a kit's Kitfile leads through and the local store has not, those that others need first.

    Args:
        session: Where to look.
        found: The kit.
        kit: The same, read.

    Raises:
        NotFoundError: One is nowhere.
        InvalidInputError: They lead through more kits than unpacking follows.
        DeniedError, RegistryError: A registry refused or failed.
    """
    missing: list[str] = []
    seen = {found.manifest.digest}

    def follow(child: FoundKit, kit: StoredKit, level: int) -> None:
        for text in kit.kitfile_data.references():
            if level > MAX_REFERENCE_CHAIN:
                raise InvalidInputError(f"{found.reference} leads through more than {MAX_REFERENCE_CHAIN} kits: {text}")
            try:
                parent = session.find(text)
            except NotFoundError as error:
                if parse_reference(text).is_local_name:  # of the machine that packed it: no registry has it
                    detail = f"{child.reference} is made from '{text}', which names no registry to fetch it from"
                    session.control.emit(Event("warning", text, detail=detail))
                    continue
                where = f"{child.reference} is made from the kit '{text}'"
                raise NotFoundError(f"{where}: {error}", hint=error.hint) from None
            try:
                if parent.manifest.digest not in seen:
                    seen.add(parent.manifest.digest)
                    follow(parent, read_kit(parent.storage, parent.manifest), level + 1)
                    if parent.remote:
                        missing.append(text)
            finally:
                parent.storage.close()

    follow(found, kit, 1)
    return missing


def _seen(session: Session, reference: Reference, in_registry: bool) -> FoundKit | None:
    """The kit, where it can be seen at once."""
    try:
        return session.find(reference, "any" if in_registry else "store")
    except NotFoundError:
        return None
