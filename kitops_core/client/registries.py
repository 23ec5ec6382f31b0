"""The verbs about registries themselves."""

from __future__ import annotations

from pathlib import Path

from kitops_core.session import Session


class RegistryVerbs:
    """The verbs about registries themselves."""

    _session: Session

    def login(self, registry: str, username: str, password: str) -> Path:
        """Check a user name and password against a registry, then keep them; the reference CLI reads them too.

        Args:
            registry: Host and port.
            username: User name.
            password: Password or access token.

        Returns:
            The file they were written to, readable by its owner only.

        Raises:
            DeniedError: The registry refused them; nothing is written.
            RegistryError: It could not be reached.
            StoreError: The file cannot be written.
        """
        from kitops_core.storage.registry.logins import login

        session = self._session
        options = session.registries.options(registry)
        return login(registry, username, password, options, session.control, home=session.home)

    def logout(self, registry: str) -> Path:
        """Forget what :meth:`login` kept for a registry; Docker's and Podman's files are left alone.

        Returns:
            The file it was removed from.

        Raises:
            NotFoundError: Nothing is kept for it.
            StoreError: The file cannot be written.
        """
        from kitops_core.storage.registry.logins import logout

        return logout(registry, home=self._session.home)

    def ping(self, registry: str) -> None:
        """Ask whether a registry is there and takes our credentials, without trying again.

        Args:
            registry: Host and port.

        Raises:
            DeniedError: It wants credentials, or other ones.
            RegistryError: It cannot be reached, or is not a registry.
        """
        from dataclasses import replace

        from kitops_core.storage.registry.ping import ping
        from kitops_core.storage.registry.transport import Transport

        transport = Transport(replace(self._session.registries.options(registry), keep_trying=0))
        try:
            ping(transport, registry, self._session.control, authenticated=True)
        finally:
            transport.close()
