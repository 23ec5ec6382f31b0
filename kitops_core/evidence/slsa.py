"""How a kit was made, as SLSA provenance v1 (https://slsa.dev/spec/v1.1/provenance).

Secrets are taken out of everything that goes in: see :mod:`kitops_core.evidence.secrets`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from kitops_core.errors import InvalidInputError
from kitops_core.evidence.identifiers import HOME, current
from kitops_core.evidence.inputs import Input
from kitops_core.evidence.secrets import redact, redact_text
from kitops_core.record import Source

BUILD_TYPE = f"{HOME}build/pack/v1"
"""Says that ``externalParameters`` has ``orchestrator``, ``pipeline``, ``task`` and ``parameters``, all optional."""

IMPORT_TYPE = f"{HOME}build/import/v1"
"""The same of a kit that was imported from a hub or tracking server, which the first dependency names."""

LOCAL_BUILDER = f"{HOME}builder/local/v1"
"""The builder where nobody named one and no orchestrator ran: somebody's machine, which vouches for nothing."""

_GIT_COMMIT = "gitCommit"


@dataclass(frozen=True)
class Provenance:
    """What to say about how a kit was made. What is left out of the git state is asked of git when packing.

    Attributes:
        parameters: What the run was given, free-form JSON.
        inputs: What it was made from: inputs, or text as :func:`~kitops_core.evidence.inputs.parse_input` reads it.
            Kits named by a tag are pinned to the digest that the tag has when packing.
        metrics: Figures that were measured, attached as a test result. One that came out as no finite number is told
            by name, ``"nan"``: no gate takes it, and an earlier figure does not count any more.
        builder: URI of who built it; by default of the orchestrator, or of an unnamed local machine.
        started: When the run started.
        finished: When it finished, and the metrics were measured; now where nobody says.
        repository: URL of the git repository.
        commit: The commit in it.
        dirty: Whether the files differed from the commit; ``None`` where nobody knows.
        user: Who ran it.
        build_type: What kind of build it was, which says what the parameters mean.
    """

    parameters: Mapping[str, Any] = field(default_factory=dict)
    inputs: Sequence[Input | str] = ()
    metrics: Mapping[str, float | str] = field(default_factory=dict)
    builder: str = ""
    started: datetime | None = None
    finished: datetime | None = None
    repository: str = ""
    commit: str = ""
    dirty: bool | None = None
    user: str = ""
    build_type: str = BUILD_TYPE


def with_git(provenance: Provenance, directory: Path, source: Source) -> Provenance:
    """The same provenance, with what git says of ``directory`` where neither it nor the source says it."""
    from kitops_core.evidence.git import git_state

    commit = provenance.commit or source.git_sha
    repository = provenance.repository or source.git_url
    dirty = provenance.dirty if provenance.dirty is not None else (source.git_dirty or None)
    if commit and repository and dirty is not None:
        return provenance
    state = git_state(directory)
    if state is not None and commit in ("", state.commit):
        commit, repository = state.commit, repository or state.repository
        dirty = state.dirty if dirty is None else dirty
    return replace(provenance, commit=commit, repository=redact_text(repository), dirty=dirty)


def with_state(source: Source, provenance: Provenance) -> Source:
    """The record's source with the provenance's git state, and without secrets in its URLs."""
    return replace(
        source,
        url=redact_text(source.url),
        git_sha=provenance.commit or source.git_sha,
        git_url=redact_text(provenance.repository or source.git_url),
        git_dirty=source.git_dirty if provenance.dirty is None else provenance.dirty,
    )


def provenance_predicate(provenance: Provenance, source: Source, inputs: Sequence[Input]) -> dict[str, Any]:
    """The predicate of a statement about the packed kit.

    Args:
        provenance: What to say, with its git state.
        source: The pipeline run.
        inputs: The provenance's inputs, read and with kits pinned.

    Raises:
        InvalidInputError: A parameter cannot be written as JSON.
    """
    from kitops_core.kitfile.plain_values import plain

    try:
        parameters = redact(plain(provenance.parameters, place="parameters"))
    except ValueError as error:
        raise InvalidInputError(f"the provenance's {error}") from None
    outside = {
        "orchestrator": source.orchestrator,
        "pipeline": source.pipeline,
        "deployment": source.deployment,
        "task": source.task,
        "parameters": parameters,
    }
    dependencies = [item.to_dict() for item in inputs]
    if provenance.commit:
        dependencies.insert(0, _commit(provenance))
    run: dict[str, Any] = {"builder": {"id": redact_text(provenance.builder or _builder(source))}}
    metadata = {
        "invocationId": redact_text(source.run),
        "startedOn": format_time(provenance.started),
        "finishedOn": format_time(provenance.finished),
    }
    if said := {key: value for key, value in metadata.items() if value}:
        run["metadata"] = said
    if source.url:
        run["byproducts"] = [{"name": "run", "uri": redact_text(source.url)}]
    return {
        "buildDefinition": {
            "buildType": provenance.build_type,
            "externalParameters": {key: value for key, value in outside.items() if value},
            "internalParameters": {"user": provenance.user} if provenance.user else {},
            "resolvedDependencies": dependencies,
        },
        "runDetails": run,
    }


def says_build(there: Sequence[Mapping[str, Any]], new: Mapping[str, Any]) -> int | None:
    """Which of the predicates that are there says the same as a new one, but for run ids, run URLs and times."""
    return next((index for index, old in enumerate(there) if _lasting(old) == _lasting(new)), None)


def format_time(time: datetime | None) -> str:
    """RFC 3339 in UTC, to the second; empty for no time. A time without an offset is local, as Python has it."""
    return "" if time is None else time.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _commit(provenance: Provenance) -> dict[str, Any]:
    repository = redact_text(provenance.repository)
    data: dict[str, Any] = {"name": "source", "digest": {_GIT_COMMIT: provenance.commit}}
    if repository:
        data["uri"] = f"git+{repository}@{provenance.commit}"
    if provenance.dirty is not None:
        data["annotations"] = {"dirty": provenance.dirty}
    return data


def _builder(source: Source) -> str:
    return f"{HOME}builder/{source.orchestrator}/v1" if source.orchestrator else LOCAL_BUILDER


def _lasting(predicate: Mapping[str, Any]) -> dict[str, Any]:
    run = predicate.get("runDetails")
    run = {key: run[key] for key in run if key not in ("metadata", "byproducts")} if isinstance(run, Mapping) else run
    definition = predicate.get("buildDefinition")
    lasting = {"runDetails": _now(run, "builder", "id"), "buildDefinition": _now(definition, "buildType")}
    return {**predicate, **lasting}


def _now(said: Any, *path: str) -> Any:
    """The identifier at a path in its current form, where there is one that is ours."""
    if not path:
        return current(said) if isinstance(said, str) else said
    if not isinstance(said, Mapping) or path[0] not in said:
        return said
    return {**said, path[0]: _now(said[path[0]], *path[1:])}
