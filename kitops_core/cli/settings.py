"""What the options that commands share say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kitops_core.storage.registry import RegistryOptions


class Settings:
    """What the global and the network options say.

    Attributes:
        store: The local store's directory, ``None`` for the default one.
        progress: ``none``, ``plain``, ``fancy``, or an empty string to choose by what standard error is.
        verbose: How often ``-v`` was given.
        log_level: The least serious kind of message that is shown.
        concurrency: How many blobs to move at a time, ``None`` to leave that to the engine.
        network: The network options that were given, under the names of :class:`RegistryOptions`.
    """

    def __init__(self) -> None:
        self.store: Path | None = None
        self.progress = ""
        self.verbose = 0
        self.log_level = "info"
        self.concurrency: int | None = None
        self.network: dict[str, Any] = {}

    @property
    def quiet(self) -> bool:
        """Whether only warnings and errors are shown beside a command's answer."""
        return self.log_level in ("warn", "error")

    @property
    def chatty(self) -> bool:
        """Whether everything is shown."""
        return self.verbose > 0 or self.log_level in ("debug", "trace")

    def registry_options(self) -> RegistryOptions | None:
        """How to talk to registries; ``None``, without importing anything, where nothing was said about it."""
        values = dict(self.network)
        if self.store is not None and (credentials := self.store / "credentials.json").is_file():
            values["credential_files"] = (credentials,)
        if not values:
            return None
        from kitops_core.storage.registry import RegistryOptions

        return RegistryOptions(**values)

    def api(self) -> dict[str, Any]:
        """The arguments that every verb takes."""
        return {"store": self.store, "registry": self.registry_options()}
