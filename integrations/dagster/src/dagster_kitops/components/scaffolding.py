"""What ``dg scaffold`` writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg


class KitOpsScaffolder(dg.Scaffolder[Any]):
    """A resource for the registry, whose password is in the environment."""

    def scaffold(self, request: dg.ScaffoldRequest[Any]) -> None:
        """Write defs.yaml."""
        dg.scaffold_component(
            request,
            {"registry": "registry.example.com/ml", "username": "ci", "password_env": "REGISTRY_PASSWORD"},
        )


class ModelKitScaffolder(dg.Scaffolder[Any]):
    """A kit of the files next to defs.yaml."""

    def scaffold(self, request: dg.ScaffoldRequest[Any]) -> None:
        """Write defs.yaml, and a directory to pack."""
        directory = request.target_path / "bundle"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "README.md").write_text(f"# {request.target_path.name}\n", encoding="utf-8")
        attributes: Mapping[str, Any] = {"asset": {"key": request.target_path.name}, "path": "bundle"}
        dg.scaffold_component(request, attributes)


class ModelKitPromotionScaffolder(dg.Scaffolder[Any]):
    """A promotion policy with two channels, and the component that brings it into the asset graph."""

    def scaffold(self, request: dg.ScaffoldRequest[Any]) -> None:
        """Write defs.yaml and promotion.yaml."""
        request.target_path.mkdir(parents=True, exist_ok=True)
        (request.target_path / "promotion.yaml").write_text(
            "kit: registry.example.com/ml/churn\nchannels:\n  staging: {}\n  prod:\n    from: staging\n    soak: 24h\n",
            encoding="utf-8",
        )
        # A schedule, for prod soaks: what a gate refuses the automation does not try again until a kit changes.
        dg.scaffold_component(request, {"kit": "churn", "policy": "promotion.yaml", "cron": "0 6 * * 1-5"})
