"""One ``dagster dev``, from the first kit to a promotion that a failed check held back."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from dev_server import DevServer, dev_server

from dagster_kitops import KitOpsResource
from kitops_core.errors import NotFoundError

VERIFIED = [("churn", "verified")]
STAGING = "churn/staging"


def held(server: DevServer, resource: KitOpsResource) -> str:
    """What staging has after the automation looked, and looked again."""
    server.let_tick("promotions")
    return resource.resolve(resource.reference("churn", tag="staging"))


def promoted(server: DevServer, resource: KitOpsResource, digest: str) -> Any:
    def moved() -> bool:
        try:
            found = resource.resolve(resource.reference("churn", tag="staging"))
        except NotFoundError:
            return False
        return found == digest and server.assets(STAGING)[STAGING]["dataVersion"] == digest

    return server.wait_for(moved, "the promotion")


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_kit_from_its_first_run_to_production(registry: str, tmp_path: Path) -> None:
    resource = KitOpsResource(registry=f"{registry}/{uuid.uuid4().hex[:8]}")
    state = tmp_path / "state"
    state.mkdir()
    (state / "promotion.yaml").write_text(f"kit: {resource.reference('churn')}\nchannels:\n  staging: {{}}\n")
    (state / "weights").write_bytes(b"first")
    (state / "verified").touch()
    env = {"STATE": str(state), "REGISTRY": resource.registry}
    with dev_server(Path(__file__).with_name("dev_project.py"), tmp_path / "dagster", env) as server:
        # The first kit: packed, checked, and promoted by the automation.
        assert server.launch("churn", "report", checks=VERIFIED) == "SUCCESS"
        first = server.assets("churn")["churn"]["dataVersion"]
        assert first == resource.resolve(resource.reference("churn", tag="latest"))
        promoted(server, resource, first)

        # The same again: nothing downstream is stale, nothing is promoted again.
        assert server.launch("churn", checks=VERIFIED) == "SUCCESS"
        seen = server.assets("churn", "report", STAGING)
        assert seen["churn"]["dataVersion"] == first
        assert seen["report"]["staleStatus"] == seen[STAGING]["staleStatus"] == "FRESH"

        # Another kit whose check fails: downstream is stale, and the channel keeps what it has.
        (state / "weights").write_bytes(b"second, and longer")
        (state / "verified").unlink()
        assert server.launch("churn", checks=VERIFIED) == "FAILURE"
        second = server.assets("churn")["churn"]["dataVersion"]
        assert second != first
        seen = server.assets("report", STAGING)
        assert seen["report"]["staleStatus"] == seen[STAGING]["staleStatus"] == "STALE"
        assert held(server, resource) == first
        assert len(server.assets(STAGING)[STAGING]["assetMaterializations"]) == 1

        # A person who promotes by hand is held back too.
        assert server.launch(STAGING) == "FAILURE"
        assert held(server, resource) == first

        # The check passes: what waited is promoted, once.
        (state / "verified").touch()
        assert server.launch(checks=VERIFIED) == "SUCCESS"
        promoted(server, resource, second)
        assert server.assets(STAGING)[STAGING]["staleStatus"] == "FRESH"
        assert held(server, resource) == second
        assert len(server.assets(STAGING)[STAGING]["assetMaterializations"]) == 2

        # A backfill, a run for each partition.
        server.backfill("regional", ["eu", "us", "日本"])
        runs = {each["runId"] for each in server.assets("regional")["regional"]["assetMaterializations"]}
        assert len(runs) == 3
        for tag in ("eu", "us"):
            resource.resolve(resource.reference("regional", tag=tag))
