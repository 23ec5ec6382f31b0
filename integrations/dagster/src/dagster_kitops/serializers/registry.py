"""Which serializer takes which object."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple

from dagster_kitops.serializers import json_data, lightgbm, onnx, parquet, pickled, safetensors, skops, xgboost
from dagster_kitops.serializers.unsafe import culprit, type_name, way_of
from kitops_core import InvalidInputError, NotFoundError


@dataclass(frozen=True)
class Serializer:
    """How objects of one kind become a file, and a file becomes an object again.

    The same object must always give the same bytes: the file's digest is what Dagster compares. Neither direction
    should hold the file in memory besides the object.

    Attributes:
        name: Its name, which the Kitfile holds as the model's format.
        takes: Whether it writes an object. It is asked for every object, so it must not import a framework.
        save: Writes an object to a file. What it returns is not looked at.
        load: The object that a file holds, made of no type beyond the usual ones but those named. The file is gone
            afterwards.
        suffix: The file's suffix, by which a data set is recognised.
        framework: What made the object, for the Kitfile.
        section: Whether the object is a model or a data set.
        trusted_types: Names of the types, beyond the usual ones, that whoever loads the file has to trust.
    """

    name: str
    takes: Callable[[Any], bool]
    save: Callable[[Any, Path], object]
    load: Callable[[Path, Sequence[str]], Any]
    suffix: str
    framework: str = ""
    section: Literal["model", "dataset"] = "model"
    trusted_types: Callable[[Path], Sequence[str]] = lambda _: ()


class Saved(NamedTuple):
    """An object that was written to a file.

    Attributes:
        path: The file.
        serializer: What wrote it.
        trusted_types: Names of the types, beyond the usual ones, that whoever loads it has to trust.
    """

    path: Path
    serializer: Serializer
    trusted_types: Sequence[str] = ()


_PICKLE = Serializer("pickle", lambda _: True, pickled.save, pickled.load, ".pickle")
_SERIALIZERS: dict[str, Serializer] = {
    serializer.name: serializer
    for serializer in (
        Serializer(
            "skops",
            skops.takes,
            skops.save,
            skops.load,
            ".skops",
            "scikit-learn",
            trusted_types=skops.trusted_types,
        ),
        Serializer("safetensors", safetensors.takes, safetensors.save, safetensors.load, ".safetensors"),
        Serializer("onnx", onnx.takes, onnx.save, onnx.load, ".onnx", "onnx"),
        Serializer("lightgbm", lightgbm.takes, lightgbm.save, lightgbm.load, lightgbm.SUFFIX, "lightgbm"),
        Serializer("xgboost", xgboost.takes, xgboost.save, xgboost.load, ".ubj", "xgboost"),
        Serializer("parquet", parquet.takes, parquet.save, parquet.load, ".parquet", section="dataset"),
        Serializer("json", json_data.takes, json_data.save, json_data.load, ".json", section="dataset"),
    )
}


def register_serializer(serializer: Serializer) -> None:
    """Let assets return, and inputs be, objects of one more kind. It is asked before those that were there.

    Raises:
        InvalidInputError: Its name is ``auto`` or ``pickle``, which have a meaning of their own.
    """
    if serializer.name in ("auto", _PICKLE.name):
        raise InvalidInputError(f"a serializer cannot be named '{serializer.name}'", hint="give it another name")
    others = {name: other for name, other in _SERIALIZERS.items() if name != serializer.name}
    _SERIALIZERS.clear()
    _SERIALIZERS.update({serializer.name: serializer, **others})


def save_object(
    value: Any, directory: Path, name: str = "model", *, serializer: str = "auto", allow_pickle: bool = False
) -> Saved:
    """Write an object into a directory; the same object always gives the same bytes.

    Args:
        value: The object.
        directory: Where to.
        name: The file's name without its suffix.
        serializer: The serializer's name, or ``auto`` for the first that takes the object.
        allow_pickle: Whether an object that has no safe format is pickled.

    Raises:
        InvalidInputError: There is no safe format for the object, or what writes it is not installed, or cannot.
    """
    chosen = _chosen(value, serializer, allow_pickle)
    path = directory / f"{name}{chosen.suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        chosen.save(value, path)
        if not path.is_file():
            raise InvalidInputError(f"serializer '{chosen.name}' wrote no file", hint="its 'save' takes (object, Path)")
        types = chosen.trusted_types(path)
    except InvalidInputError:
        raise
    except Exception as error:  # an object it was not made for may make a library raise anything
        raise InvalidInputError(
            f"{chosen.name} cannot write an object of type {type_name(value)}: {type(error).__name__}: {error}",
            hint="name another serializer, or write the object to a file and give its Path",
        ) from error
    path.chmod(0o644)
    return Saved(path, chosen, types)


def serializer_of(format_: str, path: str, *, where: str, allow_pickle: bool = False) -> Serializer:
    """What loads a file of a kit as an object.

    Args:
        format_: The model's format in the Kitfile; empty for a data set, which its suffix tells.
        path: The file's path in the kit.
        where: What to call the kit in errors.
        allow_pickle: Whether a pickle may be loaded, which runs whatever code it holds.

    Raises:
        InvalidInputError: Nothing loads this format, or pickle is not allowed.
    """
    suffix = PurePosixPath(path).suffix
    known = [_SERIALIZERS.get(format_)] if format_ else [s for s in _SERIALIZERS.values() if s.suffix == suffix]
    if format_ == _PICKLE.name:
        if not allow_pickle:
            raise InvalidInputError(
                f"'{path}' of {where} is a pickle, and loading one runs whatever code it holds",
                hint="pass allow_pickle=True if you trust whoever packed this kit",
            )
        return _PICKLE
    if not known or known[0] is None:
        raise InvalidInputError(
            f"'{path}' of {where} has the format '{format_ or suffix}', which is not loaded as an object",
            hint="unpack it and load the file with its framework, or register a Serializer of that name",
        )
    return known[0]


def load_object(serializer: Serializer, file: Path, *, path: str, where: str, trusted: Sequence[str] = ()) -> Any:
    """Make the object that :func:`save_object` wrote.

    Args:
        serializer: What loads it.
        file: The file.
        path: Its path in the kit.
        where: What to call the kit in errors.
        trusted: Names of types, beyond the usual ones, that may be made.

    Raises:
        NotFoundError: There is no such file.
        InvalidInputError: It is no file of this format, or a type is not trusted.
    """
    if not file.exists():
        raise NotFoundError(
            f"{where} names '{path}', and does not hold it",
            hint="a data set that stays elsewhere is fetched by 'kitops unpack --include-remote'",
        )
    if file.is_dir():
        raise InvalidInputError(
            f"'{path}' of {where} is a directory, and an object is one file",
            hint="take it as Path, and load it with its framework",
        )
    try:
        return serializer.load(file, trusted)
    except InvalidInputError as error:
        raise InvalidInputError(f"'{path}' of {where}: {error.message}", hint=error.hint) from error
    except Exception as error:  # a file made to do harm, or cut short, may make its library raise anything
        raise InvalidInputError(
            f"'{path}' of {where} is no {serializer.name} file that can be read: {type(error).__name__}: {error}",
            hint="ask whoever packed it for another, or read its bytes",
        ) from error


def check_serializer(name: str) -> str:
    """A serializer's name as it is given, if there is one of that name; an empty one means none is named.

    Raises:
        InvalidInputError: There is none.
    """
    if name not in ("", "auto", _PICKLE.name, *_SERIALIZERS):
        near = get_close_matches(name, _SERIALIZERS, 1)
        hint = f"did you mean '{near[0]}'?" if near else "there are " + ", ".join(_SERIALIZERS)
        raise InvalidInputError(f"there is no serializer '{name}'", hint=hint)
    return name


def section_of(value: Any, serializer: str = "auto") -> Literal["model", "dataset"]:
    """Whether an object is a model or a data set, as the serializer named or the first that takes it says."""
    if serializer in _SERIALIZERS:
        return _SERIALIZERS[serializer].section
    return next((one.section for one in _SERIALIZERS.values() if one.takes(value)), "model")


def _chosen(value: Any, name: str, allow_pickle: bool) -> Serializer:
    if name == _PICKLE.name and allow_pickle:
        return _PICKLE
    if name not in ("auto", _PICKLE.name):
        return _SERIALIZERS[check_serializer(name)]
    takers = [serializer for serializer in _SERIALIZERS.values() if serializer.takes(value)]
    if not takers and allow_pickle:
        takers = [_PICKLE]
    if not takers or name == _PICKLE.name:
        where, what = culprit(value)
        of = f", because of {where}: a {type_name(what)}" if where else ""
        raise InvalidInputError(
            f"there is no safe format for an object of type {type_name(value)}{of}",
            hint=way_of(what)
            or "write it to a file in the framework's own format and give its Path, register a Serializer for it, "
            "or set allow_pickle=True on the ModelKitIOManager: whoever loads a pickle runs its code",
        )
    return takers[0]
