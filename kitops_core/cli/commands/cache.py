"""``kitops cache``."""

from __future__ import annotations

import click

from kitops_core.cli.options import new_command
from kitops_core.cli.output import answer, answer_json, count_text, size_text
from kitops_core.cli.settings import Settings
from kitops_core.errors import StoreError


@new_command("cache")
@click.argument("action", type=click.Choice(["info", "clear"]), default="info")
def command(settings: Settings, action: str, as_json: bool) -> None:
    """Show (info, the default) or forget (clear) what is known of layers that were packed before.

    The cache tells a pack which layers did not change, so that their files are not read again. Without it they are, and
    the kits stay the same. Kits themselves are in the store: see `kitops list`, `kitops remove` and `kitops gc`.
    """
    from kitops_core.storage.local import LocalStore

    cache = LocalStore(settings.store).layer_cache()
    try:
        layers, size = cache.clear() if action == "clear" else cache.entries()
    except OSError as error:
        raise StoreError(f"the cache cannot be cleared: {error.strerror}", hint="make the store writable") from None
    if as_json:
        answer_json({"layers": layers, "size": size, "cleared": action == "clear"})
    else:
        answer("cleared" if action == "clear" else "cached", count_text(layers, "layer"), size_text(size))
