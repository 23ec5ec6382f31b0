"""Serves the promotion of every kit that is pushed with the tag ``dev``."""

from __future__ import annotations

import os

from prefect_kitops import modelkit_promotion, modelkit_pushed_trigger

if __name__ == "__main__":
    modelkit_promotion.serve(
        name="to-staging",
        parameters={"to": "staging", "policy": "promotion.yaml"},
        triggers=[modelkit_pushed_trigger(os.environ["DEMO_KIT"], "dev")],
        pause_on_shutdown=False,
    )
