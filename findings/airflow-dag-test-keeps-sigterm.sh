#!/usr/bin/env bash
# Software:  Apache Airflow 3.3.2 (PyPI), run with dag.test() on SQLite. 3.1.8 and 3.2 have the same line.
# Guessed:   a program that ran a DAG with dag.test() is as before: what ends it with SIGTERM (timeout, a CI job that was
#            cancelled, a pod's end) ends it.
# Seen:      each task sets a handler of SIGTERM that calls the task's on_kill and returns, and nobody sets the old one back.
#            From then on SIGTERM does nothing to the program, also long after the run: whoever waits for it to end, and
#            has ended what it needs (a database, a registry), waits in vain. A handler of one's own is lost too.
# Seen when run:
#   before dag.test(): the default
#   after dag.test(): run success, handler _on_term
#   after SIGTERM: still running
#   with the old handler set back: ended by signal 15
# Needs bash and Python 3.10 to 3.13. Exit 0: as stated; 1: changed.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check apache-airflow==3.3.2 apache-airflow-providers-standard==1.21.0
export AIRFLOW_HOME="$work/home" AIRFLOW__CORE__LOAD_EXAMPLES=False AIRFLOW__LOGGING__LOGGING_LEVEL=ERROR HOME="$work/home"
export AIRFLOW__CORE__DAGS_FOLDER="$work/dags" AIRFLOW__API_AUTH__JWT_SECRET=for-this-script-only-for-this-script-only-for-this-script-only-
export AIRFLOW__USAGE_DATA_COLLECTION__ENABLED=False
mkdir -p "$work/dags" "$work/home"
"$work/venv/bin/airflow" db migrate >"$work/migrate.log" 2>&1

cat >"$work/dags/one.py" <<'PYTHON'
from airflow.sdk import DAG, task

with DAG("one", schedule=None) as dag:

    @task
    def work():
        return 1

    work()
PYTHON
cat >"$work/run.py" <<'PYTHON'
import os
import signal
import sys
import time

from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db


def say(*words):
    print("FOUND", *words, flush=True)


before = signal.getsignal(signal.SIGTERM)
say("before dag.test():", "the default" if before is signal.SIG_DFL else before)
DagBundlesManager().sync_bundles_to_db()
bag = DagBag(sys.argv[1])
sync_bag_to_db(bag, "dags-folder", None)
run = bag.dags["one"].test()
after = signal.getsignal(signal.SIGTERM)
say("after dag.test(): run", f"{run.state},", "handler", getattr(after, "__name__", after))
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(1)
say("after SIGTERM: still running")
signal.signal(signal.SIGTERM, before)
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(5)
say("with the old handler set back: still running")
PYTHON
ended=0
timeout -k 5 120 "$work/venv/bin/python" "$work/run.py" "$work/dags" >"$work/run.log" 2>&1 || ended=$?
{
    sed -n 's/^FOUND //p' "$work/run.log"
    if [ "$ended" -gt 128 ]; then echo "with the old handler set back: ended by signal $((ended - 128))"; fi
} | tee "$work/said"
diff "$work/said" - <<'EXPECTED' || { tail -n 20 "$work/run.log"; echo changed; exit 1; }
before dag.test(): the default
after dag.test(): run success, handler _on_term
after SIGTERM: still running
with the old handler set back: ended by signal 15
EXPECTED
