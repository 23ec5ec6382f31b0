"""The verb: a repository of the Hugging Face Hub, or a run or model of MLflow, becomes a kit."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from kitops_core.errors import InvalidInputError
from kitops_core.events import Cancel, Control, Event
from kitops_core.record import ModelKitRecord, Source

if TYPE_CHECKING:
    from kitops_core.evidence.inputs import Input
    from kitops_core.evidence.keys import SigningKey
    from kitops_core.importing.destination import Destination
    from kitops_core.importing.hub import HubRepository
    from kitops_core.kitfile import Kitfile
    from kitops_core.storage.registry import RegistryOptions

MLFLOW = "mlflow://"


def import_kit(
    source: str,
    reference: str = "",
    *,
    push: bool = False,
    tags: Sequence[str] = (),
    ref: str = "",
    token: str | None = None,
    kitfile: str | os.PathLike[str] | Kitfile | None = None,
    made_by: Source | None = None,
    user: str = "",
    key: SigningKey | str | Path | None = None,
    store: Path | None = None,
    registry: RegistryOptions | None = None,
    on_event: Callable[[Event], None] | None = None,
    cancel: Cancel | None = None,
) -> ModelKitRecord:
    """Import a repository of the Hugging Face Hub, or a run or model of MLflow, as a ModelKit.

    From the Hub, each file goes straight to where the kit is kept, two at a time, and never to a disk in between. The
    revision is resolved once, and only its commit is used. Every file is a raw layer; of large ones the Hub tells the
    SHA-256, so that what is there already is not downloaded, and an import that was interrupted goes on where it was.
    The same commit gives the same digest. Nothing is tagged unless every byte is what the Hub announced.

    Where it came from is attached as SLSA provenance, as with ``pack``.

    Args:
        source: ``organisation/model``, ``datasets/organisation/name`` or the URL of either, on the hub that
            ``HF_ENDPOINT`` names; or ``mlflow://runs/<id>``, ``mlflow://models/<name>/<version or @alias>`` (see
            :mod:`kitops_core.importing.mlflow_name`), on the server that ``MLFLOW_TRACKING_URI`` names.
        reference: Where to: ``registry/repository:tag``, a local ``name:tag``, or ``oci:PATH:tag``; empty for the
            local store, under a name made from the source's.
        push: Send it to the registry in the same pass; nothing is kept in the local store.
        tags: Further tags.
        ref: A branch, tag or commit of the Hub's repository; its default branch where it is empty.
        token: A token for the Hub; ``None`` uses ``HF_TOKEN``, or what ``hf auth login`` saved.
        kitfile: A Kitfile to use instead of one made from the listing and the card. Its paths are files and
            directories of the source.
        made_by: The pipeline run that imports it.
        user: Who imports it, for the provenance.
        key: The private key, or where to load it from, to sign the provenance with.
        store: The local store's directory, where it is not the default.
        registry: How to talk to registries; its timeouts and retries are used for the Hub too.
        on_event: Called with progress.
        cancel: A switch that stops between buffers.

    Raises:
        InvalidInputError: The source or the key cannot be used, or the client's extra is not installed.
        InvalidReferenceError: The reference cannot be packed to.
        KitfileError: The Kitfile has problems; all are named.
        SourceError: There is nothing to import, or the Kitfile names what is not there.
        NotFoundError: There is no such repository, revision, run or model.
        DeniedError: It may not be read, or the registry refused.
        IntegrityError: The bytes are not those that the Hub announced.
        RegistryError, StoreError: The Hub, the registry or the store failed.
        CancelledError: The switch was flipped.
    """
    from kitops_core.evidence.pack_evidence import load_key
    from kitops_core.importing.destination import Destination
    from kitops_core.kits.pack import parse_target

    if push and not reference:
        raise InvalidInputError("what is pushed needs a reference", hint="name a registry, a repository and a tag")
    if reference:
        parse_target(reference, tags)  # what is wrong with it is said before anybody is asked
    control = Control(on_event, cancel)
    destination = Destination(reference, push, tags, made_by or Source(), load_key(key), store, registry)
    if source.startswith(MLFLOW):
        from kitops_core.importing.mlflow_run import import_run

        if ref or token:
            raise InvalidInputError(
                "ref and token are for the Hugging Face Hub", hint="MLflow has its own: see its docs"
            )
        return import_run(source, destination, kitfile, user, control)
    return _import_hub(source, ref, token, destination, kitfile, user, control)


def describe_import(
    source: str,
    *,
    ref: str = "",
    token: str | None = None,
    registry: RegistryOptions | None = None,
    on_event: Callable[[Event], None] | None = None,
    cancel: Cancel | None = None,
) -> Kitfile:
    """The Kitfile that :func:`import_kit` would make, to be edited and given to it. Nothing is imported.

    Args:
        source: What would be imported.
        ref: A branch, tag or commit of the Hub's repository.
        token: A token for the Hub.
        registry: How patient to be with the Hub.
        on_event: Called with progress.
        cancel: A switch that stops between requests.

    Raises:
        KitOpsError: As for :func:`import_kit`.
    """
    control = Control(on_event, cancel)
    if source.startswith(MLFLOW):
        from kitops_core.importing.mlflow_run import describe_run

        _check_for_mlflow(ref, token)
        return describe_run(source, control)
    from kitops_core.importing.describe import describe_hub
    from kitops_core.importing.hub import open_hub

    with closing(open_hub(source, ref, token, _hub_options(registry), control)) as hub:
        return describe_hub(hub.hub_name, hub, control)[0]


def _import_hub(
    source: str,
    ref: str,
    token: str | None,
    destination: Destination,
    kitfile: str | os.PathLike[str] | Kitfile | None,
    user: str,
    control: Control,
) -> ModelKitRecord:
    from kitops_core.evidence.slsa import IMPORT_TYPE, Provenance
    from kitops_core.importing.describe import describe_hub
    from kitops_core.importing.destination import load_kitfile
    from kitops_core.importing.hub import open_hub
    from kitops_core.importing.layers import plan_layers
    from kitops_core.kits.pack import layer_cache

    started = datetime.now(timezone.utc)
    with closing(open_hub(source, ref, token, _hub_options(destination.registry), control)) as hub:
        description, bases = describe_hub(hub.hub_name, hub, control)
        where = f"the Kitfile generated for {hub.name}"
        if kitfile is not None:
            description, where = load_kitfile(kitfile)
        provenance = Provenance(
            parameters={"revision": hub.hub_name.revision} if hub.hub_name.revision else {},
            inputs=_inputs(hub, bases),
            started=started,
            user=user,
            build_type=IMPORT_TYPE,
        )
        cache = layer_cache(destination.store)
        return destination.write(
            description,
            where,
            lambda _: plan_layers(description, hub, cache),
            provenance,
            hub.name,
            hub.hub_name.local_name(),
            control,
        )


def _inputs(hub: HubRepository, bases: Sequence[str]) -> list[Input]:
    from kitops_core.evidence.inputs import Input
    from kitops_core.importing.hub_name import parse_hub_name

    found = [Input(hub.name, {"gitCommit": hub.commit}, hub.hub_name.name)]
    for base in bases:
        try:
            found.append(Input(parse_hub_name(base).uri(), name="base model"))
        except InvalidInputError:
            continue  # a card may say anything
    return found


def _check_for_mlflow(ref: str, token: str | None) -> None:
    if ref or token:
        raise InvalidInputError("ref and token are for the Hugging Face Hub", hint="MLflow has its own: see its docs")


def _hub_options(registry: RegistryOptions | None) -> RegistryOptions:
    """How patient to be with the Hub: as with registries. Whom a registry's certificates are for is not the Hub."""
    from kitops_core.storage.registry import RegistryOptions

    if registry is None:
        return RegistryOptions()
    return RegistryOptions(
        connect_timeout=registry.connect_timeout,
        timeout=registry.timeout,
        retries=registry.retries,
        backoff=registry.backoff,
    )
