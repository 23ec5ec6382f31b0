#!/usr/bin/env bash
# Software:  dagster-postgres 0.29.27 with what pip brings for it: dagster 1.13.27, psycopg2-binary 2.9.13, SQLAlchemy 2.1.9
#            (PyPI).
# Guessed:   storage at postgres_url: postgresql://…, as Dagster's documentation writes it, is opened with the driver that
#            dagster-postgres requires, psycopg2.
# Seen:      SQLAlchemy 2.1 takes psycopg 3 for such a URL, which nothing installs: no Dagster process starts. The URL that
#            names its driver, postgresql+psycopg2://…, is opened. (No server is needed to see it.)
# Seen when run:
#   postgresql: ModuleNotFoundError No module named 'psycopg'
#   postgresql+psycopg2: psycopg2
# Needs bash and Python 3.10 to 3.13. Exit 0: as stated; 1: changed.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check dagster-postgres==0.29.27 dagster==1.13.27 sqlalchemy==2.1.9 psycopg2-binary==2.9.13

"$work/venv/bin/python" - >"$work/out" <<'EOF'
from dagster_postgres.utils import create_pg_engine

for scheme in ("postgresql", "postgresql+psycopg2"):
    try:
        print(f"{scheme}: {create_pg_engine(f'{scheme}://dagster@127.0.0.1/dagster').driver}")
    except ModuleNotFoundError as error:
        print(f"{scheme}: {type(error).__name__} {error}")
EOF
cat "$work/out"
diff "$work/out" - <<'EOF'
postgresql: ModuleNotFoundError No module named 'psycopg'
postgresql+psycopg2: psycopg2
EOF
