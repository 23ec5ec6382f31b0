"""Show a graph of kits and channels in Dagster's pages: ``dagster dev`` on a temporary home, with no other server.

Run it with ``make demo-dagster``. On a terminal it stays until it is interrupted; nothing is left behind. With
``--screenshots DIR`` it writes the pictures of the docs and ends.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from browser import tab
from dev_server import DevServer, dev_server

HERE = Path(__file__).parent
CHECKS = [("wine", "digest")]
PAGES = {
    "dagster-lineage": ("/assets/wine?view=lineage&lineageScope=neighbors&lineageDepth=5", "Unsynced", 860),
    "dagster-metadata": ("/assets/wine?view=overview", "kitops/unpack_command", 1500),
    "dagster-stale-channel": ("/assets/wine/prod?view=overview", "Unsynced", 1000),
}


def main() -> int:
    """Tell the story; the exit code says whether it came out."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--screenshots", type=Path, metavar="DIR", help="write pictures there, and end")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kitops-dagster-demo-") as name:
        home = Path(name)
        say("starting dagster dev, which takes half a minute")
        with dev_server(HERE / "wine.py", home / "dagster", {"KITOPS_HOME": str(home / "kits")}) as server:
            tell(server)
            if arguments.screenshots:
                take(server, arguments.screenshots)
            elif sys.stdin.isatty():
                input(f"\nLook around at {server.url}, and press Enter to end. ")
    return 0


def tell(server: DevServer) -> None:
    """Two kits, of which the second waits before prod."""
    run(server, "train, check and promote a first kit", "wine_data", "wine", "card", "wine/staging", "wine/prod")
    first = digest(server, "wine/prod")
    run(server, "train the same again", "wine")
    expect(digest(server, "wine") == first, "the same training gave another digest")
    expect(stale(server, "card") == stale(server, "wine/prod") == "FRESH", "an unchanged kit made something stale")
    say("unchanged: the card and the channels stay fresh")
    run(server, "train with another parameter", "wine", regularization=1000.0)
    expect(stale(server, "card") == stale(server, "wine/staging") == "STALE", "a changed kit left the channels fresh")
    say("changed: the card is stale, and the channels say that a candidate waits")
    run(server, "promote it to staging", "wine/staging")
    expect(stale(server, "wine/prod") == "STALE", "prod is not stale")
    say(f"staging has {digest(server, 'wine/staging')[:19]}…, prod still has {digest(server, 'wine/prod')[:19]}…")


def run(server: DevServer, what: str, *keys: str, regularization: float = 100.0) -> None:
    """Materialize assets, and say so."""
    print(f"\n{what}")
    config = {"ops": {"wine": {"config": {"regularization": regularization}}}} if "wine" in keys else {}
    status = server.launch(*keys, checks=CHECKS if "wine" in keys else [], config=config)
    expect(status == "SUCCESS", f"the run ended with {status}: look at {server.url}/runs")


def digest(server: DevServer, key: str) -> str:
    """The data version of an asset."""
    return str(server.assets(key)[key]["dataVersion"])


def stale(server: DevServer, key: str) -> str:
    """Whether an asset is stale."""
    return str(server.assets(key)[key]["staleStatus"])


def take(server: DevServer, directory: Path) -> None:
    """Take the pictures in a headless browser."""
    directory.mkdir(parents=True, exist_ok=True)
    with tab() as page:
        for name, (path, shows, height) in PAGES.items():
            page.picture(server.url + path, directory / f"{name}.png", shows=shows, height=height)
            say(f"wrote {directory / name}.png")


def say(sentence: str) -> None:
    """A remark."""
    print(f"  {sentence}", flush=True)


def expect(holds: bool, otherwise: str) -> None:
    """Stop with a sentence unless something holds."""
    if not holds:
        raise SystemExit(f"The demo failed: {otherwise}")


if __name__ == "__main__":
    sys.exit(main())
