"""This project's own facets: none is about columns, which a kit has not."""

from __future__ import annotations

from typing import ClassVar

import attr
from openlineage.client.generated.base import DatasetFacet, RunFacet
from openlineage.client.utils import RedactMixin

from kitops_core.evidence.identifiers import HOME
from kitops_core.version import __version__

PRODUCER = f"{HOME}openlineage/{__version__}"
"""Who says all this: this project, in this version."""


def _schema(name: str) -> str:
    return f"{HOME}openlineage/{name}/v1"


@attr.define
class ModelKitDatasetFacet(DatasetFacet):
    """``kitops_modelkit``: the version of a kit, or of an index of kits."""

    reference: str
    digest: str
    tags: list[str]
    size: int
    changed: bool
    layers: int
    kit: dict[str, str] = attr.field(factory=dict)
    previousDigest: str | None = None  # noqa: N815
    variants: list[str] | None = None

    _additional_skip_redact: ClassVar[list[str]] = ["reference", "digest", "tags"]

    @staticmethod
    def _get_schema() -> str:
        return _schema("ModelKitDatasetFacet")


@attr.define
class Metric(RedactMixin):
    """A figure; one that came out as no finite number is told by its name, ``"nan"``."""

    name: str
    value: float | str


@attr.define
class MetricsDatasetFacet(DatasetFacet):
    """``kitops_metrics``: what was measured of a kit."""

    metrics: list[Metric]

    @staticmethod
    def _get_schema() -> str:
        return _schema("MetricsDatasetFacet")


@attr.define
class EvidenceDatasetFacet(DatasetFacet):
    """``kitops_evidence``: the predicate types of what is attached to a kit, and whether that is signed."""

    predicateTypes: list[str]  # noqa: N815
    signed: bool

    @staticmethod
    def _get_schema() -> str:
        return _schema("EvidenceDatasetFacet")


@attr.define
class Gate(RedactMixin):
    """What one gate said, and the digests of the statements it rests on."""

    name: str
    kind: str
    passed: bool
    detail: str
    evidence: list[str]


@attr.define
class PromotionRunFacet(RunFacet):
    """``kitops_promotion``: a promotion or rollback."""

    action: str
    channel: str
    gates: list[Gate] = attr.field(factory=list)
    changed: bool = False
    previousDigest: str | None = None  # noqa: N815
    record: str | None = None

    @staticmethod
    def _get_schema() -> str:
        return _schema("PromotionRunFacet")


@attr.define
class PipelineRunFacet(RunFacet):
    """``kitops_run``: the pipeline run that worked, as provenance names it; without its parameters."""

    orchestrator: str | None = None
    pipeline: str | None = None
    run: str | None = None
    task: str | None = None
    url: str | None = None
    deployment: str | None = None

    @staticmethod
    def _get_schema() -> str:
        return _schema("PipelineRunFacet")
