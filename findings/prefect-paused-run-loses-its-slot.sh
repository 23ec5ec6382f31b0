#!/usr/bin/env bash
# Software:  Prefect 3.9.1: a server on SQLite, one process that serves two deployments.
# Guessed:   a run that pauses for a person (pause_flow_run) waits for as long as its timeout says, whether its deployment
#            has a concurrency limit or not.
# Seen:      the server takes the slot of a run that pauses, and its lease; the run's process knows nothing of that, renews the
#            lease every 225 seconds, is told that there is none, and ends the run as crashed. Who answers after four minutes
#            answers nobody. A run that is suspended has no process, and a new slot when it goes on.
# Seen when run:
#   slots taken while the run of the limited one is paused: 0
#   free: Paused
#   limited: Crashed
#   Concurrency lease renewal failed - slots are no longer reserved. Terminating execution
# Needs bash and Python 3.10 or newer; takes six minutes. Exit 0: as stated; 1: changed.
set -euo pipefail

work=$(mktemp -d)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check prefect==3.9.1
cd "$work"
export PREFECT_HOME="$work/home" PREFECT_SERVER_ANALYTICS_ENABLED=false DO_NOT_TRACK=1 PREFECT_RUNNER_POLL_FREQUENCY=2
venv/bin/prefect server start --host 127.0.0.1 --port "$port" > server.log 2>&1 &
server=$!
served=
trap 'kill $served $server 2>/dev/null || true; wait $served $server 2>/dev/null || true; rm -rf "$work"' EXIT
export PREFECT_API_URL="http://127.0.0.1:$port/api"
for _ in $(seq 120); do
    if python3 -c "import urllib.request; urllib.request.urlopen('$PREFECT_API_URL/health')" 2>/dev/null; then break; fi
    sleep 1
done
cat > flows.py <<'PYTHON'
from prefect import flow, pause_flow_run, serve


@flow
def asks():
    pause_flow_run(timeout=3600)


if __name__ == "__main__":
    serve(asks.to_deployment("limited", concurrency_limit=1), asks.to_deployment("free"), pause_on_shutdown=False)
PYTHON
venv/bin/python flows.py > served.log 2>&1 &
served=$!
venv/bin/python - > seen 2> log <<'PYTHON'
import time

from prefect.client.orchestration import get_client


def until(condition, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if found := condition():
                return found
        except Exception:
            pass
        time.sleep(1)
    return None


with get_client(sync_client=True) as client:
    names = ("free", "limited")
    found = {name: until(lambda: client.read_deployment_by_name(f"asks/{name}"), 120).id for name in names}
    runs = {name: client.create_flow_run_from_deployment(found[name]).id for name in names}
    for name in names:
        until(lambda: client.read_flow_run(runs[name]).state.is_paused(), 120)
    slots = client.read_deployment(found["limited"]).global_concurrency_limit.active_slots
    print(f"slots taken while the run of the limited one is paused: {slots}", flush=True)
    until(lambda: client.read_flow_run(runs["limited"]).state.is_final(), 300)
    for name in names:
        print(f"{name}: {client.read_flow_run(runs[name]).state.name}", flush=True)
PYTHON
cat seen
grep -o "Concurrency lease renewal failed - slots are no longer reserved. Terminating execution" served.log | sort -u
diff seen - <<'EOF' || { tail -n 20 log served.log; echo changed; exit 1; }
slots taken while the run of the limited one is paused: 0
free: Paused
limited: Crashed
EOF
