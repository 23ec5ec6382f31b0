"""A kit as its manifest and config describe it together."""

from __future__ import annotations

from kitops_core.kitfile.data import KitfileData
from kitops_core.kitfile.match import KitView, match_layers
from kitops_core.oci import media_types
from kitops_core.oci.manifest import Manifest


def view(manifest: Manifest, config: bytes, where: str = "the kit") -> KitView:
    """Match a manifest's layers to the entries of its Kitfile.

    The Kitfile is the config of a ModelKit, the annotation of a ModelPack that a KitOps tool packed, or made up for
    anything else (see :func:`kitops_core.kitfile.modelpack.view_foreign`). Layers of kinds this version does not know
    are left out.

    Args:
        manifest: The manifest.
        config: The bytes of its config blob.
        where: Names the kit in errors.

    Raises:
        IntegrityError: The manifest and the Kitfile disagree, or it is no kit at all.
        UnsafeLayerError: An entry's path is absolute or leads out of the kit.
    """
    if manifest.config.media_type == media_types.MODELKIT_CONFIG:
        kitfile = KitfileData.from_config(config, f"{where}: config")
    elif media_types.ANNOTATION_KITFILE in manifest.annotations:
        text = manifest.annotations[media_types.ANNOTATION_KITFILE]
        kitfile = KitfileData.from_config(text.encode(), f"{where}: annotation {media_types.ANNOTATION_KITFILE}")
    else:
        from kitops_core.kitfile.modelpack import view_foreign

        return view_foreign(manifest, config, where)
    return match_layers(kitfile, manifest, where)
