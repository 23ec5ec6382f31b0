#!/usr/bin/env bash
# Software:  Apache Airflow 3.3.2 (PyPI): api-server and scheduler on SQLite, without a triggerer.
# Guessed:   a task of ApprovalOperator that is cleared asks its question as the templates of subject and body are now, as
#            every task that is cleared is rendered anew; `clear` on what comes before and on the approval asks about what
#            came before the second time.
# Seen:      it asks the first question again, in the page, over REST and to whoever answers: the row of the question belongs
#            to the task instance, moves along to its next try, and only the answer is removed from it. What the task
#            rendered this time is seen nowhere but in its rendered fields, and the task after it reads the new values: a
#            person says yes to one thing, and another is done.
# Seen when run:
#   first try:  plan 1, rendered 'do plan 1?', asked 'do plan 1?'
#   cleared:    plan 2, rendered 'do plan 2?', asked 'do plan 1?'
#   approved:   done 2
# Needs bash and Python 3.10 to 3.13. Exit 0: as stated; 1: changed.
set -euo pipefail

work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; wait 2>/dev/null || true; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check apache-airflow==3.3.2 apache-airflow-providers-standard==1.21.0
port=$("$work/venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
logs=$("$work/venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export PATH="$work/venv/bin:$PATH" HOME="$work/home" AIRFLOW_HOME="$work/home" AIRFLOW__CORE__DAGS_FOLDER="$work/dags"
export AIRFLOW__CORE__LOAD_EXAMPLES=False AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION=False AIRFLOW__CORE__PARALLELISM=2
export AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS=True AIRFLOW__USAGE_DATA_COLLECTION__ENABLED=False
export AIRFLOW__CORE__EXECUTION_API_SERVER_URL="http://127.0.0.1:$port/execution/" AIRFLOW__API__BASE_URL="http://127.0.0.1:$port"
export AIRFLOW__API__HOST=127.0.0.1 AIRFLOW__API__PORT="$port" AIRFLOW__API__WORKERS=1 AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT="$logs"
export AIRFLOW__API_AUTH__JWT_SECRET=for-this-script-only-for-this-script-only-for-this-script-only-
mkdir -p "$work/dags" "$work/home"

cat >"$work/dags/release.py" <<'PY'
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, task

with DAG("release", schedule=None):

    @task
    def plan(ti):
        return ti.try_number

    approve = ApprovalOperator(task_id="approve", subject="do plan {{ ti.xcom_pull(task_ids='plan') }}?")

    @task
    def do(ti):
        return ti.xcom_pull(task_ids="plan")

    plan() >> approve >> do()
PY
cat >"$work/drive.py" <<'PY'
import json
import os
import sys
import time
import urllib.error
import urllib.request

base = os.environ["AIRFLOW__API__BASE_URL"]
token = ""


def call(method, path, body=None):
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(base + path, data, headers, method=method), timeout=60) as answer:
        return json.loads(answer.read() or "null")


def until(look):
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        try:
            if found := look():
                return found
        except (OSError, KeyError):  # not up yet, or not there yet
            pass
        time.sleep(0.5)
    sys.exit("waited in vain")


token = until(lambda: call("GET", "/auth/token")["access_token"])
run = until(lambda: call("POST", "/api/v2/dags/release/dagRuns", {"logical_date": None})["dag_run_id"])
at = f"/api/v2/dags/release/dagRuns/{run}"


def asked(times):
    task = call("GET", f"{at}/taskInstances/approve")
    if task["state"] != "awaiting_input" or task["try_number"] != times:
        return None
    planned = call("GET", f"{at}/taskInstances/plan/xcomEntries/return_value")["value"]
    subject = call("GET", f"{at}/taskInstances/approve/-1/hitlDetails")["subject"]
    return f"plan {planned}, rendered '{task['rendered_fields']['subject']}', asked '{subject}'"


print("FOUND first try: ", until(lambda: asked(1)))
time.sleep(5)  # until the scheduler noted that it waits
again = {"dry_run": False, "dag_run_id": run, "task_ids": ["plan", "approve", "do"], "only_failed": False}
call("POST", "/api/v2/dags/release/clearTaskInstances", again)
print("FOUND cleared:   ", until(lambda: asked(2)))
time.sleep(5)
call("PATCH", f"{at}/taskInstances/approve/-1/hitlDetails", {"chosen_options": ["Approve"], "params_input": {}})
until(lambda: call("GET", at)["state"] == "success")
print("FOUND approved:   done", call("GET", f"{at}/taskInstances/do/xcomEntries/return_value")["value"])
PY
airflow db migrate >"$work/migrate.log" 2>&1
airflow api-server >"$work/api-server.log" 2>&1 &
airflow dags reserialize >"$work/reserialize.log" 2>&1
airflow scheduler >"$work/scheduler.log" 2>&1 &
timeout 600 python "$work/drive.py" >"$work/run.log" 2>&1 || true
grep -o 'FOUND .*' "$work/run.log" | sed 's/^FOUND //' | tee "$work/said"
diff "$work/said" - <<'OUT' || { tail -n 20 "$work/run.log" "$work/scheduler.log"; echo changed; exit 1; }
first try:  plan 1, rendered 'do plan 1?', asked 'do plan 1?'
cleared:    plan 2, rendered 'do plan 2?', asked 'do plan 1?'
approved:   done 2
OUT
