"""Where kits live, as a Dagster resource."""

# Dagster reads the annotations of resources when the class is made, so they are not postponed here.

import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import dagster as dg
from pydantic import Field

import kitops_core as kitops
from kitops_core.errors import IntegrityError, InvalidReferenceError, NotFoundError
from kitops_core.kits.find import open_storage
from kitops_core.record import ModelKitRecord, Source
from kitops_core.reference import LOCAL_REGISTRY, parse_reference

if TYPE_CHECKING:
    from kitops_core import LayerRecord
    from kitops_core.evidence.slsa import Provenance
    from kitops_core.storage.registry import RegistryOptions


class Access(TypedDict):
    """Where the engine looks for a kit, and how.

    Attributes:
        remote: ``True`` for the registry, ``None`` for the first of local store and registry that has it.
        store: The local store's directory, where it is not the default.
        registry: How to talk to the registry, where it is not as usual.
    """

    remote: bool | None
    store: Path | None
    registry: "RegistryOptions | None"


class KitOpsResource(dg.ConfigurableResource[Any]):
    """A registry, or the local store.

    Secrets are read with :class:`dagster.EnvVar`, which keeps them out of Dagster's pages, and are in no repr. Without
    any, the credentials of ``docker login`` and ``kitops login`` are used.
    """

    registry: str = Field(
        default="",
        description="Registry and namespace, registry.example.com/ml; empty means the local store.",
    )
    username: str | None = Field(default=None, description="User name at the registry.")
    password: str | None = Field(default=None, repr=False, description="Password or access token of the user.")
    token: str | None = Field(default=None, repr=False, description="Bearer token, instead of user and password.")
    plain_http: bool | None = Field(
        default=None, description="Whether the registry speaks HTTP; by default only one on this machine does."
    )
    store: str = Field(default="", description="The local store's directory, where it is not the default.")
    browse_url: str = Field(
        default="",
        description="Where the registry's pages show a kit: a URL with {repository} and {digest} in it.",
    )
    webserver_url: str = Field(default="", description="Where Dagster's pages are, for links from a kit to its run.")

    @property
    def remote(self) -> bool:
        """Whether kits live in a registry rather than in the local store."""
        return bool(self.registry)

    @property
    def store_path(self) -> Path | None:
        """The local store's directory, or ``None`` for the default."""
        return Path(os.path.expanduser(self.store)) if self.store else None

    @property
    def registry_options(self) -> "RegistryOptions | None":
        """How the engine talks to this registry, or ``None`` for the local store.

        Raises:
            InvalidInputError: Of user name and password only one is given.
        """
        if not self.remote:
            return None
        from kitops_core.storage.registry import RegistryOptions

        return RegistryOptions(
            plain_http=self.plain_http,
            host=self.registry.partition("/")[0],
            username=self.username or "",
            password=self.password or "",
            token=self.token or "",
        )

    def reference(self, repository: str, *, tag: str = "", digest: str = "") -> str:
        """The full reference of a kit in this registry or store.

        Raises:
            InvalidReferenceError: ``registry`` names no host, or the result is not a reference.
        """
        name = f"{self.registry.rstrip('/')}/{repository}" if self.remote else repository
        reference = parse_reference(name)
        if self.remote and reference.registry == LOCAL_REGISTRY:
            raise InvalidReferenceError(
                f"registry '{self.registry}' names no host: the first part has neither '.' nor ':'",
                hint="write registry.example.com/namespace or localhost:5000, or leave it empty for the local store",
            )
        return str(reference.with_digest(digest) if digest else reference.with_tag(tag) if tag else reference)

    def access(self, reference: str) -> "Access":
        """Where a kit is looked for and with which options, as keyword arguments of the engine's functions.

        A name without a registry means the local store. The resource's credentials go to its own registry only; for
        a kit of any other registry there are those of ``docker login``.
        """
        options = self.options_for(reference)
        return Access(remote=True if options is not None else None, store=self.store_path, registry=options)

    def options_for(self, *references: str) -> "RegistryOptions | None":
        """How to talk to the registries of these references: as this resource says where all are in its registry.

        Its credentials must not reach another registry, and one set of options is for all that the engine talks to.
        """
        hosts = {parse_reference(reference).registry for reference in references} - {LOCAL_REGISTRY, ""}
        own = {parse_reference(self.reference("kit")).registry} if self.remote else set()
        return self.registry_options if hosts and hosts == own else None

    def options_for_channels(self, channels: Path) -> "RegistryOptions | None":
        """The same for all that a promotion policy names.

        Raises:
            NotFoundError: There is no such file.
            PolicyError: It cannot be used.
        """
        policy = kitops.load_policy(channels)
        return self.options_for(policy.kit, *(str(policy.target(name)) for name in policy.channels))

    def pack(
        self,
        source: "str | os.PathLike[str] | kitops.Contents",
        repository: str,
        tags: Sequence[str],
        *,
        made_by: Source | None = None,
        parents: Sequence[str] = (),
        provenance: "Provenance | None" = None,
        key: str = "",
    ) -> ModelKitRecord:
        """Pack a kit into the registry, in one pass, or into the local store.

        Args:
            source: A directory, or contents by name.
            repository: The repository below ``registry``.
            tags: Its tags, at least one.
            made_by: The run it comes from.
            parents: References, pinned by digest, of the kits it was made from.
            provenance: How it was made, attached to it.
            key: The private key that signs that: a file or ``env://NAME``.

        Raises:
            KitOpsError: As :func:`kitops_core.pack`.
        """
        return kitops.pack(
            source,
            self.reference(repository, tag=tags[0]),
            push=self.remote,
            tags=tags[1:],
            made_by=made_by,
            parents=parents,
            provenance=provenance,
            key=key or None,
            store=self.store_path,
            registry=self.registry_options,
        )

    def pack_layers(
        self, source: "str | os.PathLike[str]", repository: str, entries: Sequence[str], **options: Any
    ) -> list[dict[str, Any]]:
        """Pack some entries of a kit, in a step of their own; the asset returns them all as a ModelKitLayers.

        Args:
            source: A directory with the files of these entries.
            repository: The repository below ``registry``: that of the asset.
            entries: The entries, by their paths in the Kitfile.
            **options: ``kitfile``, ``compression`` and ``layer_format``, as for :func:`kitops_core.pack_layers`.

        Returns:
            The layers as JSON.

        Raises:
            KitOpsError: As :func:`kitops_core.pack_layers`.
        """
        layers = kitops.pack_layers(
            source,
            self.reference(repository),
            entries,
            push=self.remote,
            store=self.store_path,
            registry=self.registry_options,
            **options,
        )
        return [layer.to_dict() for layer in layers]

    def assemble(
        self, layers: "Sequence[LayerRecord | Mapping[str, Any]]", repository: str, tags: Sequence[str], **options: Any
    ) -> ModelKitRecord:
        """Make a kit of layers that several steps packed.

        Args:
            layers: The layers, in any order: records, or their JSON.
            repository: The repository below ``registry``.
            tags: Its tags, at least one.
            **options: What else :func:`kitops_core.assemble` takes: ``kitfile``, ``made_by`` ...

        Raises:
            KitOpsError: As :func:`kitops_core.assemble`.
        """
        return kitops.assemble(
            self.reference(repository, tag=tags[0]),
            layers,
            push=self.remote,
            tags=tags[1:],
            store=self.store_path,
            registry=self.registry_options,
            **options,
        )

    def import_kit(self, source: str, repository: str, tags: Sequence[str], **options: Any) -> ModelKitRecord:
        """Import a repository of the Hugging Face Hub, or a run or model of MLflow, into the registry or the store.

        Args:
            source: What to import; see :func:`kitops_core.import_kit`.
            repository: The repository below ``registry``.
            tags: Its tags, at least one.
            **options: What else :func:`kitops_core.import_kit` takes: ``ref``, ``kitfile``, ``key``, ``made_by`` ...

        Raises:
            KitOpsError: As :func:`kitops_core.import_kit`.
        """
        return kitops.import_kit(
            source,
            self.reference(repository, tag=tags[0]),
            push=self.remote,
            tags=tags[1:],
            store=self.store_path,
            registry=self.registry_options,
            **options,
        )

    def take(self, source: "KitOpsResource", reference: str, repository: str, tags: Sequence[str]) -> ModelKitRecord:
        """Copy a kit into this registry or store, bytes and digest unchanged.

        Args:
            source: Where the kit is.
            reference: Its full reference.
            repository: The repository below ``registry``.
            tags: Its tags here, at least one.

        Raises:
            KitOpsError: As :func:`kitops_core.copy`.
        """
        target = self.reference(repository, tag=tags[0])
        access = source.access(reference)
        options = self.options_for(reference, target) or source.options_for(reference, target)
        record = kitops.copy(
            reference,
            target,
            from_remote=access["remote"],
            to_remote=self.remote,
            referrers=True,
            store=self.store_path if self.store else source.store_path,
            registry=options,
        )
        if tags[1:]:
            kitops.tag(target, tags[1:], remote=self.remote, store=self.store_path, registry=options)
        return replace(record, tags=tuple(tags))

    def open(self, reference: str) -> kitops.ModelKit:
        """Open a kit by its full reference.

        Raises:
            KitOpsError: As :func:`kitops_core.open`.
        """
        return kitops.open(reference, **self.access(reference))

    def changes(self, before: str, after: str) -> "kitops.KitDiff | None":
        """What moved between two kits; ``None`` where the first is not there any more, or is no kit."""
        try:
            return kitops.diff(before, after, **self.access(after))
        except (NotFoundError, IntegrityError):
            return None

    def resolve(self, reference: str) -> str:
        """The digest that a reference means now; nothing of the kit is read.

        Raises:
            NotFoundError: There is no such kit.
            KitOpsError: The registry or the store cannot be asked.
        """
        parsed = parse_reference(reference)
        remote = not (parsed.is_local_name or parsed.layout)
        access = self.access(reference)
        storage = open_storage(parsed, remote=remote, store=access["store"], registry=access["registry"])
        with closing(storage):
            return storage.resolve(parsed.target).digest
