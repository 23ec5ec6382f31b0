#!/usr/bin/env bash
# Software:  Prefect 3.9.1, its server on SQLite, a served deployment with concurrency_limit=1.
# Guessed:   a limit of 1 means that never two runs of the deployment are under way: one that waits for a person in
#            pause_flow_run keeps its slot, or gets one when it goes on.
# Seen:      a run that is paused gives its slot away at once, though its process lives on, and the next run begins. A
#            paused run that is resumed goes straight to Running and asks for no slot: both run at one time, and nothing
#            says so. (One that was suspended is scheduled anew and waits for a slot.) What must not run twice at a time
#            needs a lock of its own around just that.
# Seen when run:
#   the first is Paused, the second Running
#   after the first was resumed: Running and Running, with a limit of 1
# Needs bash and Python 3.10 or newer. Exit 0: as stated; 1: changed.
set -euo pipefail

work=$(mktemp -d)
pids=()
cleanup() {
    for pid in "${pids[@]}"; do kill -- "-$pid" 2>/dev/null || true; done
    sleep 2
    for pid in "${pids[@]}"; do kill -9 -- "-$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap cleanup EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check prefect==3.9.1
cd "$work"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export PREFECT_HOME="$work/home" PREFECT_SERVER_ANALYTICS_ENABLED=false DO_NOT_TRACK=1 PREFECT_RUNNER_POLL_FREQUENCY=1
PREFECT_API_URL="" setsid venv/bin/prefect server start --host 127.0.0.1 --port "$port" >server.log 2>&1 &
pids+=($!)
export PREFECT_API_URL="http://127.0.0.1:$port/api"
for _ in $(seq 240); do
    if curl -sf "$PREFECT_API_URL/health" >/dev/null; then break; fi
    sleep 1
done
cat >serve.py <<'PYTHON'
import time

from prefect import flow
from prefect.flow_runs import pause_flow_run


@flow
def slow(asks: bool):
    if asks:
        pause_flow_run(timeout=600)
    time.sleep(600)


slow.serve("limited", concurrency_limit=1, pause_on_shutdown=False)
PYTHON
setsid venv/bin/python serve.py >serve.log 2>&1 &
pids+=($!)
cat >look.py <<'PYTHON'
import time

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound

with get_client(sync_client=True) as api:

    def until(found, seconds=240):
        for _ in range(seconds):
            if (value := found()) is not None:
                return value
            time.sleep(1)
        raise SystemExit("waited in vain")

    def deployment():
        try:
            return api.read_deployment_by_name("slow/limited")
        except ObjectNotFound:
            return None

    def state(run):
        return api.read_flow_run(run.id).state.name

    there = until(deployment)
    first = api.create_flow_run_from_deployment(there.id, parameters={"asks": True})
    until(lambda: True if state(first) == "Paused" else None)
    second = api.create_flow_run_from_deployment(there.id, parameters={"asks": False})
    until(lambda: True if state(second) == "Running" else None)
    print(f"the first is {state(first)}, the second {state(second)}", flush=True)
    api.resume_flow_run(first.id)
    time.sleep(15)  # long enough for the paused process to see it
    limit = api.read_deployment(there.id).global_concurrency_limit.limit
    print(f"after the first was resumed: {state(first)} and {state(second)}, with a limit of {limit}", flush=True)
PYTHON
venv/bin/python look.py 2>look.log | tee said
diff said - <<'EXPECTED' || { tail -n 20 look.log serve.log; echo changed; exit 1; }
the first is Paused, the second Running
after the first was resumed: Running and Running, with a limit of 1
EXPECTED
