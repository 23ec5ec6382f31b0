"""Scikit-learn estimators as skops files, which hold data and names of types, and no code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from kitops_core import InvalidInputError

_MAX_RATIO = 100
"""How many times its size a skops file, which is a zip archive, may hold; more is taken for a bomb."""

_FORMATS_OF_THEIR_OWN = ("catboost", "lightgbm", "xgboost")
"""Libraries whose estimators hold a booster that skops cannot write so that it loads back."""

_INSTALL = "install dagster-kitops[sklearn]"


def takes(value: Any) -> bool:
    """Whether it is an estimator."""
    # An estimator can only exist where scikit-learn was imported already: never import it to look.
    base = sys.modules.get("sklearn.base")
    return (
        base is not None
        and isinstance(value, base.BaseEstimator)
        and type(value).__module__.partition(".")[0] not in _FORMATS_OF_THEIR_OWN
    )


def save(value: Any, file: Path) -> None:
    """Write the skops file. skops itself makes it in memory before it writes it.

    Raises:
        InvalidInputError: skops is not installed, or cannot write this estimator.
    """
    try:
        from skops import io  # type: ignore[import-untyped]
    except ImportError:
        raise InvalidInputError(
            "skops, which writes scikit-learn models without pickle, is not installed", hint=_INSTALL
        ) from None
    from dagster_kitops.serializers.skops_file import reproducible

    as_skops_has_it = file.with_name(f"{file.name}.raw")
    try:
        io.dump(value, as_skops_has_it)
        nameless = [name for name in io.get_untrusted_types(file=as_skops_has_it) if "<" in name]
        if nameless:
            raise InvalidInputError(
                f"this {type(value).__qualname__} holds {', '.join(nameless)}, which nobody can load again",
                hint="make it a function of a module, which is there where the model is loaded",
            )
        reproducible(as_skops_has_it, file)
    except (TypeError, io.exceptions.UnsupportedTypeException) as error:
        raise InvalidInputError(
            f"skops cannot write this {type(value).__module__}.{type(value).__qualname__}: {error}",
            hint="write the model to a file in another format and give its Path",
        ) from error
    finally:
        as_skops_has_it.unlink(missing_ok=True)


def trusted_types(file: Path) -> list[str]:
    """The types, beyond the usual ones, that loading what :func:`save` wrote takes."""
    from skops import io

    return sorted(io.get_untrusted_types(file=file))


def load(file: Path, trusted: Sequence[str]) -> Any:
    """The estimator.

    Raises:
        InvalidInputError: skops is not installed, the file names types that are not trusted, or it is a bomb.
    """
    try:
        from skops import io
    except ImportError:
        raise InvalidInputError("it is a skops file, and skops is not installed", hint=_INSTALL) from None
    with ZipFile(file) as archive:
        held = sum(member.file_size for member in archive.infolist())
    size = file.stat().st_size
    if held > _MAX_RATIO * size:
        raise InvalidInputError(f"it holds {held} bytes in {size}, which is taken for a bomb")
    unknown = sorted(set(io.get_untrusted_types(file=file)) - set(trusted))
    if unknown:
        raise InvalidInputError(
            f"it is made of types that are not trusted: {', '.join(unknown)}",
            hint="name them if you trust them: load(trusted=[...]), or 'kitops/trusted' in the input's metadata",
        )
    return io.load(file, trusted=list(trusted))
