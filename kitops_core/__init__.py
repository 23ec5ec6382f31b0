"""Pack, push, pull, unpack, sign and compare KitOps ModelKits, with any OCI registry.

The front door is :class:`Client`; the functions, :func:`pack`, :func:`unpack` and the others, are its methods over a
client of their own. Names are imported when they are first used, so that ``import kitops_core`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kitops_core.version import __version__ as __version__

if TYPE_CHECKING:
    from kitops_core.api import *  # noqa: F403
    from kitops_core.client import Client as Client
    from kitops_core.evidence.inputs import kit_input as kit_input
    from kitops_core.objects.location import brings_file_system as brings_file_system
    from kitops_core.promotion.policy_file import load_policy as load_policy
    from kitops_core.reference import channel_reference as channel_reference
    from kitops_core.reference import check_tag as check_tag
    from kitops_core.reference import is_digest as is_digest
    from kitops_core.reference import parse_reference as parse_reference
    from kitops_core.signing.keys import generate_key_pair as generate_key_pair
    from kitops_core.types import *  # noqa: F403

_HOMES = {
    "api": (
        "approve assemble attach attest attest_metrics bom catalog channels copy describe_import diff gc "
        "generate_kitfile history image import_kit index index_add index_bytes index_delete index_delete_all "
        "index_kits index_pull index_push index_remove lineage list_kits login logout manifests materialize "
        "metrics open pack pack_layers plan promote prune pull push referrers remove remove_all resolve rollback "
        "select_entries sign sign_files tag unpack verify vllm_arguments"
    ),
    "client": "Client",
    "evidence.inputs": "kit_input",
    "signing.keys": "generate_key_pair",
    "objects.location": "brings_file_system",
    "promotion.policy_file": "load_policy",
    "reference": "channel_reference check_tag is_digest parse_reference",
}
_MODULES = {name: f"kitops_core.{module}" for module, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name.startswith("__") and name != "__all__":
        raise AttributeError(f"module 'kitops_core' has no attribute '{name}'")
    types = import_module("kitops_core.types")
    if name == "__all__":
        return sorted({*_MODULES, *types.NAMES})
    if name not in _MODULES and name not in types.NAMES:
        raise AttributeError(f"module 'kitops_core' has no attribute '{name}'")
    value = getattr(import_module(_MODULES.get(name, "kitops_core.types")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *_MODULES, *import_module("kitops_core.types").NAMES]
