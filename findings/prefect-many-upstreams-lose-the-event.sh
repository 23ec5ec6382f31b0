#!/usr/bin/env bash
# Software:  Prefect 3.9.1.
# Guessed:   an asset that is materialized from very many others has them all in its event, or the task fails.
# Seen:      an event takes 100 related resources, and flow run, task run and flow are among them and come last. With 98
#            upstream assets the event says nothing of the flow, with 100 nothing of any run; with 101 it does not come
#            at all. The task is completed each time, and nothing but the log says that an asset was made unseen.
# Seen when run:
#   97 upstream: task Completed, event with 97 assets and flow-run, task-run, flow
#   98 upstream: task Completed, event with 98 assets and flow-run, task-run
#   100 upstream: task Completed, event with 100 assets and nothing
#   101 upstream: task Completed, no event
# Needs bash and Python 3.10 or newer. Exit 0: as stated; 1: changed.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check prefect==3.9.1
cd "$work"
export PREFECT_HOME="$work/home" PREFECT_SERVER_ANALYTICS_ENABLED=false DO_NOT_TRACK=1
export PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS=240
venv/bin/python - > seen 2> log <<'PYTHON'
import time

from prefect import flow
from prefect.assets import materialize
from prefect.client.orchestration import get_client
from prefect.events.worker import EventsWorker


def events(key, seconds):
    deadline = time.monotonic() + seconds
    while True:
        with get_client(sync_client=True) as client:
            query = {"filter": {"resource": {"id": [key]}, "event": {"prefix": ["prefect.asset.materialization."]}}}
            found = client.request("POST", "/events/filter", json=query).json()["events"]
        if found or time.monotonic() > deadline:
            return found
        time.sleep(0.5)


@flow
def main():
    for count in (97, 98, 100, 101):
        key = f"s3://lake/of-{count}"

        @materialize(key, asset_deps=[f"s3://lake/part-{index:03}" for index in range(count)])
        def make():
            return None

        state = make(return_state=True)
        EventsWorker.instance().wait_until_empty()
        found = events(key, 60 if count <= 100 else 15)
        roles = [item["prefect.resource.role"] for item in found[0]["related"]] if found else []
        run = ", ".join(role for role in ("flow-run", "task-run", "flow") if role in roles) or "nothing"
        said = f"event with {roles.count('asset')} assets and {run}" if found else "no event"
        print(f"{count} upstream: task {state.name}, {said}", flush=True)


main()
PYTHON
cat seen
[[ $(cat seen) == "97 upstream: task Completed, event with 97 assets and flow-run, task-run, flow
98 upstream: task Completed, event with 98 assets and flow-run, task-run
100 upstream: task Completed, event with 100 assets and nothing
101 upstream: task Completed, no event" ]] || { echo "changed"; exit 1; }
