"""A client that tells Airflow which kits it read and wrote; the lineage of plain Python tasks is made of that."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

from kitops_core import Client, ModelKit, ModelKitRecord, Unpacked, parse_reference

_P = ParamSpec("_P")
_Kit = TypeVar("_Kit", ModelKitRecord, ModelKit, Unpacked)


def _told(
    method: Callable[Concatenate[Any, _P], _Kit], how: str, *, always: bool = False
) -> Callable[Concatenate[Any, _P], _Kit]:
    """A method of the client that tells of the kit it gives, ``always`` or where it is told to push."""

    @wraps(method)
    def call(client: Any, /, *args: _P.args, **kwargs: _P.kwargs) -> _Kit:
        kit = method(client, *args, **kwargs)
        if kwargs.get("push", always):
            client.tell(how, kit.reference, kit.digest)
        return kit

    return call


class LineageClient(Client):
    """A :class:`kitops_core.Client` that tells the lineage of its hook what it reads and writes in registries.

    Args:
        hook: The hook.
        **kwargs: Arguments of the client.
    """

    def __init__(self, hook: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._hook = hook

    push = _told(Client.push, "add_output_asset", always=True)
    pack = _told(Client.pack, "add_output_asset")
    assemble = _told(Client.assemble, "add_output_asset")
    import_kit = _told(Client.import_kit, "add_output_asset")
    open = _told(Client.open, "add_input_asset", always=True)
    unpack = _told(Client.unpack, "add_input_asset", always=True)

    def tell(self, how: str, reference: str, digest: str) -> None:
        """Tell the collector of a kit, where it is one that others can reach."""
        kit = parse_reference(reference)
        if kit.in_registry:
            collector: Any = get_hook_lineage_collector()  # type: ignore[no-untyped-call]
            getattr(collector, how)(
                context=self._hook, scheme="oci", asset_kwargs={"reference": kit.name}, asset_extra={"digest": digest}
            )
