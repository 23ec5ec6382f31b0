"""A project with channels for the tests of promotion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from conftest import write_bundle
from runs import repository

import kitops_core as kitops


class Project:
    """A promotion policy and the kits it is about, in a repository of their own."""

    def __init__(self, root: Path, registry: str, **channels: dict[str, Any] | None) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root = root
        self.kit = repository(registry)
        self.policy = root / "promotion.yaml"
        given = channels or {"dev": {}, "staging": {"from": "dev"}}
        self.policy.write_text(yaml.safe_dump({"kit": self.kit, "channels": given}, sort_keys=False))

    def pack(self, version: str, tag: str = "dev", **options: Any) -> str:
        """Pack a version, push it, and return its digest."""
        bundle = write_bundle(self.root / "bundle", f"model {version}".encode(), version=version)
        return kitops.pack(bundle, f"{self.kit}:{tag}", push=True, **options).digest

    def digest(self, tag: str) -> str:
        """What a tag has, or an empty string."""
        try:
            with kitops.open(f"{self.kit}:{tag}", where="registry") as kit:
                return kit.digest
        except kitops.NotFoundError:
            return ""
