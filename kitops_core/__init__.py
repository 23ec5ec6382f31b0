"""Pack, push, pull, unpack, sign and compare KitOps ModelKits, with any OCI registry.

Names are imported when they are first used, so that ``import kitops_core`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kitops_core.version import __version__ as __version__

if TYPE_CHECKING:
    from kitops_core.errors import CancelledError as CancelledError
    from kitops_core.errors import ConflictError as ConflictError
    from kitops_core.errors import DeniedError as DeniedError
    from kitops_core.errors import GateRefusedError as GateRefusedError
    from kitops_core.errors import IntegrityError as IntegrityError
    from kitops_core.errors import InvalidInputError as InvalidInputError
    from kitops_core.errors import InvalidReferenceError as InvalidReferenceError
    from kitops_core.errors import KitfileError as KitfileError
    from kitops_core.errors import KitOpsError as KitOpsError
    from kitops_core.errors import LostRaceError as LostRaceError
    from kitops_core.errors import NotFoundError as NotFoundError
    from kitops_core.errors import PolicyError as PolicyError
    from kitops_core.errors import RegistryError as RegistryError
    from kitops_core.errors import SourceChangedError as SourceChangedError
    from kitops_core.errors import SourceError as SourceError
    from kitops_core.errors import StoreError as StoreError
    from kitops_core.errors import UnsafeLayerError as UnsafeLayerError
    from kitops_core.errors import VerificationError as VerificationError
    from kitops_core.events import Cancel as Cancel
    from kitops_core.events import Event as Event
    from kitops_core.evidence.attach import Attached as Attached
    from kitops_core.evidence.attach import attach as attach
    from kitops_core.evidence.attest import attest as attest
    from kitops_core.evidence.attest import sign as sign
    from kitops_core.evidence.attest_metrics import attest_metrics as attest_metrics
    from kitops_core.evidence.inputs import Input as Input
    from kitops_core.evidence.keys import PublicKey as PublicKey
    from kitops_core.evidence.keys import SigningKey as SigningKey
    from kitops_core.evidence.keys import generate_key_pair as generate_key_pair
    from kitops_core.evidence.referrers import Referrer as Referrer
    from kitops_core.evidence.referrers import Referrers as Referrers
    from kitops_core.evidence.referrers import referrers as referrers
    from kitops_core.evidence.slsa import Provenance as Provenance
    from kitops_core.evidence.statement import Statement as Statement
    from kitops_core.evidence.statement import Subject as Subject
    from kitops_core.evidence.statements import Evidence as Evidence
    from kitops_core.evidence.verification import VerificationPolicy as VerificationPolicy
    from kitops_core.evidence.verification import Verified as Verified
    from kitops_core.evidence.verify import verify as verify
    from kitops_core.importing.import_kit import describe_import as describe_import
    from kitops_core.importing.import_kit import import_kit as import_kit
    from kitops_core.kitfile import Kitfile as Kitfile
    from kitops_core.kits.assemble import assemble as assemble
    from kitops_core.kits.assemble import pack_layers as pack_layers
    from kitops_core.kits.copy import copy as copy
    from kitops_core.kits.copy import pull as pull
    from kitops_core.kits.copy import push as push
    from kitops_core.kits.diff import KitDiff as KitDiff
    from kitops_core.kits.diff import diff as diff
    from kitops_core.kits.modelkit import ModelKit as ModelKit
    from kitops_core.kits.modelkit import open_kit as _open_kit
    from kitops_core.kits.naming import list_kits as list_kits
    from kitops_core.kits.naming import remove as remove
    from kitops_core.kits.naming import remove_all as remove_all
    from kitops_core.kits.naming import tag as tag
    from kitops_core.kits.pack import pack as pack
    from kitops_core.kits.sign_files import sign_files as sign_files
    from kitops_core.kits.stored_kit import StoredLayer as StoredLayer
    from kitops_core.kits.unpack import Unpacked as Unpacked
    from kitops_core.kits.unpack import unpack as unpack
    from kitops_core.lineages.build import lineage as lineage
    from kitops_core.lineages.lineage import Lineage as Lineage
    from kitops_core.promotion.approve import approve as approve
    from kitops_core.promotion.channel_models import Channel as Channel
    from kitops_core.promotion.channels import ChannelState as ChannelState
    from kitops_core.promotion.channels import channels as channels
    from kitops_core.promotion.gate_result import GateResult as GateResult
    from kitops_core.promotion.history import history as history
    from kitops_core.promotion.policy import PromotionPolicy as PromotionPolicy
    from kitops_core.promotion.policy_file import load_policy as load_policy
    from kitops_core.promotion.promote import promote as promote
    from kitops_core.promotion.promote import rollback as rollback
    from kitops_core.promotion.records import PromotionRecord as PromotionRecord
    from kitops_core.promotion.result import Promotion as Promotion
    from kitops_core.promotion.retention import prune as prune
    from kitops_core.record import LayerRecord as LayerRecord
    from kitops_core.record import ModelKitRecord as ModelKitRecord
    from kitops_core.record import Source as Source
    from kitops_core.reference import Reference as Reference
    from kitops_core.reference import parse_reference as parse_reference
    from kitops_core.sbom.bill import bom as bom
    from kitops_core.serving.image import KitImage as KitImage
    from kitops_core.serving.image import image as image
    from kitops_core.serving.manifests.fill import manifests as manifests
    from kitops_core.serving.materialize import Materialized as Materialized
    from kitops_core.serving.materialize import materialize as materialize
    from kitops_core.serving.vllm import vllm_arguments as vllm_arguments
    from kitops_core.sources.contents import Contents as Contents
    from kitops_core.sources.generate import generate_kitfile as generate_kitfile
    from kitops_core.storage.registry import RegistryOptions as RegistryOptions

    # Type checkers take a name as exported only where it is imported as itself, or assigned.
    open = _open_kit

_HOMES = {
    "kitops_core.errors": (
        "CancelledError ConflictError DeniedError GateRefusedError IntegrityError InvalidInputError "
        "InvalidReferenceError KitfileError KitOpsError LostRaceError NotFoundError PolicyError RegistryError "
        "SourceChangedError SourceError StoreError UnsafeLayerError VerificationError"
    ),
    "kitops_core.events": "Cancel Event",
    "kitops_core.importing.import_kit": "describe_import import_kit",
    "kitops_core.kitfile": "Kitfile",
    "kitops_core.promotion.approve": "approve",
    "kitops_core.promotion.channels": "ChannelState channels",
    "kitops_core.promotion.gate_result": "GateResult",
    "kitops_core.promotion.history": "history",
    "kitops_core.promotion.channel_models": "Channel",
    "kitops_core.promotion.policy": "PromotionPolicy",
    "kitops_core.promotion.policy_file": "load_policy",
    "kitops_core.promotion.promote": "promote rollback",
    "kitops_core.promotion.records": "PromotionRecord",
    "kitops_core.promotion.result": "Promotion",
    "kitops_core.promotion.retention": "prune",
    "kitops_core.evidence.statements": "Evidence",
    "kitops_core.evidence.inputs": "Input",
    "kitops_core.evidence.keys": "generate_key_pair PublicKey SigningKey",
    "kitops_core.evidence.verification": "VerificationPolicy Verified",
    "kitops_core.evidence.slsa": "Provenance",
    "kitops_core.evidence.statement": "Statement Subject",
    "kitops_core.record": "LayerRecord ModelKitRecord Source",
    "kitops_core.reference": "Reference parse_reference",
    "kitops_core.serving.image": "image KitImage",
    "kitops_core.serving.manifests.fill": "manifests",
    "kitops_core.serving.materialize": "Materialized materialize",
    "kitops_core.serving.vllm": "vllm_arguments",
    "kitops_core.storage.registry": "RegistryOptions",
    "kitops_core.kits.assemble": "assemble pack_layers",
    "kitops_core.evidence.attach": "attach Attached",
    "kitops_core.evidence.attest": "attest sign",
    "kitops_core.evidence.attest_metrics": "attest_metrics",
    "kitops_core.sbom.bill": "bom",
    "kitops_core.sources.contents": "Contents",
    "kitops_core.kits.copy": "copy pull push",
    "kitops_core.kits.stored_kit": "StoredLayer",
    "kitops_core.kits.diff": "KitDiff diff",
    "kitops_core.sources.generate": "generate_kitfile",
    "kitops_core.kits.modelkit": "ModelKit open=open_kit",
    "kitops_core.lineages.build": "lineage",
    "kitops_core.lineages.lineage": "Lineage",
    "kitops_core.kits.naming": "list_kits remove remove_all tag",
    "kitops_core.kits.pack": "pack",
    "kitops_core.evidence.referrers": "Referrer Referrers referrers",
    "kitops_core.kits.sign_files": "sign_files",
    "kitops_core.kits.unpack": "Unpacked unpack",
    "kitops_core.evidence.verify": "verify",
}
_EXPORTS = {
    name.partition("=")[0]: (module, name.rpartition("=")[2])
    for module, names in _HOMES.items()
    for name in names.split()
}

__all__ = sorted(_EXPORTS)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    try:
        module, attribute = _EXPORTS[name]
    except KeyError:
        raise AttributeError(f"module 'kitops_core' has no attribute '{name}'") from None
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *_EXPORTS]
