"""Model objects to files and back, safely: what is loaded from a kit runs no code that the kit brings."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from kitops_core.errors import InvalidInputError

INSTALL_SKLEARN = "install dagster-kitops[sklearn]"


class Saved(NamedTuple):
    """A model object that was written to a file.

    Attributes:
        path: The file.
        format: What it is, for the Kitfile: ``skops`` or ``pickle``.
        framework: What made the model, for the Kitfile; empty where that is not known.
    """

    path: Path
    format: str
    framework: str


def save_model(model: Any, directory: Path, *, allow_pickle: bool = False) -> Saved:
    """Write a model object into a directory; the same model always gives the same bytes.

    A scikit-learn estimator becomes a skops file, which holds data and names of types, and no code. Anything else
    is refused, or pickled where that is allowed.

    Args:
        model: A fitted scikit-learn estimator, or with ``allow_pickle`` any object that pickles.
        directory: Where to.
        allow_pickle: Whether an object that has no safe format is pickled.

    Raises:
        InvalidInputError: There is no safe format for the object, or what writes it is not installed.
    """
    writer = _WRITERS["skops"] if _is_estimator(model) else None
    if writer is None and allow_pickle:
        writer = _WRITERS["pickle"]
    if writer is None:
        raise InvalidInputError(
            f"there is no safe format for a model of type {_name(type(model))}",
            hint="write it to a file in the framework's own format and give its Path, "
            "or set allow_pickle=True on the ModelKitIOManager: whoever loads a pickle runs its code",
        )
    return writer(model, directory)


def load_model(format_: str, data: bytes, *, where: str, trusted: Sequence[str], allow_pickle: bool) -> Any:
    """Make the model object that :func:`save_model` wrote.

    Args:
        format_: The model's format in the Kitfile.
        data: The file's bytes.
        where: What to call the kit in errors.
        trusted: Names of types, beyond skops' own list, that may be made.
        allow_pickle: Whether a pickle may be loaded, which runs whatever code it holds.

    Raises:
        InvalidInputError: The format is another, a type is not trusted, or pickle is not allowed.
    """
    if format_ == "skops":
        return _load_skops(data, where, trusted)
    if format_ == "pickle":
        if not allow_pickle:
            raise InvalidInputError(
                f"the model of {where} is a pickle, and loading one runs whatever code it holds",
                hint="pass allow_pickle=True if you trust whoever packed this kit",
            )
        return pickle.loads(data)  # noqa: S301  asked for by the caller
    raise InvalidInputError(
        f"the model of {where} has the format '{format_}', which is not loaded as an object",
        hint="unpack it and load the file with its framework",
    )


def _save_skops(model: Any, directory: Path) -> Saved:
    try:
        from skops import io  # type: ignore[import-untyped]
    except ImportError:
        raise InvalidInputError(
            "skops, which writes scikit-learn models without pickle, is not installed", hint=INSTALL_SKLEARN
        ) from None
    from dagster_kitops.skops_file import reproducible

    try:
        data = io.dumps(model)
    except (TypeError, io.exceptions.UnsupportedTypeException) as error:
        raise InvalidInputError(
            f"skops cannot write this {_name(type(model))}: {error}",
            hint="write the model to a file in another format and give its Path",
        ) from error
    return Saved(_write(directory / "model.skops", reproducible(data)), "skops", "scikit-learn")


def _save_pickle(model: Any, directory: Path) -> Saved:
    try:
        data = pickle.dumps(model, protocol=5)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise InvalidInputError(f"this {_name(type(model))} cannot be pickled: {error}") from error
    return Saved(_write(directory / "model.pickle", data), "pickle", "")


_WRITERS: dict[str, Callable[[Any, Path], Saved]] = {"skops": _save_skops, "pickle": _save_pickle}


def _load_skops(data: bytes, where: str, trusted: Sequence[str]) -> Any:
    try:
        from skops import io
    except ImportError:
        raise InvalidInputError(f"the model of {where} is a skops file", hint=INSTALL_SKLEARN) from None
    unknown = sorted(set(io.get_untrusted_types(data=data)) - set(trusted))
    if unknown:
        raise InvalidInputError(
            f"the model of {where} is made of types that are not trusted: {', '.join(unknown)}",
            hint="pass their names as trusted=[...] if you trust them",
        )
    return io.loads(data, trusted=list(trusted))


def _is_estimator(model: Any) -> bool:
    # An estimator can only exist where scikit-learn was imported already: never import it to look.
    base = sys.modules.get("sklearn.base")
    return base is not None and isinstance(model, base.BaseEstimator)


def _write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    path.chmod(0o644)
    return path


def _name(type_: type) -> str:
    return f"{type_.__module__}.{type_.__qualname__}"
