"""Files that hold credentials by their name, or by what they begin with: nobody means to publish them in a kit."""

from __future__ import annotations

from collections.abc import Callable

READ_BYTES = 16 * 1024
"""How much of a file :func:`is_secret_file` wants to see."""

_NAMES = frozenset(
    (b".env", b".netrc", b"_netrc", b".git-credentials", b"kubeconfig", b"application_default_credentials.json")
)
_KEYS = frozenset((b"id_rsa", b"id_dsa", b"id_ecdsa", b"id_ed25519"))
_PLACES = frozenset(((b".aws", b"credentials"), (b".kube", b"config")))
_TEMPLATES = (b".example", b".sample", b".template", b".dist")
# Files that are harmless without what stands in them: which says that it is a secret.
_TOLD_BY = {
    b".npmrc": (b"_authToken", b"_auth=", b"_password"),
    b".pypirc": (b"password",),
    b"config.json": (b'"auths"',),
}


def is_secret_file(path: bytes, read: Callable[[], bytes]) -> bool:
    """Whether a file holds credentials.

    Args:
        path: Its path, ``/``-separated.
        read: Gives its first :data:`READ_BYTES`; asked only where the name alone does not tell.
    """
    directory, _, name = path.rpartition(b"/")
    if name in _NAMES or name in _KEYS or (directory.rpartition(b"/")[2], name) in _PLACES:
        return True
    if name.startswith(b".env."):
        return not name.endswith(_TEMPLATES)
    if name.endswith((b".pem", b".key")):
        return b" PRIVATE KEY-----" in read()
    if name in _TOLD_BY and (name != b"config.json" or directory.endswith(b".docker")):
        content = read()
        return any(word in content for word in _TOLD_BY[name])
    return False
