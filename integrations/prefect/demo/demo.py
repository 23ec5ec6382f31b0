"""From training to an automated promotion: a registry, a Prefect server, a flow, an automation and a card.

Run it with ``make demo-prefect``. With ``--screenshot FILE`` and a Chromium it also takes a picture of the artifacts.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

sys.path.append(str(Path(__file__).parents[3] / "tests"))

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
RUN_SECONDS = 300


def demo(root: Path, screenshot: Path | None = None) -> str:
    """Run it all and return what ``staging`` has in the end."""
    with serve_registry() as served, live_prefect(root / "server") as live:
        kit = f"{served.address}/ml/churn"
        (root / "promotion.yaml").write_text(POLICY.format(kit=kit))
        environment = {"DEMO_KIT": kit}
        api = httpx.Client(base_url=live.url, timeout=60)
        say(f"registry {served.address}, Prefect {live.url.removesuffix('/api')}")

        live.start("release", sys.executable, str(HERE / "release.py"), **environment)
        wait(api, "/deployments/name/modelkit-promotion/to-staging")
        say("an automation waits for pushes with the tag dev")

        first = live.run(HERE / "churn.py", "1", **environment).split()[-1]
        say(f"trained, packed and pushed  {first}")
        promoted(api, live, 1)
        second = live.run(HERE / "churn.py", "20", **environment).split()[-1]
        say(f"trained again with other parameters  {second}")
        run = promoted(api, live, 2)

        card = next(found for found in artifacts(api) if found["data"].startswith("# churn"))
        say("the kit's card, an artifact of the run that trained it")
        print(f"\n{card['data']}")
        say("the plan of its promotion, an artifact of the automation's run")
        print(f"\n{artifacts(api, run)[0]['data']}")
        for state in kitops.channels(root / "promotion.yaml"):
            say(f"{state.name:8} {state.digest}  {state.kit.get('version', '')}")
        if screenshot:
            take(f"{live.url.removesuffix('/api')}/artifacts/artifact/{card['id']}", screenshot)
        return kitops.channels(root / "promotion.yaml")[1].digest


def promoted(api: httpx.Client, live: Live, count: int) -> str:
    """Wait for the automation's run number ``count`` and return its id."""
    deadline = time.monotonic() + RUN_SECONDS
    while time.monotonic() < deadline:
        body = {"flows": {"name": {"any_": ["modelkit-promotion"]}}, "sort": "EXPECTED_START_TIME_ASC"}
        runs: list[dict[str, Any]] = api.post("/flow_runs/filter", json=body).json()
        if len(runs) >= count and runs[count - 1]["state"]["type"] in ("COMPLETED", "FAILED", "CRASHED"):
            state = runs[count - 1]["state"]
            say(f"the automation promoted it: {state['name']} {state['message'] or ''}")
            return str(runs[count - 1]["id"])
        time.sleep(0.5)
    raise RuntimeError(f"the automation did nothing:\n{live.log('release')[-3000:]}")


def artifacts(api: httpx.Client, run: str = "") -> list[dict[str, Any]]:
    """The Markdown artifacts of a run, or all; newest first."""
    body: dict[str, Any] = {"artifacts": {"type": {"any_": ["markdown"]}}, "sort": "CREATED_DESC"}
    if run:
        body["artifacts"]["flow_run_id"] = {"any_": [run]}
    return list(api.post("/artifacts/filter", json=body).raise_for_status().json())


def wait(api: httpx.Client, path: str) -> None:
    """Wait until something is there."""
    deadline = time.monotonic() + RUN_SECONDS
    while api.get(path).status_code != 200:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{path} did not come up")
        time.sleep(0.5)


def take(url: str, file: Path) -> None:
    """A picture of a page."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        say("there is no Chromium to take a picture with")
        return
    flags = ["--headless", "--no-sandbox", "--hide-scrollbars", "--disable-gpu", "--window-size=1200,1150"]
    subprocess.run(
        [browser, *flags, "--virtual-time-budget=20000", f"--screenshot={file.absolute()}", url],
        check=True,
        capture_output=True,
        timeout=180,
    )
    say(f"picture in {file}")


def say(text: str) -> None:
    """One line for whoever watches."""
    print(f"● {text}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--screenshot", type=Path)
    picture = parser.parse_args().screenshot
    with tempfile.TemporaryDirectory(prefix="kitops-demo-") as directory:
        demo(Path(directory), picture.absolute() if picture else None)
