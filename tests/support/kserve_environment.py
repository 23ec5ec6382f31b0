"""KServe's own packages, for the tests that hold our images and manifests against them."""

from __future__ import annotations

import ast
import os
import subprocess
from functools import cached_property
from pathlib import Path
from typing import Any

from tool_environment import install

STORAGE = "kserve-storage==0.21.*"
SDK = "kserve==0.21.*"
IMPORTED = ("oras>=0.2.42", "requests", "pyyaml", "certifi")
"""All that the OCI download of ``kserve-storage`` imports; the rest is four clouds' clients."""
DOWNLOAD = "import sys; from kserve_storage import Storage; Storage.download(sys.argv[1], sys.argv[2])"


class KServe:
    """The real ``kserve-storage`` and the models of KServe's SDK, which are made from its CRDs."""

    def __init__(self, directory: Path) -> None:
        self._python = install(directory, *IMPORTED, alone=(STORAGE, SDK)) / "python"

    def download(self, uri: str, directory: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run ``Storage.download`` in a process of its own, as KServe's initializer does."""
        env = {**os.environ, "KSERVE_OCI_INSECURE_REGISTRY": "true", **environment}
        command = [str(self._python), "-c", DOWNLOAD, uri, str(directory)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, env=env)

    @cached_property
    def models(self) -> dict[str, dict[str, str]]:
        """Of each object of KServe's API: its fields' names in JSON, and their types."""
        found = {}
        for path in self._python.parent.parent.glob("lib/python*/site-packages/kserve/models/v1*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    said = {
                        target.id: ast.literal_eval(item.value)
                        for item in node.body
                        if isinstance(item, ast.Assign)
                        for target in item.targets
                        if isinstance(target, ast.Name) and target.id in ("openapi_types", "attribute_map")
                    }
                    names = said["attribute_map"]
                    found[node.name] = {names[name]: kind for name, kind in said["openapi_types"].items()}
        return found

    def problems(self, value: Any, kind: str, where: str = "") -> list[str]:
        """What in an object KServe's API does not have, or has as another type; Kubernetes' own objects are passed."""
        if kind.startswith("list["):
            if not isinstance(value, list):
                return [f"{where}: a list is expected"]
            return [text for i, one in enumerate(value) for text in self.problems(one, kind[5:-1], f"{where}[{i}]")]
        plain = {"str": str, "bool": bool, "int": int}.get(kind)
        if plain:
            return [] if type(value) is plain else [f"{where}: {kind} is expected"]
        fields = self.models.get(kind)
        if fields is None:
            return []
        if not isinstance(value, dict):
            return [f"{where}: an object is expected"]
        unknown = [f"{where}.{key} is unknown to {kind}" for key in value if key not in fields]
        known = {key: one for key, one in value.items() if key in fields}
        return unknown + [
            text for key, one in known.items() for text in self.problems(one, fields[key], f"{where}.{key}")
        ]
