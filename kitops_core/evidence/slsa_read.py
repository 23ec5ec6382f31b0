"""Reading SLSA provenance v1 that anybody may have written: what is not as the format says is passed over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from kitops_core.evidence.identifiers import current
from kitops_core.evidence.inputs import Input

MAX_INPUTS = 1000
"""How many dependencies of one statement are looked at."""


@dataclass(frozen=True)
class Build:
    """What a provenance statement says of how a kit was made. Fields are empty where it does not say.

    Attributes:
        builder: URI of who built it.
        orchestrator: What ran the pipeline.
        pipeline: The DAG, flow or job.
        task: The task in it.
        run: The run's id.
        url: Where the run can be looked at.
        user: Who ran it.
        started: When the run started, RFC 3339.
        finished: When it finished.
        parameters: What the run was given.
        inputs: What it was made from, without the commit.
        repository: URL of the git repository.
        commit: The commit.
        dirty: Whether files differed from the commit; ``None`` where nobody knows.
        deployment: The deployment of the pipeline that ran.
    """

    builder: str = ""
    orchestrator: str = ""
    pipeline: str = ""
    task: str = ""
    run: str = ""
    url: str = ""
    user: str = ""
    started: str = ""
    finished: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[Input, ...] = ()
    repository: str = ""
    commit: str = ""
    dirty: bool | None = None
    deployment: str = ""


def read_build(predicate: Mapping[str, Any]) -> Build:
    """Read a predicate of type ``https://slsa.dev/provenance/v1``."""
    definition = _map(predicate.get("buildDefinition"))
    outside = _map(definition.get("externalParameters"))
    run = _map(predicate.get("runDetails"))
    metadata = _map(run.get("metadata"))
    dependencies = definition.get("resolvedDependencies")
    found = [*_inputs(dependencies)]
    source = next((item for item in found if "gitCommit" in item.digest), None)
    return Build(
        builder=current(_text(_map(run.get("builder")).get("id"))),
        orchestrator=_text(outside.get("orchestrator")),
        pipeline=_text(outside.get("pipeline")),
        deployment=_text(outside.get("deployment")),
        task=_text(outside.get("task")),
        run=_text(metadata.get("invocationId")),
        url=_run_url(run.get("byproducts")),
        user=_text(_map(definition.get("internalParameters")).get("user")),
        started=_text(metadata.get("startedOn")),
        finished=_text(metadata.get("finishedOn")),
        parameters=_map(outside.get("parameters")),
        inputs=tuple(item for item in found if item is not source),
        repository=source.uri.removeprefix("git+").rpartition("@")[0] if source else "",
        commit=source.digest["gitCommit"] if source else "",
        dirty=_dirty(dependencies),
    )


def _inputs(value: Any) -> Iterator[Input]:
    for item in (value if isinstance(value, list) else [])[:MAX_INPUTS]:
        data = _map(item)
        digest = {key: text for key, text in _map(data.get("digest")).items() if isinstance(text, str)}
        uri = _text(data.get("uri"))
        if uri or digest:
            yield Input(uri, digest, _text(data.get("name")))


def _dirty(value: Any) -> bool | None:
    for item in value if isinstance(value, list) else []:
        if "gitCommit" in _map(_map(item).get("digest")):
            dirty = _map(_map(item).get("annotations")).get("dirty")
            return dirty if isinstance(dirty, bool) else None
    return None


def _run_url(value: Any) -> str:
    items = [_map(item) for item in value] if isinstance(value, list) else []
    return next((_text(item.get("uri")) for item in items if item.get("name") == "run"), "")


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
