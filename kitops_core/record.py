"""The one record of a kit: the same keys in a command's JSON, an asset event, a materialization and a provenance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SCHEMA = "kitops/modelkit-record/v1"


@dataclass(frozen=True)
class Source:
    """What made a kit: filled by an orchestrator's integration, empty when a person ran the command.

    Attributes:
        orchestrator: ``airflow``, ``prefect``, ``dagster`` or another name.
        pipeline: The DAG, flow or job.
        run: The run's id.
        task: The task, step or op in it.
        url: Where a person can look at the run.
        git_sha: The commit the pipeline's code was at.
        git_url: The git repository, without credentials.
        git_dirty: Whether the code differed from the commit.
        actor: Who started it, as the orchestrator knows them.
        deployment: The deployment of the pipeline that ran, where the orchestrator has such.
    """

    orchestrator: str = ""
    pipeline: str = ""
    run: str = ""
    task: str = ""
    url: str = ""
    git_sha: str = ""
    git_url: str = ""
    git_dirty: bool = False
    actor: str = ""
    deployment: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The fields that are set."""
        return {key: value for key, value in vars(self).items() if value}


@dataclass(frozen=True)
class LayerRecord:
    """One layer of a kit.

    Attributes:
        section: The Kitfile section: ``model``, ``modelpart``, ``code``, ``dataset``, ``docs``, ``prompt``, ``mcpb``.
        path: The path in the kit.
        media_type: The layer's media type.
        digest: Digest of the bytes as stored.
        diff_id: Digest of the uncompressed bytes.
        size: Bytes as stored.
        outcome: ``written``, ``present`` or ``mounted``; empty where nothing was moved.
    """

    section: str
    path: str
    media_type: str
    digest: str
    diff_id: str
    size: int
    outcome: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The layer as JSON."""
        return dict(vars(self))

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> LayerRecord:
        """Read what :meth:`to_dict` wrote; unknown keys of newer versions are ignored.

        Raises:
            ValueError: A key is missing, or a value of another kind than it must be.
        """
        fields = {key: data[key] for key in LayerRecord.__dataclass_fields__ if key in data}
        try:
            layer = LayerRecord(**fields)
        except TypeError as error:
            raise ValueError(f"not a complete layer: {error}") from None
        texts = (value for key, value in vars(layer).items() if key != "size")
        if not all(isinstance(text, str) for text in texts) or type(layer.size) is not int:
            raise ValueError(f"layer {layer.path!r}: its size must be a whole number, everything else text")
        return layer


@dataclass(frozen=True)
class VariantRecord:
    """One kit of an index.

    Attributes:
        digest: Its manifest's digest.
        tag: The tag that it was added by, or an empty string.
        size: Bytes of its layers as stored; ``None`` where the index does not say.
        labels: What it is chosen by: any JSON values.
        annotations: What else is said of it.
    """

    digest: str
    tag: str = ""
    size: int | None = None
    labels: Mapping[str, Any] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The variant as JSON."""
        return {**vars(self), "labels": dict(self.labels), "annotations": dict(self.annotations)}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> VariantRecord:
        """Read what :meth:`to_dict` wrote; unknown keys of newer versions are ignored.

        Raises:
            ValueError: The digest is missing.
        """
        if not isinstance(data.get("digest"), str):
            raise ValueError("not a complete variant: it has no digest")
        return VariantRecord(**{key: data[key] for key in VariantRecord.__dataclass_fields__ if key in data})


@dataclass(frozen=True)
class ModelKitRecord:
    """What a kit, or an index of kits, is and what an operation did, flat and versioned.

    Attributes:
        digest: The manifest's digest.
        reference: The full reference with its tag, or its digest where there is no tag.
        registry: The registry's host, or ``localhost`` for the local store.
        repository: The repository.
        tag: The first tag, or an empty string.
        tags: All tags given.
        size: Bytes of config and layers as stored.
        kit: Name, version, description, license and authors from the Kitfile's package.
        layers: The layers, in the manifest's order.
        changed: Whether a tag moved or is new; false when the same kit was under all of them already.
        previous_digest: What the tag pointed at before, or an empty string.
        source: What made it.
        parents: References, pinned by digest, of the kits it was made from.
        created: RFC 3339 time of the kit where it carries one, else empty: kits are reproducible by default.
        sent: Bytes this operation moved.
        reused: Bytes that were there already or were mounted.
        moved: Those of the tags that moved to it or are new.
        origin: What it was imported from, pinned: ``hf://org/model@commit``; empty for a kit that was packed.
        variants: The kits of an index, which has no layers of its own; ``None`` for a kit.
    """

    digest: str
    reference: str
    registry: str
    repository: str
    tag: str
    tags: tuple[str, ...]
    size: int
    kit: Mapping[str, Any]
    layers: tuple[LayerRecord, ...]
    changed: bool
    previous_digest: str = ""
    source: Source = field(default_factory=Source)
    parents: tuple[str, ...] = ()
    created: str = ""
    sent: int = 0
    reused: int = 0
    moved: tuple[str, ...] = ()
    origin: str = ""
    variants: tuple[VariantRecord, ...] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON with a ``schema`` key; the same keys wherever the record appears."""
        return {
            "schema": SCHEMA,
            "digest": self.digest,
            "reference": self.reference,
            "registry": self.registry,
            "repository": self.repository,
            "tag": self.tag,
            "tags": list(self.tags),
            "size": self.size,
            "kit": dict(self.kit),
            "layers": [layer.to_dict() for layer in self.layers],
            "changed": self.changed,
            "previous_digest": self.previous_digest,
            "source": self.source.to_dict(),
            "parents": list(self.parents),
            "created": self.created,
            "sent": self.sent,
            "reused": self.reused,
            "moved": list(self.moved),
            **({"origin": self.origin} if self.origin else {}),
            **({"variants": [one.to_dict() for one in self.variants]} if self.variants is not None else {}),
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> ModelKitRecord:
        """Read what :meth:`to_dict` wrote; unknown keys of newer versions are ignored.

        Raises:
            ValueError: The schema is not one this version reads, or a key is missing.
        """
        if data.get("schema") != SCHEMA:
            raise ValueError(f"schema {data.get('schema')!r} is not {SCHEMA}")
        try:
            layers = tuple(LayerRecord.from_dict(layer) for layer in data["layers"])
            source = data.get("source", {})
            listed = data.get("variants")
            return ModelKitRecord(
                layers=layers,
                source=Source(**{key: source[key] for key in Source.__dataclass_fields__ if key in source}),
                tags=tuple(data["tags"]),
                parents=tuple(data.get("parents", ())),
                moved=tuple(data.get("moved", ())),
                variants=None if listed is None else tuple(VariantRecord.from_dict(one) for one in listed),
                **{
                    key: data[key]
                    for key in ModelKitRecord.__dataclass_fields__
                    if key in data and key not in ("layers", "source", "tags", "parents", "moved", "variants")
                },
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a complete record: {error}") from None
