"""A real Airflow on SQLite and a real registry: train, push, and by the push verify and promote. No account needed.

Then three quantisations of another model: mapped tasks pack them, and their index is promoted as one.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))
sys.path.append(str(Path(__file__).parents[3] / "tests" / "support"))

from live_airflow import LiveAirflow, live_airflow
from registry_fixture import serve_registry

import kitops_core as kitops

POLICY = """\
kit: {repository}
trust: {{keys: [release.pub]}}
channels:
  dev: {{}}
  staging:
    from: dev
    gates:
      - signed: {{key: release.pub}}
      - metric: {{name: accuracy, min: 0.90}}
  prod:
    from: staging
    gates:
      - metric: {{name: accuracy, not_worse_than: prod, by: 0.01}}
"""

VARIANTS = """\
kit: {repository}
trust: {{keys: [release.pub]}}
channels:
  dev: {{}}
  prod:
    from: dev
    gates:
      - signed: {{key: release.pub}}
      - metric: {{name: error, max: 0.1}}
"""


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--keep", action="store_true", help="leave everything running until Ctrl-C")
    keep = parser.parse_args().keep
    os.environ["COSIGN_PASSWORD"] = ""
    for number in (signal.SIGINT, signal.SIGTERM):  # however it is stopped, what it started stops too
        signal.signal(number, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="kitops-demo-") as name, serve_registry() as registry:
        home = Path(name)
        repository = f"{registry.address}/ml/churn"
        private, public = kitops.generate_key_pair(b"")
        (home / "release.key").write_bytes(private)
        (home / "release.pub").write_bytes(public)
        (home / "promotion.yaml").write_text(POLICY.format(repository=repository))
        (home / "llm.yaml").write_text(VARIANTS.format(repository=f"{registry.address}/ml/llm"))
        (home / "airflow").mkdir()
        print(f"registry  {registry.address}\nstarting Airflow, which takes a while ...", flush=True)
        extra = {
            "DEMO_HOME": name,
            "DEMO_REPOSITORY": repository,
            "KITOPS_HOME": str(home / "kits"),
            "HOME": name,
            "COSIGN_PASSWORD": "",
        }
        with live_airflow(home / "airflow", Path(__file__).parent / "dags", extra) as airflow:
            show(airflow, home, repository)
            if keep:
                print("\nCtrl-C stops it all.", flush=True)
                wait()


def show(airflow: LiveAirflow, home: Path, repository: str) -> None:
    """Run the DAGs and say what came of it."""
    run = airflow.trigger("train_churn")
    airflow.succeed("train_churn", run)
    print(f"airflow   {airflow.url}\ntrain_churn    success", flush=True)
    packed = airflow.xcom("train_churn", run, "fit")
    print(f"  pushed       {packed['reference']}  {packed['digest']}", flush=True)

    (released,) = airflow.finished("release_churn", 1)
    airflow.succeed("release_churn", released["dag_run_id"])
    print(f"release_churn  success, started by the asset {packed['repository']}")
    promoted = airflow.xcom("release_churn", released["dag_run_id"], "to_staging")
    for gate in promoted["gates"]:
        print(f"  {'✓' if gate['passed'] else '✗'} {gate['name']}")
    print(f"  promoted     staging is {promoted['digest']}")

    (reported,) = airflow.finished("report_staging", 1)
    print(f"report_staging {reported['state']}: {airflow.xcom('report_staging', reported['dag_run_id'], 'report')}")
    for record in kitops.history("staging", policy=home / "promotion.yaml"):
        print(f"history        {record.action} {record.digest[:19]}… by {record.run.pipeline}, {record.run.run}")
    if promoted["digest"] != packed["digest"]:
        raise SystemExit("staging does not have the kit that was pushed")
    (asked,) = airflow.until(lambda: airflow.runs("approve_churn"), "approve_churn is started by the asset")
    approval = f"/dags/approve_churn/runs/{asked['dag_run_id']}/tasks/promote_to_prod.approve"
    state = approval.replace("/runs/", "/dagRuns/").replace("/tasks/", "/taskInstances/")
    airflow.until(lambda: airflow.call("GET", state)["state"] in ("awaiting_input", "deferred"), "it asks a person")
    print(f"approve_churn  waits for a person: may {promoted['digest'][:19]}… go to prod?")

    quantized = airflow.trigger("quantize_llm")
    airflow.succeed("quantize_llm", quantized)
    promoted = airflow.xcom("quantize_llm", quantized, "to_prod")
    print(f"quantize_llm   success\n  promoted     prod is {promoted['digest']}, an index of")
    for variant in promoted["kit"]["variants"]:
        print(f"    {variant['tag']:4} {variant['digest'][:19]}…  {variant['labels']}")
    print(f"  served       the one of {airflow.xcom('quantize_llm', quantized, 'serve')['bits']} bits, by vram<=8GB")

    print("\nlook at")
    print(f"  {airflow.url}/assets")
    print(f"  {airflow.url}{approval}/required_actions")
    print(f"  {airflow.url}/dags/train_churn/runs/{run}/tasks/fit")
    print(f"  {airflow.url}/dags/release_churn/runs/{released['dag_run_id']}/tasks/to_staging")
    print(f"  http://{packed['registry']}/v2/{packed['repository']}/tags/list", flush=True)


def wait() -> None:
    """Until Ctrl-C."""
    try:
        signal.pause()
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    main()
