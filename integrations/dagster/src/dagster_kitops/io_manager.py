"""Assets as ModelKits: packed when they are materialized, opened by digest when they are inputs."""

# Dagster reads the annotations of IO managers when the class is made, so they are not postponed here.

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import dagster as dg
from pydantic import ConfigDict, Field

import kitops_core
from dagster_kitops.checked import kit_for_check
from dagster_kitops.hints import hints_logged
from dagster_kitops.identity import REFERENCE_KEY, identity
from dagster_kitops.inputs import Wanted, check_dimensions, input_name, kit_as, wanted_of
from dagster_kitops.keeping import Keeper
from dagster_kitops.kit_ref import ModelKitRef
from dagster_kitops.metadata import changes_between, index_metadata, kit_metadata
from dagster_kitops.modelkit import ModelKit
from dagster_kitops.naming import repository_of_output
from dagster_kitops.options import REPOSITORY, InputOptions, OutputOptions, input_options, output_options
from dagster_kitops.outputs import Packer, by_partition, combined_version
from dagster_kitops.resources import KitOpsResource
from dagster_kitops.versioning import (
    describe_partition,
    gathers,
    has_run,
    input_kits,
    note_loaded,
    recorded_kit,
    set_data_version,
)
from kitops_core import InvalidInputError, KitOpsError, ModelKitRecord, NotFoundError, Reference, parse_reference
from kitops_core.orchestrate.names import repository_of, tag_of
from kitops_core.orchestrate.unpacked import unpacked


class ModelKitIOManager(dg.ConfigurableIOManager):
    """Packs what an asset returns as a ModelKit, and hands kits to the assets downstream.

    An asset may return a :class:`ModelKitContents`, an object that has a serializer, ``bytes``, the ``Path`` of a
    directory (with a Kitfile, or one is generated), a :class:`ModelKitRef` of a kit that is there already, or a
    :class:`ModelKit` of another registry or store, which is copied. Its repository is its whole key, its tags are
    ``tags`` or, with partitions, the partition. The kit's digest is the asset's data version: packing the same
    contents again leaves everything downstream fresh.

    An input annotated as :class:`ModelKit` (or not at all) is a handle that reads nothing before something is asked
    for; as ``Path``, the directory where the kit was unpacked; as ``dict[str, Path]``, its entries by name; as
    ``bytes`` or a type of object, the object. All are the very digest that Dagster recorded as this run's input.
    Several partitions come as a ``dict`` by partition key, one as the kit itself; the partition mapping says which.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kitops: dg.ResourceDependency[KitOpsResource]
    repository: str = Field(
        default="{asset_key}",
        description="Repository below the registry: {asset_key} is the asset's whole key, {asset_name} its last part. "
        "With neither, all assets share it.",
    )
    tags: list[str] = Field(
        default=["latest"], min_length=1, description="Tags of assets without partitions; the first is read."
    )
    serializer: str = Field(default="auto", description="Serializer of objects; auto finds one by the object's type.")
    allow_pickle: bool = Field(
        default=False, description="Pickle objects that have no safe format, and load them. That runs their code."
    )
    trusted: list[str] = Field(
        default=[], description="Types, beyond the usual ones, that objects loaded as inputs may be made of."
    )
    provenance: bool = Field(
        default=True, description="Attach to each kit how it was made and what was measured, as attestations."
    )
    signer: str = Field(
        default="",
        description="Private key that signs the kits and these attestations: a file or env://NAME; $COSIGN_PASSWORD "
        "opens it. By default the resource's.",
    )
    only: list[str] = Field(
        default=[], description="Parts of a kit that inputs are given, as filters: model, datasets:sample."
    )
    keep: Literal["always", "on-error", "never"] = Field(
        default="always",
        description="Keep what is packed in the local store until it is pushed, for kept_kit: before the first byte "
        "is sent (also a process that is killed then has lost nothing), when the push failed, or never.",
    )
    cache_dir: str = Field(
        default="", description="Where inputs annotated as Path are unpacked; by default below the local store."
    )
    cache_gib: float = Field(
        default=50,
        ge=0,
        description="GiB of unpacked kits to keep there; beyond that those used longest ago go. 0 keeps all.",
    )

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Pack, and record the digest as the asset's data version and in its metadata.

        Raises:
            InvalidInputError: What was returned cannot be packed.
            KitOpsError: Packing failed.
        """
        partitions = list(context.asset_partition_keys) if context.has_asset_partitions else []
        wrong: InvalidInputError | None = None
        try:
            each = by_partition(obj, partitions)
        except InvalidInputError as error:  # raised below, where what there is is kept
            wrong, each = error, True
        metadata = (context.definition_metadata or {}, context.output_metadata or {})
        packer = Packer(
            self.kitops,
            context,
            serializer=self.serializer,
            allow_pickle=self.allow_pickle,
            metrics={},
            parents=input_kits(context),
            provenance=self.provenance,
            signer=self.signer,
        )
        keeper = Keeper(
            context,
            self.kitops,
            packer,
            {(key,): obj[key] for key in partitions if key in obj} if each else {tuple(partitions): obj},
            name=context.asset_key.path[-1] if context.has_asset_key else context.name,
            when=self.keep,
            target=lambda keys: self._target(context, output_options(*metadata), keys),
        )
        with hints_logged(context.log):
            try:
                if wrong is not None:
                    raise wrong
                options = output_options(*metadata)
                keeper.packer = replace(
                    packer,
                    serializer=options.serializer or self.serializer,
                    metrics=options.metrics,
                    parents=[*packer.parents, *options.parents],
                )
                self._store(context, keeper, options, partitions if each else None)
            except Exception:  # whatever it is, what was made is not thrown away
                keeper.after_error()
                raise
            keeper.forget()

    def _store(
        self, context: dg.OutputContext, keeper: Keeper, options: OutputOptions, each: Sequence[str] | None
    ) -> None:
        sending = replace(keeper.packer, on_event=keeper.before_sending)
        # Another client reads what was packed: reading must not look like the beginning of a push.
        with sending.connected() as packer, self.kitops.client() as reader:
            self._pack(context, keeper, packer, reader, options, each)

    def _pack(
        self,
        context: dg.OutputContext,
        keeper: Keeper,
        packer: Packer,
        reader: kitops_core.Client,
        options: OutputOptions,
        each: Sequence[str] | None,
    ) -> None:
        if not context.has_asset_key:
            (obj,) = keeper.values.values()
            if options.repository or options.tags:
                raise InvalidInputError(
                    "'kitops/repository' and 'kitops/tags' are of assets: outputs of ops are kits of their run",
                    hint="make it an asset, or leave them out",
                )
            repository, tag = repository_of_output(context.get_identifier())
            self._describe(context, packer.store(obj, repository, [tag], name=context.name), reader)
            return
        repository, name = options.repository or self._repository(context.asset_key.path), keeper.name
        if each is not None:
            if options.tags:
                raise InvalidInputError("'kitops/tags' would be one tag for the kits of several partitions")

            def store(key: str) -> tuple[str, dict[str, Any]]:
                record = packer.store(keeper.values[(key,)], repository, [tag_of(key)], name=name)
                return record.digest, self._metadata(context, record, reader)

            digests = {}
            for key, (digest, metadata) in zip(each, packer.side_by_side(store, each), strict=True):
                digests[key] = digest
                describe_partition(context, key, metadata)
            set_data_version(context, combined_version(digests))
            return
        ((partitions, obj),) = keeper.values.items()
        own = [tag_of(key) for key in partitions]
        record = packer.store(obj, repository, [*own, *options.tags] if own else options.tags or self.tags, name=name)
        metadata = self._describe(context, record, reader)
        if len(partitions) > 1 and not isinstance(obj, ModelKitRef):
            for key in partitions:
                own_name = str(parse_reference(record.reference).with_tag(tag_of(key)))
                describe_partition(context, key, {**metadata, **identity(own_name, record.digest)})
        set_data_version(context, record.digest)

    def _target(self, context: dg.OutputContext, options: OutputOptions, partitions: Sequence[str]) -> str:
        repository = options.repository or self._repository(context.asset_key.path)
        first = tag_of(partitions[0]) if partitions else (*options.tags, *self.tags)[0]
        return self.kitops.reference(repository, tag=first)

    def load_input(self, context: dg.InputContext) -> Any:
        """The upstream asset's kit, as the input's annotation asks for it.

        Raises:
            DagsterInvalidDefinitionError: The annotation does not fit the upstream asset.
            KitOpsError: The kit could not be opened, unpacked or loaded.
        """
        partitioned = context.has_asset_key and context.has_asset_partitions
        keys = list(context.asset_partition_keys) if partitioned else []
        several = partitioned and (len(keys) > 1 or gathers(context))
        wanted = wanted_of(context, several)
        with hints_logged(context.log):
            options = input_options(context.definition_metadata or {})
            if not partitioned:
                return self._load(context, wanted, options, None)
            if len(keys) == 1 and not wanted.by_partition:
                return self._load(context, wanted, options, keys[0])
            if not keys and not several and not wanted.by_partition:
                if wanted.optional or wanted.kind is Any:
                    return None
                raise dg.DagsterInvalidDefinitionError(
                    f"{input_name(context)} has no partition here, as the first has none before it: "
                    f"annotate it as Optional[{getattr(wanted.kind, '__name__', wanted.kind)}]"
                )
            if not wanted.by_partition and wanted.kind is not Any:
                raise dg.DagsterInvalidDefinitionError(
                    f"{input_name(context)} has {len(keys)} partitions: "
                    f"annotate it as dict[str, {getattr(wanted.kind, '__name__', wanted.kind)}]"
                )
            if not options.allow_missing:
                check_dimensions(context)
                return {key: self._load(context, wanted, options, key) for key in keys}
            one = Wanted(wanted.kind, optional=True)
            found = {key: self._load(context, one, options, key) for key in keys}
            return {key: value for key, value in found.items() if value is not None}

    def _load(self, context: dg.InputContext, wanted: Wanted, options: InputOptions, partition: str | None) -> Any:
        try:
            reference = self._reference(context, options, partition)
        except NotFoundError:
            if wanted.optional and not self._tagged(context, partition):
                return None
            raise
        if wanted.optional and not parse_reference(reference).digest:
            try:
                self.kitops.resolve(reference)
            except NotFoundError:
                return None
        kit = ModelKit(self.kitops, reference)
        note_loaded(context, kit)
        try:
            return kit_as(
                wanted,
                kit,
                self._unpacked,
                only=options.only or self.only,
                trusted=[*self.trusted, *options.trusted],
                allow_pickle=self.allow_pickle,
            )
        except InvalidInputError as error:
            kind = getattr(wanted.kind, "__name__", wanted.kind)
            message = f"{input_name(context)} is annotated as {kind}: {error.message}"
            raise InvalidInputError(message, hint=error.hint) from error

    def _reference(self, context: dg.InputContext, options: InputOptions, partition: str | None) -> str:
        """Which kit it is: the one that the input pins, the one that Dagster recorded, or what the tag means now."""
        if not context.has_asset_key:
            upstream = context.upstream_output
            if upstream is None:
                raise dg.DagsterInvalidDefinitionError(f"{input_name(context)} comes from no output that is a kit")
            repository, tag = repository_of_output(upstream.get_identifier())
            return self.kitops.reference(repository, tag=tag)
        external, named = self._place(context)
        if options.digest:
            return str(named.with_digest(options.digest))
        if options.tag:
            return str(named.with_tag(options.tag))
        recorded = kit_for_check(context, partition) or recorded_kit(context, partition)
        if recorded is not None:
            return recorded.pinned if recorded.reference else str(named.with_digest(recorded.digest))
        if external and partition is None:
            return external
        tagged = named.with_tag(self.tags[0] if partition is None else tag_of(partition))
        if has_run(context):
            context.log.warning(
                f"Dagster records no kit of {context.asset_key.to_user_string()}: "
                f"{tagged} is loaded, whatever it is now"
            )
        return str(tagged)

    def _place(self, context: dg.InputContext) -> tuple[str, Reference]:
        """The reference that the upstream asset's definition names, if any, and the repository of its kits."""
        upstream = context.upstream_output
        said = (upstream.definition_metadata or {}) if upstream is not None else {}
        external = str(said.get(REFERENCE_KEY, ""))
        repository = str(said.get(REPOSITORY, "")) or self._repository(context.asset_key.path)
        return external, parse_reference(external or self.kitops.reference(repository))

    def _tagged(self, context: dg.InputContext, partition: str | None) -> bool:
        """Whether there is a kit under a partition's tag, whatever it is."""
        try:
            self.kitops.resolve(str(self._place(context)[1].with_tag(tag_of(partition or ""))))
        except NotFoundError:
            return False
        return True

    def _repository(self, path: Any) -> str:
        return self.repository.replace("{asset_key}", repository_of(path)).replace(
            "{asset_name}", repository_of(path[-1:])
        )

    def _describe(
        self, context: dg.OutputContext, record: ModelKitRecord, reader: kitops_core.Client
    ) -> dict[str, Any]:
        given = context.output_metadata or {}
        metadata = {key: value for key, value in self._metadata(context, record, reader).items() if key not in given}
        context.add_output_metadata(metadata)
        return metadata

    def _metadata(
        self, context: dg.OutputContext, record: ModelKitRecord, reader: kitops_core.Client
    ) -> dict[str, Any]:
        if record.variants is not None:
            context.log.info(f"{record.reference} is {record.digest}, the index of {len(record.variants)} kits")
            return index_metadata(record, self.kitops.browse_url)
        named = parse_reference(record.reference)
        kitfile, changes = None, None
        try:
            now = str(named.with_digest(record.digest))
            with reader.open(now, where=self.kitops.where(now)) as kit:
                kitfile = kit.kitfile
            if record.changed and record.previous_digest:
                before = str(named.with_digest(record.previous_digest))
                changes = changes_between(reader, before, now, where=self.kitops.where(now))
        except KitOpsError as error:  # the kit is there: a failed step would be run again for nothing
            context.log.warning(f"the metadata lacks what could not be read back: {error.message}")
        state = "packed" if record.changed else "unchanged"
        context.log.info(f"{state} {record.reference} {record.digest}, {len(record.layers)} layers")
        return kit_metadata(record, kitfile, changes, self.kitops.browse_url)

    def _unpacked(self, kit: ModelKit, only: Sequence[str]) -> Path:
        cache = Path(os.path.expanduser(self.cache_dir)) if self.cache_dir else None
        if cache is None:
            with self.kitops.client() as client:
                cache = client.store / "cache" / "unpacked"
        return unpacked(kit, cache, only, max_bytes=int(self.cache_gib * 2**30))
