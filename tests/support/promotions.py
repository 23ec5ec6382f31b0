"""A project with channels, for the tests of promotion: kits that differ in one file, keys, and a policy."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from clients import client

import kitops_core as kitops
from kitops_core import Client, Registries
from kitops_core.promotion.result import Promotion
from kitops_core.signing.keys import generate_key_pair
from kitops_core.storage.registry import RegistryOptions

PASSWORD = b"of the tests only"
QUICK = RegistryOptions(settle=0.05, backoff=0.01)
"""Registries of these tests answer at once, so a swap needs not be watched for long."""


@dataclass
class Project:
    """A directory with a policy and what it names.

    Attributes:
        root: The directory.
        kit: ``registry/repository`` of its kits.
        options: How to talk to registries.
        login: How to talk to its own, with credentials, if it wants some.
    """

    root: Path
    kit: str
    options: RegistryOptions = QUICK
    login: RegistryOptions | None = None

    @property
    def policy(self) -> Path:
        return self.root / "promotion.yaml"

    def channels(self, **channels: dict[str, Any]) -> Path:
        """Write the policy; ``from_`` stands for ``from``."""
        return self.write({"channels": {name: _plain(channel) for name, channel in channels.items()}})

    def write(self, data: dict[str, Any]) -> Path:
        self.policy.write_text(yaml.safe_dump({"kit": self.kit, **data}, sort_keys=False))
        return self.policy

    def pack(self, version: str, *tags: str, how: dict[str, Any] | None = None, **options: Any) -> str:
        """Pack a kit of this version and push it; returns its digest."""
        bundle = self.root / "bundle"
        bundle.mkdir(exist_ok=True)
        (bundle / "model.bin").write_text(f"model {version}\n")
        (bundle / "README.md").write_text("# churn\n")
        (bundle / "Kitfile").write_text(
            f"manifestVersion: 1.0.0\npackage: {{name: churn, version: {version}, license: Apache-2.0}}\n"
            "model: {path: model.bin, parameters: {max_depth: 6}}\ndocs: [{path: README.md}]\n"
        )
        first, *others = tags or (version,)
        record = self.client(**how or {}).pack(bundle, f"{self.kit}:{first}", tags=others, push=True, **options)
        return record.digest

    def key(self, name: str) -> Path:
        """Make a pair of keys ``name.key`` and ``name.pub``; returns the private one's path."""
        private, public = generate_key_pair(PASSWORD)
        (self.root / f"{name}.pub").write_bytes(public)
        path = self.root / f"{name}.key"
        path.write_bytes(private)
        return path

    def promote(self, reference: str, to: str, *, how: dict[str, Any] | None = None, **options: Any) -> Promotion:
        """Promote; ``how`` are arguments of the client."""
        return self.client(**how or {}).promote(reference, to, policy=self.policy, **options)

    def rollback(self, channel: str, *, how: dict[str, Any] | None = None, **options: Any) -> Promotion:
        """Roll back; ``how`` are arguments of the client."""
        return self.client(**how or {}).rollback(channel, policy=self.policy, **options)

    def client(self, **how: Any) -> Client:
        """A client that talks to the project's registry as its options say."""
        hosts = {self.kit.partition("/")[0]: self.login} if self.login else {}
        return client(**{"registries": Registries(hosts, others=self.options), **how})

    def digest(self, reference: str) -> str:
        """What a tag of the registry has now, or an empty string."""
        try:
            with self.client().open(reference, where="registry") as kit:
                return kit.digest
        except kitops.NotFoundError:
            return ""


def new_project(root: Path, registry: str) -> Project:
    """A project whose kits are in a repository of its own."""
    root.mkdir(parents=True, exist_ok=True)
    return Project(root, f"{registry}/ml/churn-{uuid.uuid4().hex[:8]}")


def _plain(channel: dict[str, Any]) -> dict[str, Any]:
    return {key.rstrip("_"): value for key, value in channel.items()}
