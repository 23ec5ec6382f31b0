#!/usr/bin/env bash
# Software:  Apache Airflow 3.3.2 (PyPI), run with dag.test() on SQLite.
# Guessed:   an asset that a task adds to an alias keeps its group; what a task writes into an event's extra comes out of
#            it, or the task fails where it wrote it; a figure that is no number in a template field is told of by the task.
# Seen:      - the asset gets the group "asset", whatever its own is, until a DAG file names it.
#            - NaN in an event's extra is null for who reads it, and the task succeeds.
#            - numpy's float32 in an event's extra is told of in the log after the body has ended, and there is no event; the
#              task is a success for dag.test() all the same.
#            - NaN in a template field fails the task before its body begins, with "Out of range float values are not JSON
#              compliant" and no word of which field it is.
# Seen when run:
#   group of an asset made through an alias: asset
#   NaN in an extra: task success, extra {'loss': None}
#   float32 in an extra: task success, events [], body ended: yes
#   NaN in a template field: body began: no, Out of range float values: yes
# Needs bash and Python 3.10 to 3.13. Exit 0: as stated; 1: changed.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check apache-airflow==3.3.2 apache-airflow-providers-standard==1.21.0 numpy==2.2.6
export AIRFLOW_HOME="$work/home" AIRFLOW__CORE__LOAD_EXAMPLES=False AIRFLOW__LOGGING__LOGGING_LEVEL=ERROR HOME="$work/home"
export AIRFLOW__CORE__DAGS_FOLDER="$work/dags" AIRFLOW__API_AUTH__JWT_SECRET=for-this-script-only-for-this-script-only-for-this-script-only-
export AIRFLOW__USAGE_DATA_COLLECTION__ENABLED=False
mkdir -p "$work/dags" "$work/home"
"$work/venv/bin/airflow" db migrate >"$work/migrate.log" 2>&1

cat >"$work/dags/events.py" <<'EOF'
import numpy
from airflow.sdk import DAG, Asset, AssetAlias, BaseOperator, task

number, single = Asset("x://number"), Asset("x://single")


class Templated(BaseOperator):
    template_fields = ("figures",)

    def __init__(self, figures, **kwargs):
        super().__init__(**kwargs)
        self.figures = figures

    def execute(self, context):
        print("BODY began")


with DAG("alias", schedule=None) as alias:

    @task(outlets=[AssetAlias("kits")])
    def add(outlet_events):
        outlet_events[AssetAlias("kits")].add(Asset(name="made", uri="x://made", group="mine"))

    add()

with DAG("nan", schedule=None) as nan:

    @task(outlets=[number])
    def write(outlet_events):
        outlet_events[number].extra["loss"] = float("nan")

    write()

with DAG("float32", schedule=None) as float32:

    @task(outlets=[single])
    def write32(outlet_events):
        outlet_events[single].extra["loss"] = numpy.float32(0.5)
        print("BODY ended")

    write32()

with DAG("template", schedule=None) as template:
    Templated(task_id="figures", figures={"loss": float("nan")})
EOF
cat >"$work/run.py" <<'EOF'
import sys
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
from airflow.models.asset import AssetEvent, AssetModel
from airflow.utils.session import create_session
from sqlalchemy import select

DagBundlesManager().sync_bundles_to_db()
bag = DagBag(sys.argv[1])
sync_bag_to_db(bag, "dags-folder", None)
name = sys.argv[2]
run = bag.dags[name].test()
(ti,) = run.get_task_instances()
with create_session() as session:
    if name == "alias":
        print("FOUND", session.scalar(select(AssetModel.group).where(AssetModel.name == "made")))
    else:
        query = select(AssetEvent).where(AssetEvent.source_dag_id == name)
        print("FOUND", ti.state, [event.extra for event in session.scalars(query)])
EOF
run() { timeout 90 "$work/venv/bin/python" "$work/run.py" "$work/dags" "$1" >"$work/$1.log" 2>&1 || true; }
has() { if grep -q "$2" "$work/$1.log"; then echo yes; else echo no; fi; }
for name in alias nan float32 template; do run "$name"; done

alias=$(sed -n 's/^FOUND //p' "$work/alias.log")
nan=$(sed -n 's/^FOUND \(.*\) \[\(.*\)\]$/task \1, extra \2/p' "$work/nan.log")
float32=$(sed -n 's/^FOUND \(.*\) \(.*\)$/task \1, events \2/p' "$work/float32.log")
{
    echo "group of an asset made through an alias: $alias"
    echo "NaN in an extra: $nan"
    echo "float32 in an extra: $float32, body ended: $(has float32 'BODY ended')"
    echo "NaN in a template field: body began: $(has template 'BODY began'), Out of range float values: $(has template 'Out of range float values')"
} | tee "$work/said"
diff "$work/said" - <<'EOF' || { tail -n 5 "$work"/*.log; echo changed; exit 1; }
group of an asset made through an alias: asset
NaN in an extra: task success, extra {'loss': None}
float32 in an extra: task success, events [], body ended: yes
NaN in a template field: body began: no, Out of range float values: yes
EOF
