"""The verb: a repository of the Hugging Face Hub, or a run or model of MLflow, becomes a kit."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from kitops_core.errors import InvalidInputError, SourceError
from kitops_core.record import ModelKitRecord
from kitops_core.session import Session

if TYPE_CHECKING:
    from kitops_core.evidence.inputs import Input
    from kitops_core.importing.destination import Destination
    from kitops_core.importing.hub import HubRepository
    from kitops_core.kitfile import Kitfile
    from kitops_core.storage.registry import RegistryOptions

MLFLOW = "mlflow://"


def import_kit(
    session: Session,
    source: str,
    reference: str = "",
    *,
    push: bool = False,
    tags: Sequence[str] = (),
    ref: str = "",
    token: str | None = None,
    kitfile: str | os.PathLike[str] | Kitfile | None = None,
    user: str = "",
    variants: bool = False,
) -> ModelKitRecord:
    """See :meth:`kitops_core.Client.import_kit`."""
    from kitops_core.importing.destination import Destination
    from kitops_core.kits.pack import parse_target

    if push and not reference:
        raise InvalidInputError("what is pushed needs a reference", hint="name a registry, a repository and a tag")
    if reference:
        parse_target(reference, tags)  # what is wrong with it is said before anybody is asked
    _ = session.signer  # likewise what is wrong with the key
    destination = Destination(session, reference, push, tags)
    if variants:
        if source.startswith(MLFLOW) or kitfile is not None or tags:
            raise InvalidInputError(
                "variants are of a repository of the Hub, and each has a Kitfile made of its own files",
                hint="leave out the Kitfile and further tags",
            )
        return _import_variants(source, ref, token, destination, user)
    if source.startswith(MLFLOW):
        from kitops_core.importing.mlflow_run import import_run

        _check_for_mlflow(ref, token)
        return import_run(source, destination, kitfile, user)
    return _import_hub(source, ref, token, destination, kitfile, user)


def describe_import(
    session: Session,
    source: str,
    *,
    ref: str = "",
    token: str | None = None,
) -> Kitfile:
    """See :meth:`kitops_core.Client.describe_import`."""
    if source.startswith(MLFLOW):
        from kitops_core.importing.mlflow_run import describe_run

        _check_for_mlflow(ref, token)
        return describe_run(source, session.control)
    from kitops_core.importing.hub import open_hub
    from kitops_core.importing.hub_kitfile import describe_hub

    with closing(open_hub(source, ref, token, _hub_options(session), session.control)) as hub:
        return describe_hub(hub.hub_name, hub, session.control)[0]


def _import_hub(
    source: str,
    ref: str,
    token: str | None,
    destination: Destination,
    kitfile: str | os.PathLike[str] | Kitfile | None,
    user: str,
) -> ModelKitRecord:
    from kitops_core.importing.hub import open_hub

    session = destination.session
    with closing(open_hub(source, ref, token, _hub_options(session), session.control)) as hub:
        return _import_files(hub, destination, kitfile, user)


def _import_variants(source: str, ref: str, token: str | None, destination: Destination, user: str) -> ModelKitRecord:
    """A kit for each quantisation, then the index of them; a variant that did not change sends nothing."""
    from kitops_core.importing.hub import open_hub
    from kitops_core.importing.variants import variants_of
    from kitops_core.indexes.verbs import Variant, index_kits
    from kitops_core.reference import DEFAULT_TAG, parse_reference

    session = destination.session
    with ExitStack() as stack:

        def opened(text: str, revision: str) -> HubRepository:
            hub = open_hub(text, revision, token, _hub_options(session), session.control)
            return stack.enter_context(closing(hub))

        hub = opened(source, ref)
        variants, looked = variants_of(hub), "its GGUF files name"
        if len(variants) < 2 and not hub.hub_name.revision:
            from kitops_core.importing.revisions import revisions_of

            looked = "its GGUF files, branches and tags name"
            named = revisions_of(hub, lambda revision: opened(hub.hub_name.uri(), revision), session.control)
            variants = named if len(named) > 1 else [*variants, *named]
        index = parse_reference(destination.reference or hub.hub_name.local_name())
        index = index.with_tag(index.tag or DEFAULT_TAG)
        prefix = "" if index.tag == DEFAULT_TAG else f"{index.tag}-"
        found = {str(index.with_tag(prefix + one.tag)): one for one in variants}
        told = ", ".join(one.tag for one in variants) or "no quantisation"
        if len(variants) < 2:
            raise SourceError(
                f"{hub.name} has no variants: {looked} {told}", hint="import it as one kit, without --variants"
            )
        if len(found) < len(variants):
            raise SourceError(
                f"two variants of {hub.name} would have the same tag: {told}", hint="import each by itself, with --ref"
            )
        for name, one in found.items():
            _import_files(one.hub, replace(destination, reference=name), None, user)
        listed = [Variant(name, one.labels) for name, one in found.items()]
        return replace(index_kits(session, str(index), listed, push=destination.push), origin=hub.name)


def _import_files(
    hub: HubRepository,
    destination: Destination,
    kitfile: str | os.PathLike[str] | Kitfile | None,
    user: str,
) -> ModelKitRecord:
    from kitops_core.evidence.slsa import IMPORT_TYPE, Provenance
    from kitops_core.importing.destination import load_kitfile
    from kitops_core.importing.hub_kitfile import describe_hub
    from kitops_core.importing.layers import plan_layers

    session = destination.session
    control = session.control
    started = datetime.now(timezone.utc)
    generated, bases = describe_hub(hub.hub_name, hub, control)
    description, where = generated.data(), f"the Kitfile generated for {hub.name}"
    if kitfile is not None:
        description, where = load_kitfile(kitfile)
    provenance = Provenance(
        parameters={"revision": hub.hub_name.revision} if hub.hub_name.revision else {},
        inputs=_inputs(hub, bases),
        started=started,
        user=user,
        build_type=IMPORT_TYPE,
    )
    cache = session.layer_cache()
    return destination.write(
        description,
        where,
        lambda _: plan_layers(description, hub, cache),
        provenance,
        hub.name,
        hub.hub_name.local_name(),
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


def _hub_options(session: Session) -> RegistryOptions:
    """How patient to be with the Hub: as with registries. Whom a registry's certificates are for is not the Hub."""
    from kitops_core.storage.registry import RegistryOptions

    registry = session.registries.others
    return RegistryOptions(
        connect_timeout=registry.connect_timeout,
        timeout=registry.timeout,
        keep_trying=registry.keep_trying,
        backoff=registry.backoff,
    )
