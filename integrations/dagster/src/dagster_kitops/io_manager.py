"""Assets as ModelKits: packed when they are materialized, opened by digest when they are inputs."""

# Dagster reads the annotations of IO managers when the class is made, so they are not postponed here.

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args, get_origin

import dagster as dg
from pydantic import Field

from dagster_kitops.cache import unpacked
from dagster_kitops.contents import ModelKitContents
from dagster_kitops.metadata import kit_metadata
from dagster_kitops.modelkit import ModelKit
from dagster_kitops.naming import repository_of, tag_of_partition
from dagster_kitops.resources import KitOpsResource
from dagster_kitops.versioning import recorded_digest, set_data_version
from kitops_core.errors import InvalidInputError, KitOpsError
from kitops_core.record import ModelKitRecord, Source
from kitops_core.reference import DEFAULT_TAG
from kitops_core.storage.local import store_home

RETURN = "return a ModelKitContents, a fitted scikit-learn estimator, or the Path of a directory"
ANNOTATE = "annotate it as ModelKit, Path or, for several partitions, dict[str, ModelKit] or dict[str, Path]"


class ModelKitIOManager(dg.ConfigurableIOManager):
    """Packs what an asset returns as a ModelKit, and hands kits to the assets downstream.

    An asset may return a :class:`ModelKitContents`, a fitted scikit-learn estimator, or the ``Path`` of a directory
    (with a Kitfile, or one is generated). Its repository is its whole key, its tag ``tag`` or, with partitions, the
    partition. The kit's digest is the asset's data version: packing the same contents again leaves everything
    downstream fresh.

    An input annotated as :class:`ModelKit` (or not at all) is a handle that reads nothing before something is asked
    for; as ``Path``, the directory where the kit was unpacked. Both are the very digest that Dagster recorded as this
    run's input. Several partitions come as a ``dict`` by partition key.
    """

    kitops: dg.ResourceDependency[KitOpsResource]
    tag: str = Field(default=DEFAULT_TAG, description="Tag of assets without partitions.")
    allow_pickle: bool = Field(
        default=False, description="Pickle model objects that have no safe format. Whoever loads them runs their code."
    )
    cache_dir: str = Field(
        default="", description="Where inputs annotated as Path are unpacked; by default below the local store."
    )

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Pack, and record the digest as the asset's data version and in its metadata.

        Raises:
            DagsterInvalidDefinitionError: The output is not an asset's.
            InvalidInputError: What was returned cannot be packed.
            KitOpsError: Packing failed.
        """
        if not context.has_asset_key:
            raise dg.DagsterInvalidDefinitionError(
                f"ModelKitIOManager stores assets, and output '{context.name}' of an op has no asset key"
            )
        path = context.asset_key.path
        tags = [tag_of_partition(key) for key in _partitions(context)] or [self.tag]
        with _hints_logged(context), tempfile.TemporaryDirectory(prefix="kitops-dagster-") as staging:
            if isinstance(obj, Path):
                source: Any = _directory(obj)
                metrics: Mapping[str, float] = {}
            else:
                contents = _contents(obj)
                source = contents.stage(Path(staging), name=path[-1], allow_pickle=self.allow_pickle)
                metrics = contents.metrics
            record = self.kitops.pack(source, repository_of(path), tags, made_by=_source(context))
            self._describe(context, record, metrics)

    def load_input(self, context: dg.InputContext) -> Any:
        """The upstream asset's kit, as the input's annotation asks for it.

        Raises:
            DagsterInvalidDefinitionError: The input is not an asset, or its annotation is none of those possible.
            KitOpsError: The kit could not be opened or unpacked.
        """
        if not context.has_asset_key:
            raise dg.DagsterInvalidDefinitionError("ModelKitIOManager loads assets, and this input is an op's output")
        wanted, many = _wanted(context)
        if not context.has_asset_partitions:
            if many:
                raise dg.DagsterInvalidDefinitionError(
                    f"{_input(context)} is annotated as a dict, and {context.asset_key.to_user_string()} has no "
                    "partitions: annotate it as ModelKit or Path"
                )
            return self._load(context, wanted, None)
        keys = context.asset_partition_keys
        if len(keys) == 1 and not many:
            return self._load(context, wanted, keys[0])
        if not many and wanted is not Any:
            raise dg.DagsterInvalidDefinitionError(
                f"{_input(context)} has {len(keys)} partitions: annotate it as dict[str, {wanted.__name__}]"
            )
        return {key: self._load(context, wanted, key) for key in keys}

    def _describe(self, context: dg.OutputContext, record: ModelKitRecord, metrics: Mapping[str, float]) -> None:
        pinned = self.kitops.reference(repository_of(context.asset_key.path), digest=record.digest)
        with self.kitops.open(pinned) as kit:
            kitfile = kit.kitfile.to_yaml()
        set_data_version(context, record.digest)
        context.add_output_metadata(kit_metadata(record, kitfile, metrics))
        state = "packed" if record.changed else "unchanged"
        context.log.info(f"{state} {record.reference} {record.digest}, {len(record.layers)} layers")

    def _load(self, context: dg.InputContext, wanted: Any, partition: str | None) -> Any:
        tag = self.tag if partition is None else tag_of_partition(partition)
        repository = repository_of(context.asset_key.path)
        with _hints_logged(context):
            digest = recorded_digest(context, partition)
            kit = ModelKit(self.kitops, self.kitops.reference(repository, tag=tag, digest=digest))
            if wanted is Path:
                return unpacked(kit, self._cache_directory())
            return kit

    def _cache_directory(self) -> Path:
        if self.cache_dir:
            return Path(os.path.expanduser(self.cache_dir))
        return (self.kitops.store_path or store_home()) / "cache" / "unpacked"


def _contents(obj: Any) -> ModelKitContents:
    if isinstance(obj, ModelKitContents):
        return obj
    if obj is None:
        raise InvalidInputError("the asset returned None, and there is nothing to pack", hint=RETURN)
    if isinstance(obj, str):
        raise InvalidInputError("the asset returned a str, which may be a path or a text", hint=RETURN)
    if isinstance(obj, (bytes, ModelKit, Mapping, list, tuple, set)):
        raise InvalidInputError(
            f"the asset returned a {type(obj).__name__}, which is not a kit's contents", hint=RETURN
        )
    return ModelKitContents(model=obj)


def _directory(path: Path) -> Path:
    if path.is_file():
        raise InvalidInputError(
            f"the asset returned '{path}', which is one file", hint="say what it is: ModelKitContents(model=path)"
        )
    return path


def _partitions(context: dg.OutputContext) -> list[str]:
    return list(context.asset_partition_keys) if context.has_asset_partitions else []


def _wanted(context: dg.InputContext) -> tuple[Any, bool]:
    """What the annotation asks for, and whether by partition."""
    try:
        annotation = context.dagster_type.typing_type
    except dg.DagsterInvariantViolationError:
        return Any, False
    many = get_origin(annotation) is dict or annotation is dict
    wanted = (get_args(annotation)[1:] or (Any,))[0] if many else annotation
    if wanted not in (Any, object, ModelKit, Path):
        raise dg.DagsterInvalidDefinitionError(
            f"{_input(context)} is annotated as {getattr(wanted, '__name__', wanted)}, which is not a way to load a "
            f"ModelKit: {ANNOTATE}"
        )
    return Any if wanted is object else wanted, many


def _input(context: dg.InputContext) -> str:
    name = f"input '{context.name}'" if context.has_input_name else "the input"
    return f"{name} ({context.asset_key.to_user_string()})"


def _source(context: dg.OutputContext) -> Source:
    """The run, for the kit's record."""
    task = context.asset_key.to_user_string()
    try:
        return Source(orchestrator="dagster", pipeline=context.job_name, run=context.run_id, task=task)
    except dg.DagsterInvariantViolationError:  # outside a run
        return Source(orchestrator="dagster", task=task)


@contextmanager
def _hints_logged(context: dg.OutputContext | dg.InputContext) -> Iterator[None]:
    """Dagster shows an error's message only: say in the log what can be done about it."""
    try:
        yield
    except KitOpsError as error:
        if error.hint and context.log is not None:
            context.log.error(f"{error.message}: {error.hint}")
        raise
