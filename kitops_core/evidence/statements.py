"""What is attached to a manifest: statements, signed or not, and other blobs, as OCI referrers.

Signed statements are written and read as cosign v3 does it, so that both see each other's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING

from kitops_core.errors import IntegrityError, NotFoundError
from kitops_core.events import Control
from kitops_core.evidence.bundle import BUNDLE, Bundle, build_bundle, parse_bundle
from kitops_core.evidence.dsse import Envelope
from kitops_core.evidence.identifiers import current
from kitops_core.evidence.predicate_types import (
    ANNOTATION_PREDICATE,
    ANNOTATION_UNSIGNED_PREDICATE,
    annotated_type,
    predicate_name,
)
from kitops_core.evidence.statement import PAYLOAD_TYPE, Statement
from kitops_core.evidence.statement_bytes import StatementMemory, kind_of, only_layer, statement_in
from kitops_core.oci import media_types
from kitops_core.oci.blob import BlobSource, BytesSource
from kitops_core.oci.manifest import Descriptor, Manifest, build_manifest
from kitops_core.parallel import run_all
from kitops_core.storage import Storage
from kitops_core.storage.limits import check_referrers

if TYPE_CHECKING:
    from kitops_core.signing.keys import PublicKey, SigningKey

ANNOTATION_CONTENT = "dev.sigstore.bundle.content"

MAX_TOTAL_BYTES = 256 * 1024 * 1024
"""How much memory the statements of one manifest take, about; those that would take more are not read."""
_MAX_KEPT_BYTES = 64 * 1024
_AHEAD = 32
"""How many referrers are fetched side by side before the next ones are; each is at most two of the above."""


@dataclass(frozen=True)
class Evidence:
    """One referrer of a manifest, with the statement it holds, if any.

    Attributes:
        digest: Digest of the referrer's own manifest.
        subject: Digest of the manifest it is attached to.
        artifact_type: The referrer's artifact type.
        predicate_type: The predicate type of the statement, ours in its current form; empty where there is none.
        statement: The statement, ``None`` where there is none or it could not be read.
        bundle: The bundle with the signature, ``None`` where the statement is unsigned.
        annotations: The referrer's annotations.
        title: The file name that its layer is annotated with, or an empty string.
        size: Bytes of its layers.
        created: When it was made as its annotation says it (RFC 3339), or an empty string; not to be trusted.
        problem: Why it could not be read, or an empty string.
    """

    digest: str
    subject: str
    artifact_type: str
    predicate_type: str = ""
    statement: Statement | None = field(default=None, repr=False)
    bundle: Bundle | None = field(default=None, repr=False)
    annotations: Mapping[str, str] = field(default_factory=dict)
    title: str = ""
    size: int = 0
    created: str = ""
    problem: str = ""

    def verified_by(self, keys: Sequence[PublicKey]) -> PublicKey | None:
        """The key that signed the statement, if it is one of these and the statement is about :attr:`subject`."""
        if self.bundle is None or self.statement is None or not self.statement.about(self.subject):
            return None
        return self.bundle.envelope.verified_by(keys)


def attach_statement(
    storage: Storage,
    subject: Descriptor,
    statement: Statement,
    *,
    key: SigningKey | None = None,
    control: Control | None = None,
    created: datetime | None = None,
) -> Evidence:
    """Attach a statement to a manifest, signed where a key is given. The manifest itself does not change.

    See :func:`write_statements` for the arguments and the errors.
    """
    ((referrer, evidence),) = write_statements(storage, subject, [statement], key=key, control=control, created=created)
    storage.put_manifest(referrer)
    return evidence


def write_statements(
    storage: Storage,
    subject: Descriptor,
    statements: Sequence[Statement],
    *,
    key: SigningKey | None = None,
    control: Control | None = None,
    created: datetime | None = None,
    mount_from: Sequence[str] = (),
) -> list[tuple[Manifest, Evidence]]:
    """Write the blobs of statements, all at once; they are attached once the storage has their manifests too.

    Args:
        storage: Where the manifest is.
        subject: The manifest's descriptor.
        statements: What to attach.
        key: Sign with it, as cosign does.
        control: Progress and cancelling.
        created: The time to stamp on the referrers, ``None`` for now.
        mount_from: Names of other repositories that have the empty config.

    Returns:
        Each referrer's manifest, and what will be read back from it.

    Raises:
        InvalidInputError: A predicate cannot be written as JSON.
        DeniedError, RegistryError, StoreError: The storage refused or failed.
    """
    if not statements:
        return []
    when = (created or datetime.now(timezone.utc)).astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    written = [_Written.of(statement, key, when) for statement in statements]

    config, layers = _write_blobs(storage, [each.source for each in written], control or storage.control, mount_from)
    return [each.referrer(subject, config, layer) for each, layer in zip(written, layers, strict=True)]


@dataclass(frozen=True)
class _Written:
    """A statement as it is attached."""

    statement: Statement
    bundle: Bundle | None
    data: bytes
    kind: str
    annotations: Mapping[str, str]

    @classmethod
    def of(cls, statement: Statement, key: SigningKey | None, when: str) -> _Written:
        payload = statement.to_json()
        created = {media_types.ANNOTATION_CREATED: when}
        if key is None:
            said = {ANNOTATION_UNSIGNED_PREDICATE: statement.predicate_type, **created}
            return cls(statement, None, payload, PAYLOAD_TYPE, said)
        bundle = build_bundle(Envelope.sign(PAYLOAD_TYPE, payload, key), key.public.hint)
        said = {ANNOTATION_CONTENT: "dsse-envelope", ANNOTATION_PREDICATE: statement.predicate_type, **created}
        return cls(statement, bundle, bundle.raw, BUNDLE, said)

    @property
    def source(self) -> BytesSource:
        return BytesSource(self.data, self.kind, predicate_name(self.statement.predicate_type))

    def referrer(self, subject: Descriptor, config: Descriptor, layer: Descriptor) -> tuple[Manifest, Evidence]:
        manifest = _attached(subject, config, layer, self.kind, self.annotations)
        return manifest, Evidence(
            digest=manifest.digest,
            subject=subject.digest,
            artifact_type=self.kind,
            predicate_type=self.statement.predicate_type,
            statement=self.statement,
            bundle=self.bundle,
            annotations=self.annotations,
            size=len(self.data),
            created=self.annotations[media_types.ANNOTATION_CREATED],
        )


def attach_blob(
    storage: Storage,
    subject: Descriptor,
    data: bytes | BlobSource,
    *,
    artifact_type: str,
    media_type: str = "",
    title: str = "",
    annotations: Mapping[str, str] | None = None,
    control: Control | None = None,
) -> Descriptor:
    """Attach any blob to a manifest. The same blob attached twice is one referrer.

    Args:
        storage: Where the manifest is.
        subject: The manifest's descriptor.
        data: The blob.
        artifact_type: What it is: ``application/vnd.cyclonedx+json``.
        media_type: The blob's own media type, where it is another.
        title: A file name for those who fetch it.
        annotations: Annotations of the referrer.
        control: Progress and cancelling.

    Returns:
        The referrer's descriptor.

    Raises:
        IntegrityError: The bytes are not those the source announced.
        DeniedError, RegistryError, StoreError: The storage refused or failed.
    """
    control = control or storage.control
    kind = media_type or artifact_type
    source = BytesSource(data, kind, title or artifact_type) if isinstance(data, bytes) else data
    config, (written,) = _write_blobs(storage, [source], control)
    titled = {media_types.ANNOTATION_TITLE: title} if title else {}
    layer = Descriptor(kind, written.digest, written.size, titled)
    manifest = _attached(subject, config, layer, artifact_type, annotations or {})
    storage.put_manifest(manifest)
    return manifest.descriptor


def _write_blobs(
    storage: Storage, sources: Sequence[BlobSource], control: Control, mount_from: Sequence[str] = ()
) -> tuple[Descriptor, list[Descriptor]]:
    """Write the empty config of referrers, and what each of them holds; none waits for another."""
    empty = BytesSource(media_types.EMPTY_CONFIG_BYTES, media_types.EMPTY_CONFIG)

    def write(source: BlobSource, linked: Control) -> Descriptor:
        mounted = mount_from if source is empty else ()
        return storage.write_blob(source, linked, mount_from=mounted).descriptor

    config, *layers = run_all([partial(write, source) for source in (empty, *sources)], control, at_once=True)
    return config, layers


def _attached(
    subject: Descriptor, config: Descriptor, layer: Descriptor, artifact_type: str, annotations: Mapping[str, str]
) -> Manifest:
    return build_manifest(
        artifact_type=artifact_type,
        config=config,
        layers=[layer],
        annotations=annotations,
        subject=Descriptor(subject.media_type, subject.digest, subject.size),
    )


def read_evidence(
    storage: Storage, digest: str, *, predicate_type: str = "", control: Control | None = None
) -> list[Evidence]:
    """What is attached to a manifest, oldest listed first. Nothing is verified yet.

    A referrer that cannot be read is in the list with its ``problem``.

    Args:
        storage: Where the manifest is.
        digest: The manifest's digest.
        predicate_type: Only statements of this type; those that are annotated as another are not fetched.
        control: Progress and cancelling.

    Raises:
        IntegrityError: There are too many referrers.
        DeniedError, RegistryError, StoreError: The storage refused or failed.
    """
    return EvidenceReader(storage, digest, control).read(predicate_type)


def read_referrer(storage: Storage, digest: str, control: Control | None = None) -> Evidence:
    """One referrer by its own digest or tag, with the statement it holds. Nothing is verified yet.

    Raises:
        NotFoundError: It is not there.
        IntegrityError: It is no manifest, or is attached to nothing.
        DeniedError, RegistryError, StoreError: The storage refused or failed.
    """
    manifest = storage.manifest(digest)
    if manifest.subject is None:
        raise IntegrityError(f"{storage.name}@{manifest.digest} is attached to nothing")
    return _read(
        storage, manifest, manifest.subject.digest, StatementMemory(MAX_TOTAL_BYTES), control or storage.control
    )


class EvidenceReader:
    """Reads what is attached to one manifest: the list at once, and each referrer once, when it is asked for.

    Attributes:
        referrers: The list.
        manifests: Manifests of those that were read, by digest; without the largest ones.

    Args:
        storage: Where the manifest is.
        digest: The manifest's digest.
        control: Progress and cancelling.

    Raises:
        IntegrityError: There are too many referrers.
        DeniedError, RegistryError, StoreError: The storage refused or failed.
    """

    def __init__(self, storage: Storage, digest: str, control: Control | None = None) -> None:
        self._storage = storage
        self._digest = digest
        self._control = control or storage.control
        self.referrers = storage.referrers(digest)
        self.manifests: dict[str, Manifest] = {}
        check_referrers(f"{storage.name}@{digest}", len(self.referrers))
        self._found: dict[str, Evidence] = {}
        self._ahead: dict[str, tuple[Manifest, bytes | None] | None] = {}
        self._memory = StatementMemory(MAX_TOTAL_BYTES)

    def read(self, predicate_type: str = "") -> list[Evidence]:
        """What is attached, or the statements of one type; see :func:`read_evidence`."""
        wanted = [
            referrer
            for referrer in self.referrers
            if not predicate_type or annotated_type(referrer.annotations) in ("", predicate_type)
        ]
        found: list[Evidence] = []
        for start in range(0, len(wanted), _AHEAD):
            batch = wanted[start : start + _AHEAD]
            tasks = [partial(self._fetch, one.digest) for one in batch if one.digest not in self._found]
            self._ahead = dict(zip((task.args[0] for task in tasks), run_all(tasks, self._control), strict=True))
            found += map(self._evidence, batch)  # counted in the list's order, whatever came first
        return [one for one in found if one.problem or predicate_type in ("", one.predicate_type)]

    def _fetch(self, digest: str, control: Control) -> tuple[Manifest, bytes | None] | None:
        """A referrer's manifest, and its statement where that is small; ``None`` where it cannot be read."""
        control.check()
        try:
            manifest = self._storage.manifest(digest)
            kind = kind_of(manifest)
            sizes = [layer.size for layer in manifest.layers if layer.media_type == kind]
            small = len(manifest.raw) <= _MAX_KEPT_BYTES and sum(sizes) <= _MAX_KEPT_BYTES
            if not small or kind not in (BUNDLE, PAYLOAD_TYPE) or len(sizes) != 1:
                return manifest, None
            return manifest, only_layer(self._storage, manifest, kind, digest, control)
        except (NotFoundError, IntegrityError):
            return None  # said by whoever asks for it

    def _evidence(self, referrer: Descriptor) -> Evidence:
        if referrer.digest not in self._found:
            ahead = self._ahead.pop(referrer.digest, None)
            try:
                manifest = ahead[0] if ahead else self._storage.manifest(referrer.digest)
                self._memory.take(manifest.raw, f"{self._storage.name}@{referrer.digest}")
            except (NotFoundError, IntegrityError) as error:
                return Evidence(referrer.digest, self._digest, referrer.artifact_type, problem=str(error))
            if len(manifest.raw) <= _MAX_KEPT_BYTES:
                self.manifests[manifest.digest] = manifest
            self._found[referrer.digest] = _read(
                self._storage, manifest, self._digest, self._memory, self._control, ahead[1] if ahead else None
            )
        return self._found[referrer.digest]


def _read(
    storage: Storage,
    manifest: Manifest,
    digest: str,
    memory: StatementMemory,
    control: Control,
    raw: bytes | None = None,
) -> Evidence:
    where = f"{storage.name}@{manifest.digest}"
    kind = kind_of(manifest)
    size = sum(layer.size for layer in manifest.layers)
    created = manifest.annotations.get(media_types.ANNOTATION_CREATED, "")
    bundle, statement, problem = None, None, ""
    try:
        if manifest.subject is None or manifest.subject.digest != digest:
            raise IntegrityError(f"{where} is listed as attached to {digest}, and is attached to another manifest")
        if kind in (BUNDLE, PAYLOAD_TYPE):
            raw = only_layer(storage, manifest, kind, where, control) if raw is None else raw
            memory.take(raw, where)
            bundle = parse_bundle(raw, where) if kind == BUNDLE else None
            if bundle is not None:
                memory.take(bundle.envelope.payload, where)
            statement = statement_in(bundle, raw, where)
    except (NotFoundError, IntegrityError) as error:
        problem = str(error)
    return Evidence(
        digest=manifest.digest,
        subject=digest,
        artifact_type=kind,
        predicate_type=current(statement.predicate_type) if statement else "",
        statement=statement,
        bundle=bundle,
        annotations=manifest.annotations,
        title=next((layer.annotations.get(media_types.ANNOTATION_TITLE, "") for layer in manifest.layers), ""),
        size=size,
        created=created,
        problem=problem,
    )
