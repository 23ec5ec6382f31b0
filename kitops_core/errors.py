"""Every error the engine raises: one tree, each with what to do next and an exit code for the command."""

from __future__ import annotations

from collections.abc import Sequence


class KitOpsError(Exception):
    """What went wrong, in one sentence that names the file, field or reference.

    Attributes:
        message: What happened.
        hint: What the user can do about it, or an empty string.
        exit_code: What the ``kitops`` command exits with.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class InvalidInputError(KitOpsError):
    """Something the user gave cannot be used as it is."""

    exit_code = 3


class InvalidReferenceError(InvalidInputError):
    """A ModelKit reference that does not follow the grammar, or one that cannot serve here."""


class KitfileError(InvalidInputError):
    """A Kitfile that cannot be used. Every problem found is in ``problems``, one sentence each."""

    def __init__(self, where: str, problems: Sequence[str], *, hint: str = "") -> None:
        self.where = where
        self.problems = tuple(problems)
        if len(self.problems) == 1:
            text = f"{where}: {self.problems[0]}"
        else:
            text = f"{where}: {len(self.problems)} problems\n" + "\n".join(f"  * {p}" for p in self.problems)
        super().__init__(text, hint=hint)


class SourceError(InvalidInputError):
    """A file or directory to pack is missing, cannot be read, or is of a kind that cannot be packed."""


class SourceChangedError(SourceError):
    """A file changed, shrank, grew or was replaced while it was being packed."""


class NotFoundError(KitOpsError):
    """The kit, tag, digest, blob or channel asked for does not exist."""

    exit_code = 4


class DeniedError(KitOpsError):
    """The registry refused: no credentials, wrong ones, or no right to do this."""

    exit_code = 5


class IntegrityError(KitOpsError):
    """Bytes are not what their digest, size or manifest says."""

    exit_code = 6


class UnsafeLayerError(IntegrityError):
    """A layer holds what must never be unpacked: an escaping name, a link, a device, a bomb."""


class RegistryError(KitOpsError):
    """A registry could not be reached, or answered with an error that retrying did not mend.

    Attributes:
        status: The HTTP status, or ``None`` where no answer came.
        code: The OCI error code (``MANIFEST_INVALID`` ...), or an empty string.
    """

    exit_code = 7

    def __init__(self, message: str, *, status: int | None = None, code: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.code = code


class ConflictError(KitOpsError):
    """Something is in the way: a file at the target, a tag that another writer moved."""

    exit_code = 8


class StoreError(KitOpsError):
    """The local store cannot be read or written: permissions, a full disk, a broken index."""


class CancelledError(KitOpsError):
    """The caller asked to stop. Nothing half-written is left."""

    exit_code = 130
