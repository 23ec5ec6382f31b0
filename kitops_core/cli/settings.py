"""What the options that commands share say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kitops_core.client import Client


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

    def client(self, **how: Any) -> Client:
        """The one client of this process.

        Args:
            how: Further arguments of :class:`~kitops_core.client.Client`.
        """
        from kitops_core.client import Client
        from kitops_core.registries import Registries
        from kitops_core.storage.registry.options import RegistryOptions

        values = dict(self.network)
        if self.store is not None and (credentials := self.store / "credentials.json").is_file():
            values["credential_files"] = (credentials,)
        how.setdefault("registries", Registries(others=RegistryOptions(**values)))
        return Client(store=self.store, **how)
