"""How pydantic checks an argument that is one of our own objects: by what it is."""

from __future__ import annotations

from typing import Any


class ByIdentity:
    """A class whose objects pydantic takes as they are, so that it can validate calls of the verbs that take one."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema  # only where pydantic asks, so it is there

        return core_schema.is_instance_schema(cls)
