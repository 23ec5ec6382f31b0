"""Runs a container of a pod as a process: its command, arguments and variables, its mounts as directories.

It stands in for a kubelet and a container runtime, which there are none of here. The process is the image's user, whose
home is ``/``, and can write only to what is mounted; the command is installed as ``deploy/Dockerfile`` does it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tool_environment import as_user

_DOCKERFILE = Path(__file__).parents[2] / "deploy" / "Dockerfile"
Object = dict[str, Any]


def image_environment() -> dict[str, str]:
    """The ``ENV`` of the last stage of our Dockerfile, without PATH."""
    line = re.findall(r"^ENV (.*)$", _DOCKERFILE.read_text(encoding="utf-8"), re.M)[-1]
    pairs = dict(pair.split("=", 1) for pair in line.split())
    del pairs["PATH"]
    return pairs


@dataclass
class PodRunner:
    """What a cluster would have: a node's directory, Secrets and ConfigMaps, claims.

    Attributes:
        root: A directory that every user may enter; volumes are made in it.
        commands: The directory with the image's commands.
        secrets: Secrets by name, their data by key.
        claims: The directories of claims by name.
        config_maps: ConfigMaps by name.
        annotations: Annotations of the pod.
    """

    root: Path
    commands: Path
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    claims: dict[str, Path] = field(default_factory=dict)
    config_maps: dict[str, dict[str, str]] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)

    def volumes(self, pod: Object) -> dict[str, Path]:
        """Make a pod's volumes.

        Raises:
            KeyError: It names a Secret, ConfigMap, claim or key that is not there, which keeps a pod from starting.
        """
        return {volume["name"]: self._volume(volume) for volume in pod["volumes"]}

    def run(self, container: Object, volumes: Mapping[str, Path]) -> subprocess.CompletedProcess[str]:
        """Run a container to its end."""
        with self.start(container, volumes) as process:
            out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    @contextmanager
    def start(self, container: Object, volumes: Mapping[str, Path]) -> Iterator[subprocess.Popen[str]]:
        """Start a container, and end it with the block."""
        mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in container.get("volumeMounts", ())}
        variables = {**image_environment(), **self._variables(container)}
        command = container.get("command") or ["kitops"]
        words = [_expanded(word, variables) for word in (*command, *container.get("args", ()))]
        place = {name: _placed(value, mounts) for name, value in variables.items()}
        options: Any = as_user()
        with subprocess.Popen(
            [_placed(word, mounts) for word in words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd="/",
            env={"PATH": f"{self.commands}:/usr/bin:/bin", "HOME": "/", **place},
            **options,
        ) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.terminate()

    def _variables(self, container: Object) -> dict[str, str]:
        out = {}
        for variable in container.get("env", ()):
            if "value" in variable:
                out[variable["name"]] = variable["value"]
                continue
            if field_of := variable["valueFrom"].get("fieldRef"):
                match = re.fullmatch(r"metadata\.annotations\['(.+)'\]", field_of["fieldPath"])
                assert match is not None
                out[variable["name"]] = self.annotations.get(match[1], "")  # as Kubernetes: empty where there is none
                continue
            source = variable["valueFrom"]["secretKeyRef"]
            value = self.secrets.get(source["name"], {}).get(source["key"])
            if value is None and not source.get("optional"):
                raise KeyError(f"Secret {source['name']} has no {source['key']}")
            if value is not None:
                out[variable["name"]] = value
        return out

    def _volume(self, volume: Object) -> Path:
        if "persistentVolumeClaim" in volume:
            return self.claims[volume["persistentVolumeClaim"]["claimName"]]
        directory = self.root / f"volume-{volume['name']}"
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        if "emptyDir" in volume:
            directory.chmod(0o777)
        for source in volume.get("projected", {}).get("sources", [volume]):
            if "configMap" in source:
                self._write(directory, self.config_maps[source["configMap"]["name"]], source["configMap"])
            if "secret" in source:
                name = source["secret"].get("secretName") or source["secret"]["name"]
                self._write(directory, self.secrets[name], source["secret"])
        return directory

    def _write(self, directory: Path, data: Mapping[str, str], source: Object) -> None:
        for item in source.get("items", [{"key": key, "path": key} for key in data]):
            (directory / item["path"]).write_text(data[item["key"]])


def _expanded(text: str, variables: Mapping[str, str]) -> str:
    """``$(NAME)`` as Kubernetes expands it."""
    return re.sub(r"\$\((\w+)\)", lambda match: variables.get(match[1], match[0]), text)


def _placed(text: str, mounts: Mapping[str, Path]) -> str:
    """A path in the container as it is here."""
    for mount in sorted(mounts, key=len, reverse=True):
        if text == mount or text.startswith(mount + os.sep):
            return str(mounts[mount]) + text[len(mount) :]
    return text
