"""Where an import goes, and the last steps that all imports share."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kitops_core.errors import KitfileError
from kitops_core.evidence.pack_evidence import prepare_evidence
from kitops_core.kits.kit_to_pack import KitToPack
from kitops_core.kits.pack import parse_target
from kitops_core.kits.packing import Packing
from kitops_core.kits.write_kit import Layer, kit_record, tags_now, write_kit
from kitops_core.openlineage.telling import telling
from kitops_core.record import ModelKitRecord
from kitops_core.session import Session

if TYPE_CHECKING:
    from kitops_core.evidence.slsa import Provenance
    from kitops_core.kitfile import Kitfile, KitfileData


@dataclass(frozen=True)
class Destination:
    """Where a kit goes; as the arguments of ``import_kit`` of these names."""

    session: Session
    reference: str
    push: bool
    tags: Sequence[str]

    def write(
        self,
        kitfile: KitfileData,
        where: str,
        plan: Callable[[KitToPack], Sequence[Layer]],
        provenance: Provenance,
        origin: str,
        default_name: str,
    ) -> ModelKitRecord:
        """Make the kit.

        Args:
            kitfile: The Kitfile.
            where: What to call it in errors.
            plan: Makes the layers; what is wrong with the files is said before the first byte is sent.
            provenance: Where the kit comes from.
            origin: The same in one URI.
            default_name: What to call the kit where the user did not say.
        """
        target, tags = parse_target(self.reference or default_name, self.tags)
        with telling(self.session, "import", target) as told:
            kit = KitToPack(kitfile, Packing(layer_format="raw"))
            kit.check(where)
            layers = plan(kit)
            kit.config_and_manifest([layer.finished() for layer in layers])  # too many layers are found here
            evidence = prepare_evidence(self.session, provenance, kitfile, None)
            with closing(self.session.storage(target, "registry" if self.push else "store")) as storage:
                before = tags_now(storage, tags, self.session.control)
                manifest, before = write_kit(kit, layers, storage, before, evidence, self.session.control)
            records = [layer.record() for layer in layers]
            record = kit_record(target, tags, manifest, kitfile, records, before, evidence, origin=origin)
            told.made(record, evidence)
        return record


def load_kitfile(kitfile: str | os.PathLike[str] | Kitfile) -> tuple[KitfileData, str]:
    """The Kitfile that a user gave, and what to call it in errors.

    Raises:
        KitfileError: It cannot be read, is none, or has nothing to import.
    """
    from kitops_core.kitfile import load_given

    description, where = load_given(kitfile)
    if not description.entries():
        raise KitfileError(where, ["it names no files"], hint="name files or directories of the source")
    return description, where
