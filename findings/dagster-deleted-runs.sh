#!/usr/bin/env bash
# Software:  Dagster 1.13.27.
# Guessed:   deleting an old run is housekeeping: what its assets are, and which version is the latest, stays.
# Seen:      the run's materialization events go with it. What fetch_materializations gives as the latest is then an older
#            one, while get_latest_materialization_event still gives the one that was deleted; of partitions only the one
#            that was materialized last is left there, and the others count as never materialized.
# Seen when run:
#   fetched: v1
#   latest: v2
#   partitions: []
#   latest partition: us
# Needs bash and Python 3.10 or newer. Exit 0: as stated; 1: changed.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check dagster==1.13.27
cd "$work"
mkdir home
echo 'telemetry: {enabled: false}' > home/dagster.yaml
export DAGSTER_HOME="$work/home"
venv/bin/python - > seen 2> log <<'PYTHON'
import dagster as dg

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
version = "v1"


@dg.asset
def model():
    return dg.MaterializeResult(data_version=dg.DataVersion(version))


@dg.asset(partitions_def=dg.StaticPartitionsDefinition(["eu", "us"]))
def regional(): ...


def version_of(materialization):
    return materialization.tags["dagster/data_version"]


with dg.DagsterInstance.get() as instance:
    dg.materialize([model], instance=instance, run_config=QUIET)
    version = "v2"
    instance.delete_run(dg.materialize([model], instance=instance, run_config=QUIET).run_id)
    for key in ("eu", "us"):
        run = dg.materialize([regional], instance=instance, partition_key=key, run_config=QUIET)
        instance.delete_run(run.run_id)
    fetched = instance.fetch_materializations(model.key, limit=1).records[0]
    print("fetched:", version_of(fetched.asset_materialization))
    print("latest:", version_of(instance.get_latest_materialization_event(model.key).asset_materialization))
    print("partitions:", sorted(instance.get_materialized_partitions(regional.key)))
    last = instance.get_latest_materialization_event(regional.key).asset_materialization
    print("latest partition:", last.partition)
PYTHON
cat seen
[[ $(cat seen) == $'fetched: v1\nlatest: v2\npartitions: []\nlatest partition: us' ]] || { cat log; echo "changed"; exit 1; }
