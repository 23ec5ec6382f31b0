"""Gates ``license``, ``required`` and ``max_size``: what the kit itself says and holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kitops_core.promotion.gate_result import GateResult
from kitops_core.promotion.gates.gate import passed, refused
from kitops_core.promotion.kitfile_fields import has_field
from kitops_core.wording import size_text

if TYPE_CHECKING:
    from kitops_core.kitfile import Kitfile
    from kitops_core.promotion.gate_models import License
    from kitops_core.promotion.gates.candidate import Candidate


@dataclass(frozen=True)
class LicenseGate:
    """Every licence that the Kitfile names is allowed. Identifiers are compared whole, whatever their case."""

    spec: License
    kind = "license"

    @property
    def name(self) -> str:
        """What it asks for."""
        return f"license {' or '.join(self.spec.allow)}"

    def check(self, candidate: Candidate) -> GateResult:
        """Compare each licence with the list."""
        allowed = {license.casefold() for license in self.spec.allow}
        named = list(_licenses(candidate.kit.kitfile))
        if not named:
            return refused(self, "the Kitfile names no license")
        wrong = [f"{place} is {license}" for place, license in named if license.strip().casefold() not in allowed]
        if wrong:
            return refused(self, ", ".join(wrong))
        return passed(self, name=f"license {', '.join(dict.fromkeys(license for _, license in named))}")


@dataclass(frozen=True)
class RequiredGate:
    """The Kitfile has these sections and fields."""

    fields: tuple[str, ...]
    kind = "required"

    @property
    def name(self) -> str:
        """What it asks for."""
        return f"has {', '.join(self.fields)}"

    def check(self, candidate: Candidate) -> GateResult:
        """Look for each of them."""
        missing = [field for field in self.fields if not has_field(candidate.kit.kitfile, field)]
        return refused(self, f"without {', '.join(missing)}") if missing else passed(self)


@dataclass(frozen=True)
class MaxSizeGate:
    """The kit is not larger than this, in bytes as stored."""

    limit: int
    kind = "max_size"

    @property
    def name(self) -> str:
        """What it asks for."""
        return f"at most {size_text(self.limit)}"

    def check(self, candidate: Candidate) -> GateResult:
        """Compare the size the manifest states, which every storage holds blobs to."""
        size = candidate.manifest.size
        if size <= self.limit:
            return passed(self, size_text(size))
        exact = f" ({size} bytes, {self.limit} are allowed)" if size_text(size) == size_text(self.limit) else ""
        return refused(self, size_text(size) + exact)


def _licenses(kitfile: Kitfile) -> Iterator[tuple[str, str]]:
    sections = [("package", kitfile.package.license)]
    if kitfile.model is not None:
        sections.append(("model", kitfile.model.license))
        sections += [(f"model.parts[{index}]", part.license) for index, part in enumerate(kitfile.model.parts)]
    sections += [(f"datasets[{index}]", dataset.license) for index, dataset in enumerate(kitfile.datasets)]
    sections += [(f"code[{index}]", code.license) for index, code in enumerate(kitfile.code)]
    return (section for section in sections if section[1].strip())
