"""Three quantisations packed by mapped tasks, one index of them, promoted as one; a server takes the one that fits."""

from __future__ import annotations

import json
import os
import random
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from airflow.sdk import dag, task

from kitops_airflow import KitIndexOperator, KitOpsHook, KitPackPushOperator, KitPromoteOperator, modelkit_asset

HOME = Path(os.environ["DEMO_HOME"])
LLM = os.environ["DEMO_REPOSITORY"].rpartition("/")[0] + "/llm"
BITS = [4, 8, 16]

VARIANTS = modelkit_asset(LLM, tag="dev")


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc))
def quantize_llm() -> None:
    """Quantise, pack each variant with what it lost, make the index and promote it, then serve what fits in 8 GB."""

    @task
    def quantize(bits: int) -> dict[str, Any]:
        numbers = random.Random(7)  # noqa: S311 - a model, not a secret
        weights = [numbers.uniform(-1, 1) for _ in range(500)]
        steps = 2 ** (bits - 1)
        rounded = [round(weight * steps) for weight in weights]
        lost = max(abs(weight - whole / steps) for weight, whole in zip(weights, rounded, strict=True))
        model = HOME / "variants" / f"q{bits}" / "model.json"
        model.parent.mkdir(parents=True, exist_ok=True)
        model.write_text(json.dumps({"bits": bits, "weights": rounded}))
        source = {"name": "llm", "model": str(model)}
        return {"source": source, "reference": f"{LLM}:q{bits}", "metrics": {"error": lost}}

    packed = KitPackPushOperator.partial(task_id="pack", signer=str(HOME / "release.key")).expand_kwargs(
        quantize.expand(bits=BITS)
    )
    index = KitIndexOperator(
        task_id="index",
        kits=packed.output,
        labels=[{"quantization": f"q{bits}", "vram": f"{bits}GB"} for bits in BITS],
        asset=VARIANTS,
        signer=str(HOME / "release.key"),
    )
    promote = KitPromoteOperator(
        task_id="to_prod",
        reference="{{ ti.xcom_pull(task_ids='index')['reference'] }}",
        to="prod",
        policy=str(HOME / "llm.yaml"),
        signer=str(HOME / "release.key"),
    )

    @task
    def serve() -> dict[str, Any]:
        made = KitOpsHook().get_conn().materialize(f"{LLM}:prod?vram<=8GB", HOME / "served")
        return {"kit": made.digest, "bits": json.loads(Path(made.directory, "model.json").read_text())["bits"]}

    index >> promote >> serve()


quantize_llm()
