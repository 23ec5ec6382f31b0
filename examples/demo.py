"""Train, pack, compare and use a ModelKit: Dagster in this process, the local store in a temporary directory.

Run it with ``make demo``. Nothing is downloaded, no server is started, and nothing stays behind.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    import dagster as dg

KIT = "digit_reader"
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

numbers = count(1)
console = Console(highlight=False, soft_wrap=True)


class DemoError(Exception):
    """Something did not come out as it must; the message is a sentence."""


class Run(NamedTuple):
    """What a run of the asset graph left: the kit's digest, whether it is new, and its facts."""

    digest: str
    changed: bool
    size: int
    layers: int
    accuracy: float
    labels: list[int]


def main() -> int:
    """Tell the story; the exit code says whether it came out."""
    started = time.monotonic()
    console.print("[bold]A Dagster asset graph learns to read digits and packs what it learned as a ModelKit[/bold]")
    with tempfile.TemporaryDirectory(prefix="kitops-demo-") as name:
        home = Path(name)
        os.environ.update(KITOPS_HOME=str(home / "kits"), DAGSTER_HOME=str(home / "dagster"))
        (home / "dagster").mkdir()
        try:
            tell(home)
        except DemoError as error:
            return failed(str(error))
        except Exception as error:  # whatever it is, a person who tries this out gets a sentence
            cause = error.__cause__ or error
            return failed(f"{type(cause).__name__}: {cause}")
    console.print(f"\n[green]Done[/green] in {time.monotonic() - started:.0f} s; nothing was left behind.")
    return 0


def tell(home: Path) -> None:
    """The five steps, in order."""
    import dagster as dg

    with dg.DagsterInstance.ephemeral() as instance:
        step("Train, evaluate and pack")
        first = show(materialize(instance, regularization=1.0))

        step("Run it again with nothing changed")
        again = show(materialize(instance, regularization=1.0))
        expect(again.digest == first.digest and not again.changed, "the same training gave another digest")

        step("Train with another parameter: regularization 1 becomes 0.05")
        other = show(materialize(instance, regularization=0.05))
        expect(other.digest != first.digest and other.changed, "another parameter gave the same digest")

    step("What moved between the two")
    moved = kitops("diff", f"{KIT}@{first.digest}", f"{KIT}@{other.digest}", cwd=home)
    expect("model.skops" in moved, "kitops diff does not name the model that changed")

    step("Unpack it elsewhere and use it without Dagster")
    kitops("unpack", f"{KIT}@{other.digest}", "--dir", "elsewhere", cwd=home)
    printed = command([sys.executable, "elsewhere/predict.py"], "python elsewhere/predict.py", home)
    expect([int(label) for label in printed.split()] == other.labels, "the unpacked model reads other digits")
    say("the same digits that the asset graph read")


def materialize(instance: dg.DagsterInstance, *, regularization: float) -> Run:
    """Run the whole asset graph in this process."""
    import dagster as dg
    from digits import assets

    from dagster_kitops import KitOpsResource, ModelKitIOManager

    result = dg.materialize(
        assets.ALL,
        instance=instance,
        resources={
            "io_manager": dg.mem_io_manager,
            "modelkit": ModelKitIOManager(kitops=KitOpsResource(registry="")),
        },
        run_config={"ops": {"classifier": {"config": {"regularization": regularization}}}, **QUIET},
    )
    (event,) = result.asset_materializations_for_node(KIT)
    record = event.metadata["kitops/record"].value
    return Run(
        digest=record["digest"],
        changed=record["changed"],
        size=record["size"],
        layers=len(record["layers"]),
        accuracy=result.output_for_node("evaluation")["accuracy"],
        labels=result.output_for_node("labels"),
    )


def show(run: Run) -> Run:
    """Say what a run made."""
    state = "[green]packed[/green]   " if run.changed else "[cyan]unchanged[/cyan]"
    console.print(f"  {state}  {KIT}:latest  {run.digest[:19]}…  {run.layers} layers, {run.size / 1000:.0f} kB")
    say(f"accuracy {run.accuracy:.1%}")
    return run


def kitops(*arguments: str, cwd: Path) -> str:
    """Run the ``kitops`` command as a user would, and show what it prints."""
    shown = [part[: part.index("@sha256:") + 16] + "…" if "@sha256:" in part else part for part in arguments]
    program = Path(sys.executable).with_name("kitops")
    return command([str(program), *arguments], " ".join(["kitops", *shown]), cwd)


def command(arguments: list[str], shown: str, cwd: Path) -> str:
    """Run a command in a process of its own, show it and what it prints, and return that."""
    console.print(Text(f"  $ {shown}", style="dim"))
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, cwd=cwd)
    if done.returncode:
        raise DemoError(f"`{shown}` exited with {done.returncode}: {done.stderr.strip()}")
    for line in done.stdout.splitlines():
        console.print(Text(f"    {line}"))
    return done.stdout


def step(title: str) -> None:
    """Begin a step."""
    console.print(f"\n[bold]{next(numbers)}  {title}[/bold]")


def say(sentence: str) -> None:
    """A remark on a step."""
    console.print(f"  {sentence}")


def expect(holds: bool, otherwise: str) -> None:
    """Stop with a sentence unless something holds."""
    if not holds:
        raise DemoError(otherwise)


def failed(sentence: str) -> int:
    """Say why, on standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(Text(f"\nThe demo failed: {sentence}", style="red"))
    return 1


if __name__ == "__main__":
    sys.exit(main())
