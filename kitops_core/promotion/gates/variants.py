"""The gates of a channel, asked about a kit, or about an index: then about every kit of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from kitops_core.errors import KitOpsError
from kitops_core.events import Control
from kitops_core.kits.diff_index import paired
from kitops_core.oci.kit_index import IndexEntry, KitIndex
from kitops_core.oci.manifest import Manifest
from kitops_core.parallel import run_all
from kitops_core.promotion.gate_result import GateResult
from kitops_core.promotion.gates.candidate import Candidate
from kitops_core.promotion.gates.evaluate import evaluate
from kitops_core.promotion.gates.gate import Gate
from kitops_core.session import Found, FoundAny, FoundKit
from kitops_core.wording import count_text

_OF_THE_WHOLE = ("upstream", "soak", "approvals")
"""Gates that look at where the index was, and at what was said of it; all others look at each kit."""


def evaluate_all(gates: Sequence[Gate], candidate: Candidate) -> list[GateResult]:
    """Ask every gate. Of an index every kit must pass, and a refusal names those that do not.

    A signature on the index is one on each of its kits, which it names by their digests.

    Raises:
        NotFoundError: A kit that the index names is not there.
        IntegrityError: The index has an index within it.
        CancelledError: The caller asked to stop.
    """
    index = candidate.manifest
    if not isinstance(index, KitIndex):
        return evaluate(gates, candidate)
    index.check_no_index_within(str(candidate.found.reference))
    of_each = [gate for gate in gates if gate.kind not in _OF_THE_WHOLE]
    kits = candidate.kits if of_each else []
    tasks = [partial(_ask, of_each, candidate, index, kit) for kit in kits]
    if any(gate.kind == "command" for gate in of_each):  # a command has the machine to itself
        answers = [task(candidate.control) for task in tasks]
    else:
        answers = run_all(tasks, candidate.control)
    entries = [entry for kit in kits if (entry := index.find(kit.digest)) is not None]
    columns = iter(range(len(of_each)))
    results = []
    for gate in gates:
        if gate.kind in _OF_THE_WHOLE:
            results += evaluate([gate], candidate)
            continue
        column = next(columns)
        result = _together(gate, entries, [answer[column] for answer in answers])
        if not result.passed and gate.kind == "signed":
            (whole,) = evaluate([gate], candidate)
            result = whole if whole.passed else result
        results.append(result)
    return results


def _ask(
    gates: Sequence[Gate], candidate: Candidate, index: KitIndex, kit: Manifest, control: Control
) -> list[GateResult]:
    found = candidate.found
    named = Found(found.reference.with_digest(kit.digest), found.storage, kit, found.remote, index)

    def same_variant(channel: str) -> FoundAny | None:
        there = candidate.in_channel(channel)
        return _same_variant(index, kit, there.found) if there is not None else None

    one = Candidate(
        named, candidate.channel, candidate.policy, open_channel=same_variant, now=candidate.now, control=control
    )
    answers = evaluate(gates, one)
    with suppress(KitOpsError):  # what cannot be read has been said, where a gate needs it
        if (attached := one.attached()) is not None:
            candidate.of_kits[kit.digest] = attached
    return answers


def _same_variant(index: KitIndex, kit: Manifest, there: FoundAny) -> FoundAny | None:
    """The kit of a channel's index that is the same variant, by labels or tag; a channel's only kit is of all."""
    before = there.manifest
    if not isinstance(before, KitIndex):
        return there
    entry = next((had for has, had in paired(before, index) if has.digest == kit.digest and had is not None), None)
    if entry is None:
        return None
    manifest = there.storage.manifest(entry.digest)
    return FoundKit(there.reference.with_digest(entry.digest), there.storage, manifest, there.remote)


def _together(gate: Gate, entries: Sequence[IndexEntry], results: Sequence[GateResult]) -> GateResult:
    """One result of a gate for all kits."""
    failed = [(entry, result) for entry, result in zip(entries, results, strict=True) if not result.passed]
    evidence = tuple(dict.fromkeys(digest for result in results for digest in result.evidence))
    if not results:
        return GateResult(gate.name, False, "the index has no kit", gate.kind)
    if failed:
        names = ", ".join(_short(entry) for entry, _ in failed)
        counted = f"{len(failed)} of {count_text(len(results), 'kit')}" if len(results) > 1 else "the only kit"
        told = "; ".join(dict.fromkeys(result.detail for _, result in failed if result.detail))
        return GateResult(gate.name, False, f"{counted} ({names}): {told or 'refused'}", gate.kind, evidence)
    names_said = list(dict.fromkeys(result.name for result in results))
    if len(names_said) == 1:
        detail = f"{results[0].detail or 'holds'}, each of {len(results)}"
        return GateResult(names_said[0], True, detail, gate.kind, evidence)
    told = "; ".join(f"{_short(entry)}: {result.name}" for entry, result in zip(entries, results, strict=True))
    return GateResult(gate.name, True, told, gate.kind, evidence)


def _short(entry: IndexEntry) -> str:
    return entry.tag or entry.digest[:19]
