#!/usr/bin/env bash
# Software:  Prefect 3.9.1.
# Guessed:   cache_policy=NO_CACHE says that no run takes the result of another, and persist_result=True that results are
#            stored: one does not exclude the other.
# Seen:      with both nothing is stored, and no warning says so: a result is written under its cache key, and NO_CACHE
#            gives none. Whoever reads the result later, from a suspended run or another process, finds it missing. A
#            policy of one's own that gives each task run a key of its own stores results and never takes one.
# Seen when run:
#   no policy: 1 stored
#   NO_CACHE: 0 stored
#   a key for each run: 2 stored in 2 runs
#   warnings: 0
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
from pathlib import Path

from prefect import flow, task
from prefect.cache_policies import NO_CACHE, CachePolicy


class OwnKey(CachePolicy):
    def compute_key(self, task_ctx, inputs, flow_parameters, **kwargs):
        return f"of-{task_ctx.task_run.id}"


@task(persist_result=True)
def usual():
    return 1


@task(persist_result=True, cache_policy=NO_CACHE)
def not_cached():
    return 1


@task(persist_result=True, cache_policy=OwnKey())
def own_key():
    return 1


def stored(*states):
    return sum(Path(state.data.metadata.storage_key or "nowhere").exists() for state in states)


@flow
def main():
    print("no policy:", stored(usual(return_state=True)), "stored")
    print("NO_CACHE:", stored(not_cached(return_state=True)), "stored")
    print("a key for each run:", stored(own_key(return_state=True), own_key(return_state=True)), "stored in 2 runs")


main()
PYTHON
echo "warnings: $(grep -c WARNING log || true)" >> seen
cat seen
[[ $(cat seen) == $'no policy: 1 stored\nNO_CACHE: 0 stored\na key for each run: 2 stored in 2 runs\nwarnings: 0' ]] || { echo "changed"; exit 1; }
