"""``kitops gc``."""

from __future__ import annotations

from dataclasses import asdict

import click

from kitops_core.cli.options import new_command
from kitops_core.cli.output import answer, answer_json, answer_rows, count_text, size_text
from kitops_core.cli.settings import Settings
from kitops_core.wording import parse_duration


@new_command("gc")
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option(
    "--grace", default="24h", show_default=True, metavar="TIME", help="Spare what is younger: 90s, 30m, 24h, 7d."
)
@click.option(
    "--unpushed",
    metavar="TIME",
    help="Also remove ModelKits that a pipeline kept because it could not push them, and that are older.",
)
def command(settings: Settings, dry_run: bool, grace: str, unpushed: str | None, as_json: bool) -> None:
    """Free the space of blobs in the local store that no ModelKit needs, and of what killed processes left.

    Kits stay, with or without a tag: `kitops remove` removes those. What a process that was killed had staged among the
    temporary files goes too.
    """
    seconds = parse_duration(grace)
    limit = None if unpushed is None else parse_duration(unpushed)
    from kitops_core.cli.transfer import connect

    with connect(settings) as client:
        report = client.gc(grace_seconds=seconds, dry_run=dry_run, unpushed_seconds=limit)
    if as_json:
        answer_json(asdict(report))
        return
    spared = [f"{report.spared} younger than {grace} spared"] if report.spared else []
    blobs = count_text(len(report.removed), "blob")
    staged = [f"{report.staged} left by killed processes"] if report.staged else []
    answer("would free" if dry_run else "freed", size_text(report.freed), blobs, *staged, *spared)
    answer_rows(
        [("would remove" if dry_run else "removed", name, f"not pushed for {unpushed}") for name in report.given_up]
    )
    answer_rows([("kept", name, "not pushed yet") for name in report.unpushed])
