"""A namespace of kits with channels, for the tests of what a catalogue shows of it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from clients import client
from promotions import QUICK
from signing_tools import new_key

from kitops_core import Client, Provenance, Registries, Source
from kitops_core.signing.keys import SigningKey

RELEASE = new_key("release.key")


@dataclass
class Namespace:
    """Kits in one namespace of a registry.

    Attributes:
        root: A directory for files.
        name: ``registry/namespace``.
        key: A key that signs.
    """

    root: Path
    name: str
    key: SigningKey

    def client(self, *, signed: bool = True, **how: Any) -> Client:
        """A client that talks to the registry; it signs unless told otherwise."""
        given = {"registries": Registries(others=QUICK), "signer": self.key if signed else None, **how}
        return client(**given)

    def push(
        self,
        kit: str,
        version: str,
        *,
        size: int = 100,
        parents: tuple[str, ...] = (),
        signed: bool = True,
        kit_name: str = "",
        prompt: str = "",
        metric: str = "accuracy",
        **about: str,
    ) -> str:
        """Pack a version of a kit, made by a pipeline of its own, and push it; its digest."""
        bundle = self.root / kit
        bundle.mkdir(exist_ok=True)
        (bundle / "model.bin").write_bytes(version.encode().ljust(size, b"."))
        package = {"name": kit_name or kit, "version": version, "license": "Apache-2.0", **about}
        kitfile: dict[str, Any] = {
            "manifestVersion": "1.0.0",
            "package": package,
            "model": {"path": "model.bin", "parameters": {"depth": len(version)}},
        }
        if prompt:
            (bundle / "<b>prompt.md").write_text("# prompt\n")
            kitfile["prompts"] = [{"path": "<b>prompt.md", "description": prompt}]
        (bundle / "Kitfile").write_text(yaml.safe_dump(kitfile))
        run = Source("airflow", f"train_{kit}", f"run-{version}", "fit", "https://airflow.example.com/run")
        said = Provenance(
            metrics={metric: 0.9 + 0.01 * (len(version) % 5)},
            inputs=parents,
        )
        with self.client(signed=signed, run=run) as packing:
            return packing.pack(bundle, f"{self.name}/{kit}:{version}", push=True, provenance=said).digest

    def policy(self, kit: str, text: str) -> Path:
        """Write a promotion policy of a kit; ``release.pub`` lies beside it."""
        path = self.root / f"{kit}.yaml"
        path.write_text(f"kit: {self.name}/{kit}\n{text}")
        return path


def new_namespace(root: Path, registry: str) -> Namespace:
    """A namespace of its own, without kits."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "release.pub").write_bytes(RELEASE.public.pem)
    return Namespace(root, f"{registry}/catalog-{uuid.uuid4().hex[:8]}", RELEASE)
