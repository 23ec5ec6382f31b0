"""The DAG that the README shows."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[4] / "tests"))

from readme import snippet

exec(compile(snippet("airflow"), __file__, "exec"))
