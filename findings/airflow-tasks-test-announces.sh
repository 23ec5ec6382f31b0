#!/usr/bin/env bash
# Software:  Apache Airflow 3.3.2 (PyPI), on SQLite.
# Guessed:   `airflow tasks test` tries one task and nothing else: it "will run a task without checking for dependencies or
#            recording its state in the database", as its help says, and so it does: no run and no task are left.
# Seen:      the events of the task's outlets are left, and queue a run of each DAG that waits for them: what tries a
#            training task starts the release of what it made.
# Seen when run:
#   left by the test: runs 0, tasks 0
#   events of the asset: 1, from a run __airflow_temporary_run_
#   queued for it: waits
# Needs bash and Python 3.10 to 3.13. Exit 0: as stated; 1: changed.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check apache-airflow==3.3.2 apache-airflow-providers-standard==1.21.0
export AIRFLOW_HOME="$work/home" AIRFLOW__CORE__LOAD_EXAMPLES=False AIRFLOW__LOGGING__LOGGING_LEVEL=ERROR HOME="$work/home"
export AIRFLOW__CORE__DAGS_FOLDER="$work/dags" AIRFLOW__API_AUTH__JWT_SECRET=for-this-script-only-for-this-script-only-for-this-script-only-
export AIRFLOW__USAGE_DATA_COLLECTION__ENABLED=False AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION=False
mkdir -p "$work/dags" "$work/home"
cat >"$work/dags/tried.py" <<'EOF'
from airflow.sdk import DAG, Asset, task

made = Asset("x://made")

with DAG("makes", schedule=None):
    task(lambda: 1, task_id="make", outlets=[made])()

with DAG("waits", schedule=made):
    task(lambda: 1, task_id="release")()
EOF
for command in "db migrate" "dags reserialize" "tasks test makes make"; do
    # shellcheck disable=SC2086
    timeout 180 "$work/venv/bin/airflow" $command >>"$work/run.log" 2>&1 || true
done
"$work/venv/bin/python" - "$work/home/airflow.db" <<'EOF' | tee "$work/said"
import sqlite3
import sys

database = sqlite3.connect(sys.argv[1])


def rows(query):
    return [row[0] for row in database.execute(query)]


counts = [rows(f"select count(*) from {table}")[0] for table in ("dag_run", "task_instance")]
print("left by the test: runs {}, tasks {}".format(*counts))
events = rows("select source_run_id from asset_event")
print(f"events of the asset: {len(events)}, from a run {events[0][:24] if events else ''}")
print("queued for it:", *rows("select target_dag_id from asset_dag_run_queue"))
EOF
diff "$work/said" - <<'EOF' || { tail -n 20 "$work/run.log"; echo changed; exit 1; }
left by the test: runs 0, tasks 0
events of the asset: 1, from a run __airflow_temporary_run_
queued for it: waits
EOF
