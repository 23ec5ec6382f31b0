"""What Airflow 2 does not have is said where it is asked for."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS
from dag_runs import dag

from kitops_airflow import modelkit_asset, promote_with_approval

pytestmark = pytest.mark.skipif(AIRFLOW_V_3_0_PLUS, reason="Airflow 3 has all of it")


def test_a_watched_asset_is_refused_with_what_to_use_instead() -> None:
    with pytest.raises(RuntimeError, match="watch=True needs Airflow 3; on Airflow 2 wait with ModelKitTagSensor"):
        modelkit_asset("registry.example.com/ml/churn", tag="prod", watch=True)


def test_a_promotion_with_approval_is_refused_with_what_to_use_instead() -> None:
    with dag("approved"), pytest.raises(RuntimeError, match=r"needs Airflow 3.1; before, use KitPromoteOperator"):
        promote_with_approval("prod")
