"""Every error the engine raises: one tree, each with what to do next and an exit code for the command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


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


class ProblemsError(InvalidInputError):
    """A file that cannot be used. Every problem found is in ``problems``, one sentence each."""

    def __init__(self, where: str, problems: Sequence[str], *, hint: str = "") -> None:
        self.where = where
        self.problems = tuple(problems)
        if len(self.problems) == 1:
            text = f"{where}: {self.problems[0]}"
        else:
            text = f"{where}: {len(self.problems)} problems\n" + "\n".join(f"  * {p}" for p in self.problems)
        super().__init__(text, hint=hint)


class KitfileError(ProblemsError):
    """A Kitfile that cannot be used."""


class PolicyError(ProblemsError):
    """A ``promotion.yaml`` that cannot be used."""


class SourceError(InvalidInputError):
    """A file or directory to pack is missing, cannot be read, or is of a kind that cannot be packed."""


class SourceChangedError(SourceError):
    """A file changed, shrank, grew or was replaced while it was being packed."""

    @staticmethod
    def at(where: str, how: str) -> SourceChangedError:
        """The error for a file or object, ``where``, and what became of it."""
        return SourceChangedError(f"'{where}' {how} while it was packed", hint="pack again once nothing writes to it")


class NotFoundError(KitOpsError):
    """The kit, tag, digest, blob or channel asked for does not exist."""

    exit_code = 4


class DeniedError(KitOpsError):
    """The registry refused: no credentials, wrong ones, or no right to do this."""

    exit_code = 5


class IntegrityError(KitOpsError):
    """Bytes are not what their digest, size or manifest says."""

    exit_code = 6


class WrongKindError(IntegrityError):
    """What a reference names is sound, and not of the kind that is asked for: an index where one kit is wanted."""

    exit_code = 3


class UnsafeLayerError(IntegrityError):
    """A layer holds what must never be unpacked: an escaping name, a link, a device, a bomb."""


class VerificationError(IntegrityError):
    """A signature or statement that is asked for is not there, not by the right signer, or does not say so."""


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


class LostRaceError(ConflictError):
    """A tag was not where it was expected, or was moved again at once: another writer came first, or last.

    Attributes:
        expected: The digest the tag was to have before, or an empty string where it was to be absent.
        found: The digest it has instead, or an empty string where it is absent.
    """

    exit_code = 10

    def __init__(self, message: str, *, expected: str, found: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.expected = expected
        self.found = found

    @staticmethod
    def at(where: str, expected: str, found: str, verb: str = "is") -> LostRaceError:
        """The error for a tag, ``where``, that is at another digest than expected."""
        return LostRaceError(
            f"{where} {verb} {f'at {found}' if found else 'absent'}, and was expected "
            + (f"at {expected}" if expected else "absent"),
            expected=expected,
            found=found,
            hint="another writer moved it: look at what is there now, then decide again",
        )


class GateRefusedError(KitOpsError):
    """A gate refused a promotion, or could not be evaluated. Nothing was changed.

    Attributes:
        promotion: The :class:`~kitops_core.promotion.result.Promotion` that was planned, with what every gate said.
    """

    exit_code = 9

    def __init__(self, message: str, *, promotion: Any = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.promotion = promotion


class UnlistedError(KitOpsError):
    """What was attached is stored, but the registry's list of it, which other tools read, could not be made to name it.

    Where a registry has no referrers API, every writer replaces that list as a whole. We find what it leaves out.
    """

    exit_code = 11


class StoreError(KitOpsError):
    """The local store cannot be read or written: permissions, a full disk, a broken index."""


class CancelledError(KitOpsError):
    """The caller asked to stop. Nothing half-written is left."""

    exit_code = 130
