"""A finished run of MLflow, or a version of a registered model, as a kit; read by MLflow's own client."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from kitops_core.errors import DeniedError, InvalidInputError, KitOpsError, NotFoundError, RegistryError, SourceError
from kitops_core.events import Control
from kitops_core.evidence.inputs import Input
from kitops_core.evidence.secrets import redact, redact_text
from kitops_core.evidence.slsa import IMPORT_TYPE, Provenance
from kitops_core.importing.destination import Destination, load_kitfile
from kitops_core.importing.mlflow_name import MlflowName, model_uri, parse_mlflow_name, run_uri
from kitops_core.record import ModelKitRecord
from kitops_core.staged import scratch
from kitops_core.storage.registry.addresses import until_cancelled

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from kitops_core.kitfile import Kitfile

_PROGRESS_BAR = "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"
_FLAVORS = {"sklearn": "scikit-learn", "pytorch": "pytorch", "tensorflow": "tensorflow"}
_NO_FLAVORS = ("python_function",)
_MODEL_BYTES = 1024 * 1024


@dataclass(frozen=True)
class _Found:
    """What is imported.

    Attributes:
        name: What the kit is called.
        version: Its version, where a model has one.
        description: What is said of it.
        origin: The version of the model, or the run, in one URI.
        run: The run; ``None`` for a model that none made.
        artifacts: Where the client finds the files.
    """

    name: str
    version: str
    description: str
    origin: str
    run: Any
    artifacts: str


def import_run(
    source: str,
    destination: Destination,
    kitfile: str | os.PathLike[str] | Kitfile | None,
    user: str,
) -> ModelKitRecord:
    """Import a run or a model.

    Raises:
        InvalidInputError: It is neither, is not finished, no server is named, or the client is not installed.
        NotFoundError: There is no such run or model.
        DeniedError, RegistryError: The server refused or failed.
        SourceError: It has no files, or the Kitfile names what it has not.
        CancelledError: The switch was flipped.
    """
    from kitops_core.layers.context import Context

    name, control = parse_mlflow_name(source), destination.session.control
    with _fetched(name, source, control) as (found, directory):
        if kitfile is not None:
            description, where = load_kitfile(kitfile)
        else:
            description, where = _described(found, directory).data(), f"the Kitfile generated for {found.origin}"
        cache = destination.session.layer_cache()
        return destination.write(
            description,
            where,
            lambda kit: kit.plan(Context.from_directory(directory), cache, control),
            _provenance(found, name, user),
            found.origin,
            _local_name(found.name),
        )


def describe_run(source: str, control: Control) -> Kitfile:
    """The Kitfile that :func:`import_run` would make.

    Raises:
        KitOpsError: As for :func:`import_run`.
    """
    with _fetched(parse_mlflow_name(source), source, control) as (found, directory):
        return _described(found, directory)


@contextmanager
def _fetched(name: MlflowName, source: str, control: Control) -> Iterator[tuple[_Found, Path]]:
    """What is imported, and a directory with its files. MLflow's client cannot be told to stop: it is left alone."""
    control.check()
    with _mlflow_errors(f"import {source}"):
        found = until_cancelled(lambda: _find(_client(name), name), control)
    with scratch("mlflow") as fetched:

        def fetch() -> Path:
            try:
                return _directory(found, name, fetched)
            finally:
                if control.cancelled:  # nobody waits any more, and what was fetched since is nobody's
                    shutil.rmtree(fetched, ignore_errors=True)

        with _mlflow_errors(f"fetch the files of {found.origin}"):
            directory = until_cancelled(fetch, control)
        yield found, directory


def _described(found: _Found, directory: Path) -> Kitfile:
    from kitops_core.sources.generate import generate_kitfile

    description = generate_kitfile(directory, name=found.name, description=found.description, depth=-1)
    description.package.version = found.version
    if not description.entries():
        raise SourceError(f"{found.origin} has no files to import", hint="is it the right run?")
    _add_run(description, directory, found.run)
    return description


def _client(name: MlflowName) -> MlflowClient:
    try:
        import mlflow
        from mlflow.tracking import MlflowClient
    except ImportError:
        raise InvalidInputError(
            "to import from MLflow, its client is needed", hint="install it with: pip install 'kitops-core[mlflow]'"
        ) from None
    if not name.host and not mlflow.is_tracking_uri_set():  # type: ignore[no-untyped-call]
        raise InvalidInputError(
            "no MLflow server is named", hint="set MLFLOW_TRACKING_URI, or write its host after mlflow://"
        )
    uri = name.tracking_uri or None
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _find(client: MlflowClient, name: MlflowName) -> _Found:
    if name.model:
        if name.alias:
            version = client.get_model_version_by_alias(name.model, name.alias)
        else:
            version = client.get_model_version(name.model, name.version)
        run = _finished(client, version.run_id) if version.run_id else None
        number = str(version.version)
        artifacts = client.get_model_version_download_uri(name.model, number)
        origin = model_uri(name.host, name.model, number)
        return _Found(name.model, number, version.description or f"Imported from {origin}", origin, run, artifacts)
    run = _finished(client, name.run)
    info = run.info
    if name.experiment and name.experiment != info.experiment_id:
        raise NotFoundError(f"the run {name.run} is in experiment {info.experiment_id}, not in {name.experiment}")
    origin = run_uri(name.host, info.experiment_id, info.run_id, name.path)
    artifacts = info.artifact_uri.rstrip("/") + (f"/{name.path}" if name.path else "")
    return _Found(info.run_name or info.run_id, "", f"Imported from {origin}", origin, run, artifacts)


def _finished(client: MlflowClient, run_id: str) -> Any:
    run = client.get_run(run_id)
    if run.info.lifecycle_stage == "deleted":
        raise NotFoundError(f"the run {run_id} was deleted")
    if run.info.status != "FINISHED":
        raise InvalidInputError(
            f"the run {run_id} is {run.info.status}, and only one that is FINISHED can be imported",
            hint="wait for it, or end it in MLflow",
        )
    return run


def _directory(found: _Found, name: MlflowName, into: Path) -> Path:
    """A directory with the files: where they are on this machine, else a copy."""
    import mlflow.artifacts

    artifacts, parts = found.artifacts, urlsplit(found.artifacts)
    if parts.scheme in ("", "file") and not parts.netloc:
        place = Path(unquote(parts.path) if parts.scheme else artifacts)
        if place.is_dir():
            return place
        if not place.exists():
            raise SourceError(
                f"{found.origin} has no files to import: '{place}' is not there",
                hint="is it the right run? If its files are on the server's machine, that must serve them",
            )
    before = os.environ.get(_PROGRESS_BAR)
    os.environ[_PROGRESS_BAR] = "false"
    try:
        uri = name.tracking_uri or None
        fetched = Path(
            mlflow.artifacts.download_artifacts(artifact_uri=artifacts, dst_path=str(into), tracking_uri=uri)
        )
    finally:
        if before is None:
            del os.environ[_PROGRESS_BAR]
        else:
            os.environ[_PROGRESS_BAR] = before
    return fetched if fetched.is_dir() else fetched.parent


def _add_run(description: Kitfile, directory: Path, run: Any) -> None:
    """The run's parameters, and the framework that MLflow knows."""
    if description.model is None:
        return
    if not description.model.framework:
        beside = (directory / description.model.path).parent / "MLmodel"
        description.model.framework = _flavor(beside)
    if run is not None and run.data.params:
        description.model.parameters = {**(description.model.parameters or {}), **_parameters(run)}


def _flavor(path: Path) -> str:
    import yaml

    try:
        with path.open("rb") as file:
            flavors = yaml.safe_load(file.read(_MODEL_BYTES))["flavors"]
        name = next((str(name) for name in flavors if name not in _NO_FLAVORS), "")
    except (OSError, yaml.YAMLError, ValueError, TypeError, KeyError):
        return ""
    return _FLAVORS.get(name, name)


def _provenance(found: _Found, name: MlflowName, user: str) -> Provenance:
    run = found.run
    if run is None:
        return Provenance(inputs=[Input(found.origin, name=found.name)], user=user, build_type=IMPORT_TYPE)
    info = run.info
    inputs = [Input(run_uri(name.host, info.experiment_id, info.run_id), name=info.run_name or info.run_id)]
    if name.model:
        inputs.insert(0, Input(found.origin, name=found.name))
    return Provenance(
        parameters={"run": info.run_id, "experiment": info.experiment_id, **_parameters(run)},
        inputs=inputs,
        metrics={key: float(value) for key, value in run.data.metrics.items() if math.isfinite(value)},
        started=_time(info.start_time),
        finished=_time(info.end_time),
        commit=run.data.tags.get("mlflow.source.git.commit", ""),
        repository=redact_text(run.data.tags.get("mlflow.source.git.repoURL", "")),
        user=user,
        build_type=IMPORT_TYPE,
    )


def _parameters(run: Any) -> dict[str, Any]:
    """The run's parameters, numbers and truth values as such, without secrets: anyone who has the kit can read them."""
    values: dict[str, Any] = {}
    for key, text in run.data.params.items():
        try:
            value = json.loads(text.lower() if text in ("True", "False") else text)
        except ValueError:
            value = text
        values[key] = value if isinstance(value, (bool, int, float)) and value == value else text
    found: dict[str, Any] = redact(values)
    return found


def _time(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, timezone.utc)


def _local_name(name: str) -> str:
    return (re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "mlflow-model") + ":latest"


@contextmanager
def _mlflow_errors(doing: str) -> Iterator[None]:
    """MLflow's errors as our own. What the server says is quoted without secrets, and only its first line."""
    try:
        yield
    except KitOpsError:
        raise
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in ("mlflow", "requests"):
            raise
        code = str(getattr(error, "error_code", ""))
        said = redact_text(str(error).strip().partition("\n")[0])[:300]
        if code in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"):
            raise NotFoundError(f"cannot {doing}: {said}") from None
        if code in ("PERMISSION_DENIED", "UNAUTHENTICATED") or " 401" in said or " 403" in said:
            raise DeniedError(
                f"cannot {doing}: MLflow refused", hint="set MLFLOW_TRACKING_USERNAME and _PASSWORD, or _TOKEN"
            ) from None
        raise RegistryError(f"cannot {doing}: {said}", hint="check MLFLOW_TRACKING_URI, and that it answers") from None
