"""What an asset returned becomes a kit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import dagster as dg

import kitops_core as kitops
from dagster_kitops.contents import TRUSTED_TYPES, ModelKitContents, contents_of, number
from dagster_kitops.kit_ref import ModelKitLayers, ModelKitRef, ModelKitVariants
from dagster_kitops.modelkit import ModelKit
from dagster_kitops.resources import KitOpsResource
from dagster_kitops.variants import index_of
from kitops_core import InvalidInputError, ModelKitRecord, Source, parse_reference
from kitops_core.orchestrate.scratch import scratch
from kitops_core.orchestrate.side_by_side import side_by_side

_RETURN = (
    "return a ModelKitContents, an object that has a serializer, the Path or UPath of a directory, a ModelKitRef or a "
    "ModelKit"
)

_STAGING = threading.Lock()
"""Held while objects become files: not every serializer can be trusted to write two at a time."""

Stored = TypeVar("Stored")


@dataclass(frozen=True)
class Packer:
    """Packs the values of one output.

    Attributes:
        resource: Where to.
        context: The output's context.
        serializer: The serializer for objects; ``auto`` finds one.
        allow_pickle: Whether an object that has no safe format is pickled.
        metrics: Further metrics of the model.
        parents: References, pinned by digest, of the kits it was made from.
        provenance: Whether to attach how it was made, and what was measured, to the kit.
        signer: The private key that signs the kit and that; empty for the resource's.
        on_event: Is told how far packing and pushing are.
        client: Does it all; without one there is one for each kit.
        cancel: Stops that client.
    """

    resource: KitOpsResource
    context: dg.OutputContext
    serializer: str
    allow_pickle: bool
    metrics: Mapping[str, float]
    parents: Sequence[str]
    provenance: bool
    signer: str
    on_event: Callable[[kitops.Event], None] | None = None
    client: kitops.Client | None = None
    cancel: kitops.Cancel | None = None

    @contextmanager
    def connected(self) -> Iterator[Packer]:
        """The same with one client, and so one set of connections, for all that is packed in the block."""
        cancel = kitops.Cancel()
        with self.resource.client(self._source(), self.signer, self.on_event, cancel) as client:
            yield replace(self, client=client, cancel=cancel)

    def side_by_side(self, store: Callable[[str], Stored], keys: Sequence[str]) -> list[Stored]:
        """Store several kits at a time, and give what came of each, in order. When one fails the others stop."""
        return side_by_side(store, keys, self.cancel or kitops.Cancel())

    def store(self, value: Any, repository: str, tags: Sequence[str], *, name: str) -> ModelKitRecord:
        """Make a value a kit.

        Args:
            value: What the asset returned.
            repository: The repository below the registry.
            tags: Its tags, at least one.
            name: The kit's name where it says none.

        Raises:
            InvalidInputError: The value is no kit's contents.
            KitOpsError: It could not be packed or pushed.
        """
        if isinstance(value, ModelKitRef):
            return self._found(value)
        if isinstance(value, ModelKit):
            record = self._take(value, repository, tags)
            return replace(record, source=self._source(), parents=tuple(self.parents))
        if isinstance(value, ModelKitLayers):
            first, *more = tags
            with self._client() as client:
                return client.assemble(
                    self.resource.reference(repository, tag=first),
                    value.layers,
                    kitfile=value.kitfile,
                    push=self.resource.remote,
                    tags=more,
                    provenance=self._provenance(None, self.parents, self.metrics) if self.provenance else None,
                    parents=tuple(self.parents),
                )
        if isinstance(value, ModelKitVariants):
            return self._index(value, repository, tags)
        if isinstance(value, Path) or kitops.brings_file_system(value):
            return self._pack(_directory(value), repository, tags, ModelKitContents(metrics=self.metrics))
        contents = _contents(value, self.serializer)
        contents = replace(contents, metrics={**contents.metrics, **self.metrics})
        with scratch("dagster") as staging:
            with _STAGING:
                source = contents.stage(staging, name=name, serializer=self.serializer, allow_pickle=self.allow_pickle)
            if types := source.parameters.get(TRUSTED_TYPES):
                self.context.log.warning(
                    f"whoever loads the model has to trust {', '.join(types)}: name them in the input's metadata, "
                    "'kitops/trusted', or load(trusted=[...]); a kit lists them as kit.trusted_types"
                )
            return self._pack(source, repository, tags, contents)

    def _pack(
        self, source: kitops.Location | kitops.Contents, repository: str, tags: Sequence[str], said: ModelKitContents
    ) -> ModelKitRecord:
        parents = tuple(dict.fromkeys([*self.parents, *said.parents]))
        first, *more = tags
        with self._client() as client:
            return client.pack(
                source,
                self.resource.reference(repository, tag=first),
                push=self.resource.remote,
                tags=more,
                provenance=self._provenance(source, parents, said.metrics) if self.provenance else None,
                parents=parents,
            )

    def _take(self, kit: ModelKit, repository: str, tags: Sequence[str]) -> ModelKitRecord:
        """Copy a kit into this registry or store, with all that is attached to it; its digest stays."""
        first, *more = tags
        target = self.resource.reference(repository, tag=first)
        source = kit.kitops
        where: kitops.Where = source.where(kit.reference) if source.remote else "store"
        store = self.resource.store_path if self.resource.store else source.store_path
        # Of two registries each resource knows its own; the kit's may be read with what this one says of it.
        registries = self.resource.registries if self.resource.remote else source.registries
        with kitops.Client(store=store, registries=registries) as client:
            record = client.copy(
                kit.reference, target, where=where, into="registry" if self.resource.remote else "store", referrers=True
            )
            if more:
                client.tag(target, more, where="registry" if self.resource.remote else "store")
        return replace(record, tags=tuple(tags))

    def _index(self, variants: ModelKitVariants, repository: str, tags: Sequence[str]) -> ModelKitRecord:
        first, *more = tags
        target = self.resource.reference(repository, tag=first)
        with self._client() as client:
            record = index_of(client, self.resource, variants, target)
            if more:
                client.tag(target, more, where="registry" if self.resource.remote else "store")
        return replace(record, tags=tuple(tags), source=self._source(), parents=tuple(self.parents))

    def _client(self) -> AbstractContextManager[kitops.Client]:
        if self.client is not None:
            return nullcontext(self.client)
        return self.resource.client(self._source(), self.signer, self.on_event)

    @staticmethod
    def _provenance(
        source: kitops.Location | kitops.Contents | None, parents: Sequence[str], metrics: Mapping[str, float]
    ) -> kitops.Provenance:
        made = source.parameters if isinstance(source, kitops.Contents) else {}
        return kitops.Provenance(
            parameters={name: value for name, value in made.items() if name not in ("metrics", TRUSTED_TYPES)},
            inputs=[kitops.kit_input(kitops.parse_reference(parent)) for parent in parents],
            metrics={name: number(value, f"metric '{name}'") for name, value in metrics.items()},
        )

    def _found(self, ref: ModelKitRef) -> ModelKitRecord:
        """The record of a kit that something else packed: nothing is packed, sent or tagged."""
        with self.resource.open(ref.reference) as kit:
            record = kit.record()
            named = parse_reference(kit.reference)
        before = _digest_before(self.context)
        return replace(
            record,
            reference=str(named.with_tag(named.tag) if named.tag else named),
            changed=record.digest != before,
            previous_digest=before,
            source=self._source(),
            parents=tuple(self.parents),
        )

    def _source(self) -> Source:
        """The run, for the kit's record."""
        try:
            job, run = self.context.job_name, self.context.run_id
        except dg.DagsterInvariantViolationError:  # outside a run
            job, run = "", ""
        task = self.context.asset_key.to_user_string() if self.context.has_asset_key else self.context.name
        pages = self.resource.webserver_url.rstrip("/")
        url = f"{pages}/runs/{run}" if pages and run else ""
        return Source(orchestrator="dagster", pipeline=job, run=run, task=task, url=url)


def by_partition(value: Any, partitions: Sequence[str]) -> bool:
    """Whether a value is one value for each partition of the run.

    Raises:
        InvalidInputError: It is a mapping of kits' contents, and not of these partitions.
    """
    if not partitions or not isinstance(value, Mapping):
        return False
    if set(value) == set(partitions):
        return True
    if value and all(isinstance(item, (kitops.Contents, ModelKitRef, ModelKit)) for item in value.values()):
        lacking = [f"lacks the partition '{key}'" for key in partitions if key not in value]
        beyond = [f"has '{key}', which is no partition of this run" for key in value if key not in partitions]
        raise InvalidInputError(
            f"the asset returned a mapping of kits by partition, and it {', and '.join([*lacking, *beyond][:5])}",
            hint="return one for each of context.partition_keys",
        )
    return False


def combined_version(digests: Mapping[str, str]) -> str:
    """One data version for several kits of one run: Dagster has a run say one for all its partitions."""
    if len(set(digests.values())) == 1:
        return next(iter(digests.values()))
    lines = "".join(f"{key}\0{digest}\n" for key, digest in sorted(digests.items()))
    return "kits:" + sha256(lines.encode("utf-8", "surrogatepass")).hexdigest()


def _digest_before(context: dg.OutputContext) -> str:
    from dagster_kitops.versioning import latest_kit

    try:
        instance = context.step_context.instance
    except (AttributeError, dg.DagsterInvariantViolationError):
        return ""
    kit = latest_kit(instance, context.asset_key) if context.has_asset_key else None
    return kit.digest if kit is not None else ""


def _contents(value: Any, serializer: str) -> ModelKitContents:
    if isinstance(value, ModelKitContents):
        return value
    if isinstance(value, kitops.Contents):
        return ModelKitContents(**vars(value))
    if value is None:
        raise InvalidInputError("the asset returned None, and there is nothing to pack", hint=_RETURN)
    if isinstance(value, str):
        raise InvalidInputError("the asset returned a str, which may be a path or a text", hint=_RETURN)
    if isinstance(value, Mapping) and any(isinstance(item, Path) for item in value.values()):
        raise InvalidInputError(
            "the asset returned a mapping of paths, and does not say what they are",
            hint="say it: ModelKitContents(model=path, datasets={...})",
        )
    return contents_of(value, serializer)


def _directory(path: kitops.Location) -> kitops.Location:
    if isinstance(path, Path) and path.is_file():
        raise InvalidInputError(
            f"the asset returned '{path}', which is one file", hint="say what it is: ModelKitContents(model=path)"
        )
    return path
