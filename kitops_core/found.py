"""What a reference was found to name, and the storages that are looked in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Literal, TypeAlias, TypeVar

from kitops_core.errors import NotFoundError
from kitops_core.reference import Place, Reference

if TYPE_CHECKING:
    from kitops_core.oci.kit_index import AnyManifest, KitIndex
    from kitops_core.oci.manifest import Manifest
    from kitops_core.storage import Storage

_M = TypeVar("_M", bound="AnyManifest", covariant=True)


@dataclass(frozen=True)
class Found(Generic[_M]):
    """Where something was found.

    Attributes:
        reference: What was asked for, pinned to the digest found; its tag is kept.
        storage: The open storage that has it; whoever asked closes it.
        manifest: Its manifest.
        remote: Whether the storage is a registry.
        index: The index that a kit was chosen of, ``None`` where the kit itself was named.
    """

    reference: Reference
    storage: Storage
    manifest: _M
    remote: bool
    index: KitIndex | None = None

    @property
    def where(self) -> Literal["registry", "local store", "layout"]:
        """The kind of storage it was found in."""
        if self.reference.layout:
            return "layout"
        return "registry" if self.remote else "local store"


if TYPE_CHECKING:
    FoundKit: TypeAlias = Found[Manifest]
    """A kit that was found, by its name or in an index."""

    FoundAny: TypeAlias = Found[AnyManifest]
    """A kit or an index that was found."""
else:  # naming the manifests would import them
    FoundKit = FoundAny = Found


def not_found(reference: Reference, places: list[Place]) -> NotFoundError:
    """The error where a kit is in none of these."""
    names = {"registry": reference.layout or reference.registry, "store": reference.layout or "the local store"}
    listed = f" {reference.name}" if places[-1] == "registry" else ""
    return NotFoundError(
        f"'{reference}' is not in " + " and not in ".join(names[place] for place in places),
        hint=f"see what is there with `kitops list{listed}`",
    )
