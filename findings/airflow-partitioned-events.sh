#!/usr/bin/env bash
# Software:  Apache Airflow 3.3.2 (PyPI), run with dag.test() on SQLite.
# Guessed:   a DAG that is scheduled on an asset runs after each event of the asset, and one whose events are of partitions
#            (as those of a run with CronPartitionTimetable, or by add_partitions) after these too; a task reads with
#            inlet_events, in a run of a partition, the events of this partition.
# Seen:      - an event with a partition key queues no run of a DAG with schedule=asset, and no log says so: who gives the
#              training DAG a partitioned timetable stops all DAGs that wait for what it makes.
#            - an event without a key queues no run of a DAG with PartitionedAssetTimetable(assets=asset).
#            - inlet_events has the events of all partitions, the newest last.
# Seen when run:
#   plain event: queued for schedule=asset 1, for PartitionedAssetTimetable 0
#   event with the key eu: queued for schedule=asset 0, for PartitionedAssetTimetable 1
#   inlet_events: [None, 'eu']
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
"$work/venv/bin/airflow" db migrate >"$work/migrate.log" 2>&1

cat >"$work/dags/partitions.py" <<'EOF'
from airflow.sdk import DAG, Asset, PartitionedAssetTimetable, task

made = Asset("x://made")

for name, keys in (("plain", []), ("keyed", ["eu"])):
    with DAG(name, schedule=None):

        @task(outlets=[made])
        def make(keys, outlet_events):
            if keys:
                outlet_events[made].add_partitions(keys)

        make(keys)

with DAG("waits", schedule=made):
    task(lambda: 1, task_id="one")()

with DAG("waits_for_partitions", schedule=PartitionedAssetTimetable(assets=made)):
    task(lambda: 1, task_id="one")()

with DAG("reads", schedule=None):

    @task(inlets=[made])
    def read(inlet_events):
        print("FOUND inlet_events:", [event.partition_key for event in inlet_events[made]])

    read()
EOF
cat >"$work/run.py" <<'EOF'
import sys
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
from airflow.models.asset import AssetDagRunQueue, AssetPartitionDagRun
from airflow.utils.session import create_session
from sqlalchemy import func, select

DagBundlesManager().sync_bundles_to_db()
bag = DagBag(sys.argv[1])
sync_bag_to_db(bag, "dags-folder", None)


def queued():
    with create_session() as session:
        return [session.scalar(select(func.count()).select_from(table)) for table in (AssetDagRunQueue, AssetPartitionDagRun)]


for name, said in (("plain", "plain event"), ("keyed", "event with the key eu")):
    before = queued()
    bag.dags[name].test()
    asset, partition = (now - then for now, then in zip(queued(), before))
    print(f"FOUND {said}: queued for schedule=asset {asset}, for PartitionedAssetTimetable {partition}")
    with create_session() as session:
        session.query(AssetDagRunQueue).delete()
bag.dags["reads"].test()
EOF
timeout 180 "$work/venv/bin/python" "$work/run.py" "$work/dags" >"$work/run.log" 2>&1 || true
grep -o 'FOUND .*' "$work/run.log" | sed 's/^FOUND //' | tee "$work/said"
diff "$work/said" - <<'EOF' || { tail -n 20 "$work/run.log"; echo changed; exit 1; }
plain event: queued for schedule=asset 1, for PartitionedAssetTimetable 0
event with the key eu: queued for schedule=asset 0, for PartitionedAssetTimetable 1
inlet_events: [None, 'eu']
EOF
