"""What has no safe format: which part of an object it is, and the way that works for it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_WAYS = {
    "numpy.ndarray": "arrays by name are safetensors: {'weights': array}",
    "numpy.ma.MaskedArray": "{'values': array.data, 'mask': array.mask} is safetensors",
    "numpy.matrix": "numpy.asarray(matrix) is safetensors",
    "polars": "of a lazy frame its collect() is parquet",
    "torch": "safetensors.torch.save_file(module.state_dict(), 'model.safetensors'), and give its Path as the model; "
    "tensors: {name: tensor.numpy()}",
    "lightgbm": "give its booster, which has a format: model.booster_",
    "xgboost": "give its booster, which has a format: model.get_booster()",
    "catboost": "model.save_model('model.cbm'), and give its Path as the model",
}


def type_name(value: Any) -> str:
    """The full name of a value's type."""
    return f"{type(value).__module__}.{type(value).__qualname__}"


def culprit(value: Any, where: str = "") -> tuple[str, Any]:
    """The first part of a mapping or list that is no plain data, and where it is; the value itself where it is none.

    Arrays by name are a format, so beside others the first that is no array counts.
    """
    parts: list[tuple[str, Any]] = []
    if isinstance(value, Mapping):
        parts = [(f"{where}[{key!r}]", item) for key, item in value.items()]
        if key := next((key for key in value if not isinstance(key, str)), None):
            return f"{where}[{key!r}]", key
    elif isinstance(value, list):
        parts = [(f"{where}[{index}]", item) for index, item in enumerate(value)]
    found = [culprit(item, place) for place, item in parts if not _is_plain(item)]
    others = [each for each in found if type_name(each[1]) != "numpy.ndarray"]
    return (others or found or [(where, value)])[0]


def way_of(value: Any) -> str:
    """What to do instead with a value of a library that is known; empty for any other."""
    name = type_name(value)
    return _WAYS.get(name) or _WAYS.get(name.partition(".")[0], "")


def _is_plain(value: Any) -> bool:
    """Whether JSON gives it back as it was."""
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(_is_plain, value))
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, (str, bool, int))
