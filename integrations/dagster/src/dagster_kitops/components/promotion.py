"""Channels of a promotion policy, in YAML."""

# Dagster reads the annotations of a component when the class is made, so they are not postponed here.

from typing import Any, Literal

import dagster as dg
from pydantic import Field

from dagster_kitops.automation import promote_when_verified
from dagster_kitops.checks import asset_key, key_file, signature_check
from dagster_kitops.components.scaffolding import ModelKitPromotionScaffolder
from dagster_kitops.promotion import promotion_assets, rollback_job
from dagster_kitops.scheduling import promotion_schedule
from kitops_core import InvalidInputError


@dg.scaffold_with(ModelKitPromotionScaffolder)
class ModelKitPromotionComponent(dg.Component, dg.Resolvable, dg.Model):
    """The channels of a promotion policy as assets, with their checks, a rollback job each, and a schedule."""

    kit: str = Field(description="The asset that packs the kit: churn, ml/churn.")
    policy: str = Field("promotion.yaml", description="The promotion policy, relative to defs.yaml.")
    to: list[str] = Field([], description="Only these channels; by default all of the policy's.")
    signed_by: list[str] = Field([], description="Public keys, files or env://NAME: one must have signed a kit.")
    automation: Literal["verified", "none"] = Field(
        "none", description="verified: promote when a kit changed and its blocking checks passed; needs signed_by."
    )
    cron: str = Field("", description="Promote on this schedule, in UTC; what has to wait is skipped.")
    signer: str = Field("", description="Private key that signs promotion records: a file or env://NAME.")

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        """What lists of components show."""
        return dg.ComponentTypeSpec(description="Channels of KitOps ModelKits.", tags=["kitops"], owners=[])

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Assets, checks, jobs and the schedule.

        Raises:
            KitOpsError: The policy cannot be used.
            InvalidInputError: ``automation`` is to wait for checks, and there are none.
        """
        if self.automation == "verified" and not self.signed_by:
            raise InvalidInputError(
                f"{context.path}: 'automation: verified' promotes what checks have passed, and there is no check",
                hint="name the keys of 'signed_by', or promote by 'cron', when the gates let it in",
            )
        policy = context.path / self.policy
        candidate = asset_key(self.kit)
        keys = [key_file(key, context.path) for key in self.signed_by]
        signer = str(key_file(self.signer, context.path))
        checks = [signature_check(candidate, keys)] if keys else []
        options: dict[str, Any] = {}
        if self.automation == "verified":
            options["automation_condition"] = promote_when_verified()
        assets = promotion_assets(candidate, policy, to=self.to, checks=checks, signer=signer, **options)
        names = [asset.key.path[-1] for asset in assets]
        jobs = [
            rollback_job(
                asset,
                name,
                policy=policy,
                name=f"rollback_{asset.key.to_python_identifier()}",
                signer=signer,
            )
            for asset, name in zip(assets, names, strict=True)
        ]
        title = f"promote_{candidate.to_python_identifier()}"
        promote = dg.define_asset_job(
            title,
            selection=dg.AssetSelection.assets(*assets),
            description=f"Promotes what waits of {candidate.to_user_string()}, channel by channel.",
        )
        schedules = (
            [promotion_schedule(candidate, policy, cron_schedule=self.cron, to=self.to, checks=checks)]
            if self.cron
            else []
        )
        return dg.Definitions(assets=assets, asset_checks=checks, jobs=[*jobs, promote], schedules=schedules)
