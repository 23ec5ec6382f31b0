"""Components, for projects that are written in YAML."""

from __future__ import annotations

from dagster_kitops.components.modelkit import ModelKitComponent as ModelKitComponent
from dagster_kitops.components.promotion import ModelKitPromotionComponent as ModelKitPromotionComponent
from dagster_kitops.components.resources import KitOpsComponent as KitOpsComponent
