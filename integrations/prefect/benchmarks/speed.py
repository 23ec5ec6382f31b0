"""How long Prefect's users wait: mapped packing beside waiting, and a promotion on an event beside a plain flow on one.

Both on a real server. Prints four figures: seconds of mapped packing and of plain tasks, of a push to the moved tag and
of an event to a plain flow's body.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "demo"))
sys.path.append(str(Path(__file__).parents[3] / "tests" / "support"))
sys.path.append(str(Path(__file__).parents[3]))

from live import Live, live_prefect
from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound
from registry_fixture import serve_registry

import kitops_core as kitops
from benchmarks.link_proxy import slow_link

HERE = Path(__file__).parent
POLICY = "kit: {kit}\nchannels:\n  dev: {{}}\n  staging: {{from: dev}}\n"
WAIT_SECONDS = 120


def mapped(live: Live, registry: str, root: Path, count: int) -> tuple[float, float]:
    """Seconds that ``count`` models take by ``.map`` over a slow link, and that as many waiting tasks take."""
    with slow_link(registry) as link:
        printed = live.run(HERE / "mapped.py", f"{link}/bench/mapped", str(root / "models"), str(count))
    _, waited, packed = map(float, printed.split()[-3:])
    return packed, waited


def answered(live: Live, registry: str, root: Path, rounds: int) -> tuple[float, float]:
    """Seconds from a push to the moved tag, and from an event to a plain flow's body; medians."""
    kit = f"{registry}/bench/answered"
    (root / "source").mkdir()
    policy, answer = root / "promotion.yaml", root / "answer"
    policy.write_text(POLICY.format(kit=kit))
    environment = {"BENCH_KIT": kit, "BENCH_POLICY": str(policy), "BENCH_ANSWER": str(answer)}
    environment["BENCH_SOURCE"] = str(root / "source")
    live.start("answering", sys.executable, str(HERE / "answering.py"), **environment)
    with SyncPrefectClient(live.url) as api:
        until(lambda: served(api, "modelkit-promotion/on-push") and served(api, "plain/on-event"))

    def moved() -> str:
        try:
            with kitops.open(f"{kit}:staging", where="registry") as found:
                return found.digest
        except kitops.NotFoundError:
            return ""

    promotions, plain = [], []
    for number in range(rounds + 1):  # the first of each is not counted: it is also the event service's first
        before = moved()
        asked = float(live.run(HERE / "asking.py", "push", str(number), **environment).split()[-1])
        until(lambda before=before: moved() != before)
        promotions.append(time.time() - asked)
        answer.unlink(missing_ok=True)
        asked = float(live.run(HERE / "asking.py", "event", **environment).split()[-1])
        until(lambda: answer.exists() and answer.read_text())
        plain.append(float(answer.read_text()) - asked)
    return statistics.median(promotions[1:]), statistics.median(plain[1:])


def served(api: SyncPrefectClient, name: str) -> bool:
    """Whether a deployment is there."""
    try:
        return api.read_deployment_by_name(name) is not None
    except ObjectNotFound:
        return False


def until(condition: Callable[[], object]) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError("nothing happened in time")
        time.sleep(0.05)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="events that are measured")
    parser.add_argument("--models", type=int, default=20, help="models that are mapped")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, serve_registry() as served_registry:
        root = Path(directory)
        with live_prefect(root / "server") as live:
            figures = (
                *mapped(live, served_registry.address, root, given.models),
                *answered(live, served_registry.address, root, given.rounds),
            )
    print(*(f"{figure:.2f}" for figure in figures))


if __name__ == "__main__":
    main()
