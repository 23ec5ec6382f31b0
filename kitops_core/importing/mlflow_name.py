"""What a user calls a run or a registered model of MLflow.

``mlflow://runs/<id>[/<path>]``, ``mlflow://experiments/<id>/runs/<id>[/<path>]``, ``mlflow://models/<name>/<version>``
or ``mlflow://models/<name>/@<alias>``; each with ``<host>[:<port>]/`` after ``mlflow://`` for a server other than the
one that ``MLFLOW_TRACKING_URI`` names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from kitops_core.errors import InvalidInputError
from kitops_core.evidence.secrets import redact_text
from kitops_core.storage.registry.hosts import is_loopback

SCHEME = "mlflow://"
_FORMS = "write mlflow://runs/ID, mlflow://experiments/ID/runs/ID, mlflow://models/NAME/VERSION or .../@ALIAS"
_HOST = re.compile(r"[A-Za-z0-9.-]+(?::\d{1,5})?|\[[0-9a-fA-F:]+\](?::\d{1,5})?")


@dataclass(frozen=True)
class MlflowName:
    """A run, or a version of a registered model.

    Attributes:
        host: Host and port of the server, or an empty string for the one of the environment.
        run: The run's id; empty for a model.
        experiment: The experiment's id, where it is named.
        path: What of the run's artifacts, where not all of them.
        model: The registered model's name; empty for a run.
        version: Its version; empty where an alias is named.
        alias: Its alias.
    """

    host: str = ""
    run: str = ""
    experiment: str = ""
    path: str = ""
    model: str = ""
    version: str = ""
    alias: str = ""

    @property
    def tracking_uri(self) -> str:
        """The server's URL: HTTPS, but for one on this machine; empty for the environment's."""
        if not self.host:
            return ""
        return f"{'http' if is_loopback(self.host) else 'https'}://{self.host}"


def run_uri(host: str, experiment: str, run: str, path: str = "") -> str:
    """The name of a run that says all."""
    place = f"{host}/" if host else ""
    return f"{SCHEME}{place}experiments/{experiment}/runs/{run}" + (f"/{quote(path)}" if path else "")


def model_uri(host: str, model: str, version: str) -> str:
    """The name of one version of a model."""
    place = f"{host}/" if host else ""
    return f"{SCHEME}{place}models/{quote(model, safe='')}/{version}"


def parse_mlflow_name(text: str) -> MlflowName:
    """Read a name.

    Raises:
        InvalidInputError: It is none.
    """
    parts = [unquote(part) for part in text.removeprefix(SCHEME).strip("/").split("/")]
    host = ""
    if parts[0] not in ("runs", "experiments", "models"):
        host, *parts = parts
    if "@" in host:
        raise InvalidInputError(
            f"'{redact_text(text)}' has credentials in it",
            hint="set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN",
        )
    name = _parsed(parts, host)
    if name is None or (host and not _HOST.fullmatch(host)) or not {"", ".", ".."}.isdisjoint(parts):
        raise InvalidInputError(f"'{redact_text(text)}' is no run and no model of MLflow", hint=_FORMS)
    return name


def _parsed(parts: list[str], host: str) -> MlflowName | None:
    if parts[:1] == ["runs"] and len(parts) >= 2:
        return MlflowName(host, run=parts[1], path="/".join(parts[2:]))
    if parts[:1] == ["experiments"] and parts[2:3] == ["runs"] and len(parts) >= 4:
        return MlflowName(host, experiment=parts[1], run=parts[3], path="/".join(parts[4:]))
    if parts[:1] == ["models"] and len(parts) == 3:
        if parts[2].startswith("@"):
            return MlflowName(host, model=parts[1], alias=parts[2][1:]) if parts[2] != "@" else None
        return MlflowName(host, model=parts[1], version=parts[2]) if parts[2].isdecimal() else None
    return None
