"""Events of what verbs told: the one place that makes OpenLineage's words of ours.

A job is what a pipeline's task does to one kit, or without a pipeline what somebody does to it:
``train.fit.pack.ml/churn``, ``promote.ml/churn.prod``. Its namespace is ``OPENLINEAGE_NAMESPACE``, else the
orchestrator, else ``kitops``. A run's parent is what ``OPENLINEAGE_PARENT_ID`` names, else the orchestrator's run.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Mapping
from typing import TypeVar
from urllib.parse import unquote

from openlineage.client import event_v2 as ol
from openlineage.client.generated.base import (
    DatasetFacet,
    EventType,
    JobFacet,
    OutputDatasetFacet,
    RunFacet,
)
from openlineage.client.generated.dataset_type_dataset import DatasetTypeDatasetFacet
from openlineage.client.generated.dataset_version_dataset import DatasetVersionDatasetFacet
from openlineage.client.generated.error_message_run import ErrorMessageRunFacet
from openlineage.client.generated.job_type_job import JobTypeJobFacet
from openlineage.client.generated.output_statistics_output_dataset import OutputStatisticsOutputDatasetFacet
from openlineage.client.generated.parent_run import Job as ParentJob
from openlineage.client.generated.parent_run import ParentRunFacet
from openlineage.client.generated.parent_run import Run as ParentRun
from openlineage.client.generated.processing_engine_run import ProcessingEngineRunFacet
from openlineage.client.generated.source_code_location_job import SourceCodeLocationJobFacet

from kitops_core.evidence.predicate_types import predicate_name
from kitops_core.evidence.secrets import redact_text
from kitops_core.openlineage.facets import (
    PRODUCER,
    EvidenceDatasetFacet,
    Gate,
    Metric,
    MetricsDatasetFacet,
    ModelKitDatasetFacet,
    PipelineRunFacet,
    PromotionRunFacet,
)
from kitops_core.openlineage.naming import DatasetName, input_name, kit_name
from kitops_core.openlineage.operation import Operation
from kitops_core.record import ModelKitRecord, Source
from kitops_core.version import __version__

_T = TypeVar("_T", bound="DatasetFacet | JobFacet | OutputDatasetFacet | RunFacet")


def event_of(operation: Operation, environment: Mapping[str, str] = os.environ) -> ol.RunEvent:
    """What happened, as OpenLineage's client sends it.

    Args:
        operation: What a verb told.
        environment: Where namespace and parent may be named.
    """
    source = operation.run
    namespace = redact_text(environment.get("OPENLINEAGE_NAMESPACE") or source.orchestrator or "kitops")
    return ol.RunEvent(
        eventType=EventType(operation.state),
        eventTime=operation.time.isoformat(timespec="milliseconds"),
        run=ol.Run(operation.id, _run_facets(operation, namespace, environment)),
        job=ol.Job(namespace, redact_text(_job_name(operation)), _job_facets(operation)),
        inputs=inputs_of(operation),
        outputs=outputs_of(operation),
        producer=PRODUCER,
    )


def inputs_of(operation: Operation) -> list[ol.InputDataset]:
    """What a kit was made from, each once; of a promotion the kit itself.

    A kit is not made from others of its own repository: nothing comes of itself.
    """
    names = dict.fromkeys(input_name(item) for item in operation.inputs)
    return [
        ol.InputDataset(name.namespace, name.name, facets=_version(name))
        for name in names
        if operation.channel or not _is_target(name, operation)
    ]


def outputs_of(operation: Operation) -> list[ol.OutputDataset]:
    """The kit, with its digest as the version, once it is there.

    Receivers make a version of a dataset of every event that names it as an output. So it is not named before it is
    there, nor where that failed, nor by a promotion that moves a tag within the repository that has the kit already.
    """
    record = operation.record
    in_place = operation.channel and any(_is_target(input_name(item), operation) for item in operation.inputs)
    return [] if record is None or operation.state != "COMPLETE" or in_place else [_output(operation, record)]


def _is_target(name: DatasetName, operation: Operation) -> bool:
    made = kit_name(operation.target)
    return (name.namespace, name.name) == (made.namespace, made.name)


def _output(operation: Operation, record: ModelKitRecord) -> ol.OutputDataset:
    name = kit_name(operation.target)
    facets = _version(name._replace(version=record.digest))
    facets["datasetType"] = _ours(DatasetTypeDatasetFacet("MODEL"))
    facets["kitops_modelkit"] = _ours(_modelkit(record))
    if operation.metrics:
        figures = [Metric(redact_text(name), value) for name, value in operation.metrics.items()]
        facets["kitops_metrics"] = _ours(MetricsDatasetFacet(figures))
    if operation.statements:
        said = [predicate_name(one) for one in operation.statements]
        facets["kitops_evidence"] = _ours(EvidenceDatasetFacet(said, operation.signed))
    size = _ours(OutputStatisticsOutputDatasetFacet(size=record.size, fileCount=len(record.layers) or None))
    return ol.OutputDataset(name.namespace, name.name, facets=facets, outputFacets={"outputStatistics": size})


def dataset_of(name: DatasetName) -> ol.Dataset:
    """A dataset that is only named, as a task that reads a kit names it."""
    return ol.Dataset(name.namespace, name.name, facets=_version(name))


def own_run_facets(operations: Iterable[Operation]) -> dict[str, RunFacet]:
    """What of operations belongs to the run that somebody else tells of: the last promotion among them."""
    found = [_promotion(operation) for operation in operations if operation.channel]
    return {"kitops_promotion": _ours(found[-1])} if found else {}


def run_id(source: Source) -> str:
    """A pipeline's run as OpenLineage knows it: the orchestrator's id where that is a UUID, else one made of it."""
    try:
        return str(uuid.UUID(source.run))
    except ValueError:
        named = "\0".join((source.orchestrator, source.pipeline, source.run))
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"urn:kitops-core:run/{named}"))


def _run_facets(operation: Operation, namespace: str, environment: Mapping[str, str]) -> dict[str, RunFacet]:
    facets: dict[str, RunFacet] = {
        "processing_engine": _ours(ProcessingEngineRunFacet(version=__version__, name="kitops-core"))
    }
    source = operation.run
    parent = _named_parent(environment.get("OPENLINEAGE_PARENT_ID", ""))
    if parent is None and source.orchestrator and source.pipeline and source.run:
        parent = ParentRunFacet(ParentRun(run_id(source)), ParentJob(namespace, redact_text(source.pipeline)))
    if parent is not None:
        facets["parent"] = _ours(parent)
    names = ("orchestrator", "pipeline", "run", "task", "url", "deployment")
    if said := {name: redact_text(value) for name in names if (value := getattr(source, name))}:
        facets["kitops_run"] = _ours(PipelineRunFacet(**said))
    if operation.channel:
        facets["kitops_promotion"] = _ours(_promotion(operation))
    if operation.error:
        facets["errorMessage"] = _ours(ErrorMessageRunFacet(operation.error, "PYTHON"))
    return facets


def _named_parent(named: str) -> ParentRunFacet | None:
    """What is in ``OPENLINEAGE_PARENT_ID``, as others write it: namespace, job and run, quoted, with ``/`` between."""
    parts = [redact_text(unquote(part)) for part in named.split("/")]
    try:
        namespace, job, run = parts
        return ParentRunFacet(ParentRun(str(uuid.UUID(run))), ParentJob(namespace, job))
    except ValueError:
        return None


def _job_name(operation: Operation) -> str:
    source, name = operation.run, kit_name(operation.target).name.strip("/")
    return ".".join(part for part in (source.pipeline, source.task, operation.verb, name, operation.channel) if part)


def _job_facets(operation: Operation) -> dict[str, JobFacet]:
    facets: dict[str, JobFacet] = {
        "jobType": _ours(JobTypeJobFacet(processingType="BATCH", integration="KITOPS", jobType=operation.verb.upper()))
    }
    source = operation.run
    if source.git_url:
        url = redact_text(source.git_url)
        location = SourceCodeLocationJobFacet(type="git", url=url, repoUrl=url, version=source.git_sha or None)
        facets["sourceCodeLocation"] = _ours(location)
    return facets


def _modelkit(record: ModelKitRecord) -> ModelKitDatasetFacet:
    kit = {name: str(record.kit[name]) for name in ("name", "version", "license") if record.kit.get(name)}
    return ModelKitDatasetFacet(
        reference=record.reference,
        digest=record.digest,
        tags=list(record.tags),
        size=record.size,
        changed=record.changed,
        layers=len(record.layers),
        kit={name: redact_text(text) for name, text in kit.items()},
        previousDigest=record.previous_digest or None,
        variants=None if record.variants is None else [variant.digest for variant in record.variants],
    )


def _promotion(operation: Operation) -> PromotionRunFacet:
    said = operation.promotion
    gates = [Gate(**gate) for gate in said.get("gates", ())]  # as a record of a promotion keeps them
    return PromotionRunFacet(
        action=operation.verb,
        channel=operation.channel,
        gates=gates,
        changed=bool(said.get("changed")),
        previousDigest=said.get("previous_digest") or None,
        record=said.get("record") or None,
    )


def _version(name: DatasetName) -> dict[str, DatasetFacet]:
    return {"version": _ours(DatasetVersionDatasetFacet(name.version))} if name.version else {}


def _ours(facet: _T) -> _T:
    """The same facet, said by this project: the client would say that it said so itself."""
    facet._producer = PRODUCER
    return facet
