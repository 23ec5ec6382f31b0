"""From training to an automated promotion: a registry, a Prefect server, a flow, an automation and a card.

Run it with ``make demo-prefect``. With ``SCREENSHOTS=DIRECTORY`` and a Chromium it takes pictures of the artifacts.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import ArtifactFilter, FlowFilter
from prefect.client.schemas.objects import Artifact
from prefect.client.schemas.sorting import ArtifactSort, FlowRunSort
from prefect.exceptions import ObjectNotFound

sys.path.append(str(Path(__file__).parents[3] / "tests" / "support"))

from live import Live, live_prefect
from registry_fixture import serve_registry

import kitops_core as kitops

HERE = Path(__file__).parent
POLICY = """kit: {kit}
channels:
  dev: {{}}
  staging:
    from: dev
    gates:
      - metric: {{name: accuracy, min: 0.6}}
      - license: {{allow: [Apache-2.0]}}
"""
BROWSERS = ("chromium-headless-shell", "chromium", "google-chrome")
RUN_SECONDS = 600


def demo(root: Path, screenshots: Path | None = None) -> str:
    """Run it all and return what ``staging`` has in the end."""
    with serve_registry() as served, live_prefect(root / "server") as live, SyncPrefectClient(live.url) as api:
        kit = f"{served.address}/ml/churn"
        (root / "promotion.yaml").write_text(POLICY.format(kit=kit))
        environment = {"DEMO_KIT": kit}
        say(f"registry {served.address}, Prefect {live.url.removesuffix('/api')}")

        live.start("release", sys.executable, str(HERE / "release.py"), **environment)
        wait_for(api, "modelkit-promotion/to-staging")
        say("an automation waits for pushes with the tag dev")

        first = live.run(HERE / "churn.py", "1", **environment).split()[-1]
        say(f"trained, packed and pushed  {first}")
        promoted(api, live, 1)
        second = live.run(HERE / "churn.py", "20", **environment).split()[-1]
        say(f"trained again with other parameters  {second}")
        run = promoted(api, live, 2)

        card = next(found for found in cards(api) if str(found.data).startswith("# churn"))
        say("the kit's card, an artifact of the run that trained it")
        print(f"\n{card.data}")
        say("the plan of its promotion, an artifact of the automation's run")
        plan = cards(api, run)[0]
        print(f"\n{plan.data}")
        states = kitops.channels(root / "promotion.yaml")
        for state in states:
            say(f"{state.name:8} {state.digest}  {state.kit.get('version', '')}")
        if screenshots:
            pages = f"{live.url.removesuffix('/api')}/artifacts/artifact"
            take(f"{pages}/{card.id}", screenshots / "card.png", height=1750)
            take(f"{pages}/{plan.id}", screenshots / "plan.png", height=1150)
        return states[1].digest


def promoted(api: SyncPrefectClient, live: Live, count: int) -> UUID:
    """Wait for the automation's run number ``count`` and return its id."""
    deadline = time.monotonic() + RUN_SECONDS
    promotions = FlowFilter(name={"any_": ["modelkit-promotion"]})
    while time.monotonic() < deadline:
        runs = api.read_flow_runs(flow_filter=promotions, sort=FlowRunSort.EXPECTED_START_TIME_ASC)
        if len(runs) >= count and (state := runs[count - 1].state) is not None and state.is_final():
            say(f"the automation promoted it: {state.name} {state.message or ''}")
            return runs[count - 1].id
        time.sleep(0.5)
    raise RuntimeError(f"the automation did nothing:\n{live.log('release')[-3000:]}")


def cards(api: SyncPrefectClient, run: UUID | None = None) -> list[Artifact]:
    """The Markdown artifacts of a run, or all; newest first."""
    wanted = {"type": {"any_": ["markdown"]}, **({"flow_run_id": {"any_": [run]}} if run else {})}
    return api.read_artifacts(artifact_filter=ArtifactFilter(**wanted), sort=ArtifactSort.CREATED_DESC)


def wait_for(api: SyncPrefectClient, deployment: str) -> None:
    """Wait until a deployment is served."""
    deadline = time.monotonic() + RUN_SECONDS
    while time.monotonic() < deadline:
        try:
            api.read_deployment_by_name(deployment)
        except ObjectNotFound:
            time.sleep(0.5)
        else:
            return
    raise RuntimeError(f"{deployment} did not come up")


def take(url: str, file: Path, height: int) -> None:
    """A picture of a page."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        say("there is no Chromium to take a picture with")
        return
    flags = ["--headless", "--no-sandbox", "--hide-scrollbars", "--disable-gpu", f"--window-size=1200,{height}"]
    subprocess.run(
        [browser, *flags, "--virtual-time-budget=60000", f"--screenshot={file.absolute()}", url],
        check=True,
        capture_output=True,
        timeout=300,
    )
    say(f"picture in {file}")


def say(text: str) -> None:
    """One line for whoever watches."""
    print(f"● {text}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--screenshots", type=Path, metavar="DIRECTORY", help="where pictures go")
    pictures = parser.parse_args().screenshots
    with tempfile.TemporaryDirectory(prefix="kitops-demo-") as directory:
        demo(Path(directory), pictures)
