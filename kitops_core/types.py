"""What the public functions take, return and raise, imported when it is first used.

Public functions name their types as ``types.ModelKit``, so that reading their annotations imports what they name, and
calling them imports only what they need.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kitops_core.catalogs.build import Catalogue as Catalogue
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
    from kitops_core.errors import WrongKindError as WrongKindError
    from kitops_core.events import Cancel as Cancel
    from kitops_core.events import Event as Event
    from kitops_core.evidence.attach import Attached as Attached
    from kitops_core.evidence.inputs import Input as Input
    from kitops_core.evidence.referrers import Referrer as Referrer
    from kitops_core.evidence.referrers import Referrers as Referrers
    from kitops_core.evidence.slsa import Provenance as Provenance
    from kitops_core.evidence.statement import Statement as Statement
    from kitops_core.evidence.statement import Subject as Subject
    from kitops_core.evidence.statements import Evidence as Evidence
    from kitops_core.evidence.verification import VerificationPolicy as VerificationPolicy
    from kitops_core.evidence.verification import Verified as Verified
    from kitops_core.indexes.verbs import Variant as Variant
    from kitops_core.kitfile import KitEntry as KitEntry
    from kitops_core.kitfile import Kitfile as Kitfile
    from kitops_core.kits.diff import KitDiff as KitDiff
    from kitops_core.kits.diff_files import FileChange as FileChange
    from kitops_core.kits.modelkit import ModelKit as ModelKit
    from kitops_core.kits.packing import Packing as Packing
    from kitops_core.kits.plan import PackPlan as PackPlan
    from kitops_core.kits.plan import PlannedLayer as PlannedLayer
    from kitops_core.kits.stored_kit import StoredLayer as StoredLayer
    from kitops_core.kits.unpack import Unpacked as Unpacked
    from kitops_core.layers.left_out import LeftOut as LeftOut
    from kitops_core.layers.publish import Existing as Existing
    from kitops_core.lineages.graph import Edge as Edge
    from kitops_core.lineages.graph import Node as Node
    from kitops_core.lineages.lineage import Lineage as Lineage
    from kitops_core.objects.location import FileSystemPath as FileSystemPath
    from kitops_core.objects.location import Location as Location
    from kitops_core.oci.manifest import Descriptor as Descriptor
    from kitops_core.oci.manifest import Manifest as Manifest
    from kitops_core.openlineage.operation import Operation as Operation
    from kitops_core.promotion.channel_models import Channel as Channel
    from kitops_core.promotion.channels import ChannelState as ChannelState
    from kitops_core.promotion.gate_result import GateResult as GateResult
    from kitops_core.promotion.policy import PromotionPolicy as PromotionPolicy
    from kitops_core.promotion.promote_all import ChannelOutcome as ChannelOutcome
    from kitops_core.promotion.promote_all import PromotedAll as PromotedAll
    from kitops_core.promotion.records import PromotionRecord as PromotionRecord
    from kitops_core.promotion.result import Promotion as Promotion
    from kitops_core.promotion.retention import Prunable as Prunable
    from kitops_core.record import LayerRecord as LayerRecord
    from kitops_core.record import ModelKitRecord as ModelKitRecord
    from kitops_core.record import Source as Source
    from kitops_core.record import VariantRecord as VariantRecord
    from kitops_core.reference import Reference as Reference
    from kitops_core.reference import Where as Where
    from kitops_core.registries import Registries as Registries
    from kitops_core.serving.image import KitImage as KitImage
    from kitops_core.serving.manifests.choices import ManifestOptions as ManifestOptions
    from kitops_core.serving.manifests.fill import Promoting as Promoting
    from kitops_core.serving.materialize import Materialized as Materialized
    from kitops_core.serving.resolved import Selection as Selection
    from kitops_core.serving.storage_initializer import Initialized as Initialized
    from kitops_core.signing.keys import PublicKey as PublicKey
    from kitops_core.signing.keys import SigningKey as SigningKey
    from kitops_core.sources.contents import Contents as Contents
    from kitops_core.storage.local.gc import GcReport as GcReport
    from kitops_core.storage.registry.options import RegistryOptions as RegistryOptions

_HOMES = {
    "catalogs.build": "Catalogue",
    "errors": (
        "CancelledError ConflictError DeniedError GateRefusedError IntegrityError InvalidInputError "
        "InvalidReferenceError KitfileError KitOpsError LostRaceError NotFoundError PolicyError RegistryError "
        "SourceChangedError SourceError StoreError UnsafeLayerError VerificationError WrongKindError"
    ),
    "events": "Cancel Event",
    "evidence.attach": "Attached",
    "evidence.inputs": "Input",
    "openlineage.operation": "Operation",
    "signing.keys": "PublicKey SigningKey",
    "evidence.referrers": "Referrer Referrers",
    "evidence.slsa": "Provenance",
    "evidence.statement": "Statement Subject",
    "evidence.statements": "Evidence",
    "evidence.verification": "VerificationPolicy Verified",
    "indexes.verbs": "Variant",
    "kitfile": "KitEntry Kitfile",
    "kits.diff": "KitDiff",
    "kits.diff_files": "FileChange",
    "kits.modelkit": "ModelKit",
    "kits.packing": "Packing",
    "kits.plan": "PackPlan PlannedLayer",
    "kits.stored_kit": "StoredLayer",
    "kits.unpack": "Unpacked",
    "layers.left_out": "LeftOut",
    "layers.publish": "Existing",
    "lineages.graph": "Edge Node",
    "lineages.lineage": "Lineage",
    "objects.location": "FileSystemPath Location",
    "oci.manifest": "Descriptor Manifest",
    "promotion.channel_models": "Channel",
    "promotion.channels": "ChannelState",
    "promotion.gate_result": "GateResult",
    "promotion.policy": "PromotionPolicy",
    "promotion.promote_all": "ChannelOutcome PromotedAll",
    "promotion.records": "PromotionRecord",
    "promotion.result": "Promotion",
    "promotion.retention": "Prunable",
    "record": "LayerRecord ModelKitRecord Source VariantRecord",
    "reference": "Reference Where",
    "registries": "Registries",
    "serving.image": "KitImage",
    "serving.manifests.choices": "ManifestOptions",
    "serving.manifests.fill": "Promoting",
    "serving.materialize": "Materialized",
    "serving.resolved": "Selection",
    "serving.storage_initializer": "Initialized",
    "sources.contents": "Contents",
    "storage.local.gc": "GcReport",
    "storage.registry.options": "RegistryOptions",
}
_MODULES = {name: f"kitops_core.{module}" for module, names in _HOMES.items() for name in names.split()}

NAMES = frozenset(_MODULES)
"""The names of all these types."""


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *_MODULES]
