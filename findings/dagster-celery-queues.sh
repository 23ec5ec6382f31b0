#!/usr/bin/env bash
# Software:  dagster-celery 0.29.27 with celery 5.6.3 (PyPI), on Celery's broker in memory.
# Guessed:   `dagster-celery worker start -q train -q pack` listens on both queues: its help says to give -q once for each.
# Seen:      it listens on the last one only, and says nothing; steps for the other wait for ever. It hands -Q to Celery once
#            for each, which keeps the last. `-q train,pack` listens on both.
# Seen when run:
#   -q train -q pack: pack
#   -q train,pack: pack train
# Needs bash and Python 3.10 to 3.13. Exit 0: as stated; 1: changed.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check dagster-celery==0.29.27 dagster==1.13.27 celery==5.6.3
export PATH="$work/venv/bin:$PATH" DAGSTER_HOME="$work" DAGSTER_DISABLE_TELEMETRY=yes
cd "$work"
touch dagster.yaml
cat >celery.yaml <<'EOF'
execution:
  config: {broker: "memory://", backend: "cache+memory://"}
EOF

queues() { # what a worker says that it listens on
    timeout -k 5 25 dagster-celery worker start -A dagster_celery.app -y celery.yaml "$@" >log 2>&1 || true
    sed -n 's/^ *\.> \([a-z]*\) *exchange=.*/\1/p; s/.*\[queues\].*//p' log | sort | xargs
}

{
    echo "-q train -q pack: $(queues -q train -q pack)"
    echo "-q train,pack: $(queues -q train,pack)"
} | tee out
diff out - <<'EOF'
-q train -q pack: pack
-q train,pack: pack train
EOF
