"""Writing an index: as the reference CLI writes one, and so that the same kits give the same bytes.

Entries are sorted by the tag they were added by and then by digest, so that it does not matter in which order mapped
tasks came to an end. What is unknown to us in an entry or beside the entries is kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kitops_core.errors import InvalidInputError
from kitops_core.kitfile.go_json import dumps, text
from kitops_core.oci import media_types
from kitops_core.oci.json_text import compact, members
from kitops_core.oci.kit_index import LABELS, MAX_VARIANTS, IndexEntry, KitIndex, parse_index
from kitops_core.oci.manifest import Manifest

RESERVED = "ml.kitops.modelkit."
"""What the keys of annotations that the tools record themselves begin with."""

_KEY = re.compile(  # as of a label in Kubernetes, lengths and all
    r"(?:(?=[^/]{1,253}/)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*/)?"
    r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)
_INDEX_FIELDS = ("schemaVersion", "mediaType", "artifactType", "manifests", "subject", "annotations")
_ENTRY_FIELDS = ("mediaType", "digest", "size", "urls", "annotations", "data", "platform", "artifactType", LABELS)


@dataclass(frozen=True)
class Edits:
    """What is to be changed of the labels and annotations of an entry.

    Attributes:
        labels: Labels to set, each as JSON text.
        annotations: Annotations to set.
        no_labels: Labels to take away.
        no_annotations: Annotations to take away.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    no_labels: Sequence[str] = ()
    no_annotations: Sequence[str] = ()

    @staticmethod
    def given(labels: Mapping[str, Any], annotations: Mapping[str, str]) -> Edits:
        """Labels and annotations as values; one that is ``None`` is taken away.

        Raises:
            InvalidInputError: A key or value cannot be written.
        """
        try:
            texts = {key: dumps(json.loads(json.dumps(value, allow_nan=False))) for key, value in labels.items()}
        except (TypeError, ValueError) as error:
            raise InvalidInputError(f"a label is no JSON value: {error}") from None
        gone = [key for key, value in labels.items() if value is None]
        bare = [key for key, value in annotations.items() if value is None]
        return Edits(
            {key: value for key, value in texts.items() if key not in gone},
            {key: value for key, value in annotations.items() if key not in bare},
            gone,
            bare,
        ).checked()

    def checked(self) -> Edits:
        """The same.

        Raises:
            InvalidInputError: A key does not follow the grammar, or an annotation is reserved or no text.
        """
        for key in self.labels:
            if not _KEY.fullmatch(key):
                raise InvalidInputError(
                    f"'{key}' is not a label's name",
                    hint="a name has up to 63 letters, digits, '-', '_' and '.', begins and ends with a letter or "
                    "digit, and may have a domain and '/' before it: example.com/gpu",
                )
        for key in (*self.annotations, *self.no_annotations):
            if key.startswith(RESERVED):
                raise InvalidInputError(
                    f"the annotation '{key}' cannot be set",
                    hint=f"names that begin with {RESERVED} are kept for the tools",
                )
        for key, value in self.annotations.items():
            if not key or not isinstance(value, str):
                raise InvalidInputError(f"the annotation '{key}' must have a name, and text as its value")
        return self


def edits_of(labels: Mapping[str, Any] | Sequence[str], annotations: Mapping[str, Any] | Sequence[str]) -> Edits:
    """What is to be changed, given as values by key, or as the reference CLI writes it.

    Raises:
        InvalidInputError: A key or value cannot be written, or a text is of no form known.
    """
    valued = Edits.given(*(given if isinstance(given, Mapping) else {} for given in (labels, annotations)))
    texts = parse_edits(*(() if isinstance(given, Mapping) else given for given in (labels, annotations)))
    return Edits(
        {**valued.labels, **texts.labels},
        {**valued.annotations, **texts.annotations},
        [*valued.no_labels, *texts.no_labels],
        [*valued.no_annotations, *texts.no_annotations],
    )


def parse_edits(labels: Sequence[str], annotations: Sequence[str]) -> Edits:
    """Read ``key=value``, ``key:=JSON`` and ``key-`` as the reference CLI does; annotations have no JSON.

    Raises:
        InvalidInputError: One is of another form, or of a key that was given already.
    """
    said, gone = _parse(labels, "label")
    noted, dropped = _parse(annotations, "annotation")
    for key, (value, is_json) in noted.items():
        if is_json:
            raise InvalidInputError(
                f"the annotation '{key}:={value}' is JSON, and annotations are text", hint="write key=value"
            )
    texts = {key: _json_text(key, value) if is_json else text(value) for key, (value, is_json) in said.items()}
    return Edits(texts, {key: value for key, (value, _) in noted.items()}, gone, dropped).checked()


def _parse(given: Sequence[str], kind: str) -> tuple[dict[str, tuple[str, bool]], list[str]]:
    found: dict[str, tuple[str, bool]] = {}
    gone: list[str] = []
    for one in given:
        key, equals, value = one.partition("=")
        is_json = bool(equals) and key.endswith(":")
        removes = not equals and one.endswith("-")
        key = key[:-1] if is_json or removes else key
        if not key or not (equals or removes):
            raise InvalidInputError(
                f"'{one}' is not a change of a{'n' if kind == 'annotation' else ''} {kind}",
                hint="write key=value to set one, key- to remove it"
                + (", key:=JSON for a JSON value" if kind == "label" else ""),
            )
        if key in found or key in gone:
            raise InvalidInputError(f"the {kind} '{key}' is given twice", hint="give each key once")
        if removes:
            gone.append(key)
        else:
            found[key] = (value, is_json)
    return found, gone


def _json_text(key: str, value: str) -> str:
    try:
        json.loads(value, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise InvalidInputError(
            f"the label '{key}:={value}' is not JSON", hint=f"write {key}={value} for text"
        ) from None
    return compact(value)


def _no_constant(name: str) -> None:
    raise ValueError(name)


def new_entry(kit: Manifest, tag: str = "") -> IndexEntry:
    """The entry of a kit without labels: what it is, the tag it was named by, and the bytes of its layers."""
    notes = {media_types.ANNOTATION_SIZE: str(sum(layer.size for layer in kit.layers))}
    if tag:
        notes[media_types.ANNOTATION_ORIGINAL_TAG] = tag
    kind = kit.artifact_type or {
        media_types.MODELKIT_CONFIG: media_types.MODELKIT_ARTIFACT,
        media_types.MODELPACK_CONFIG: media_types.MODELPACK_ARTIFACT,
    }.get(kit.config.media_type, "")
    raw = {
        "mediaType": text(kit.media_type),
        "digest": text(kit.digest),
        "size": str(len(kit.raw)),
        "annotations": _annotations(notes),
        **({"artifactType": text(kind)} if kind else {}),
    }
    return _parsed(raw)


def edit(entry: IndexEntry, edits: Edits, before: IndexEntry | None = None) -> IndexEntry:
    """An entry with labels and annotations merged into those it had.

    Args:
        entry: What :func:`new_entry` says of the kit now.
        edits: The changes.
        before: The entry that the index had of that digest, whose labels, annotations and unknown fields stay.
    """
    had = before or entry
    notes = {**had.descriptor.annotations, **entry.descriptor.annotations, **edits.annotations}
    labels = {**had.labels, **edits.labels}
    notes = {key: value for key, value in notes.items() if key not in edits.no_annotations}
    labels = {key: value for key, value in labels.items() if key not in edits.no_labels}
    raw = {**had.raw, **entry.raw, "annotations": _annotations(notes)}
    raw.pop(LABELS, None)
    if labels:
        raw[LABELS] = "{" + ",".join(f"{text(key)}:{compact(value)}" for key, value in sorted(labels.items())) + "}"
    return _parsed(raw)


def build_index(entries: Iterable[IndexEntry], before: KitIndex | None = None) -> KitIndex:
    """Write an index.

    Args:
        entries: Its entries, in any order; of one digest, the last.
        before: The index that it takes the place of, whose annotations and unknown fields stay.

    Raises:
        InvalidInputError: There are too many entries.
    """
    unique = {entry.digest: entry for entry in entries}
    if len(unique) > MAX_VARIANTS:
        raise InvalidInputError(f"an index of {len(unique)} kits is too large", hint=f"the limit is {MAX_VARIANTS}")
    ordered = sorted(unique.values(), key=lambda entry: (entry.tag, entry.digest))
    had = {key: compact(value) for key, value in members(before.raw.decode()).items()} if before else {}
    fields = {
        **had,
        "schemaVersion": "2",
        "mediaType": text(media_types.IMAGE_INDEX),
        "artifactType": text(media_types.MODELKIT_INDEX),
        "manifests": "[" + ",".join(_object(entry.raw, _ENTRY_FIELDS) for entry in ordered) + "]",
    }
    return parse_index(_object(fields, _INDEX_FIELDS).encode(), "the new index")


def _object(fields: Mapping[str, str], order: Sequence[str]) -> str:
    known = [key for key in order if key in fields]
    others = [key for key in fields if key not in order]
    return "{" + ",".join(f"{text(key)}:{compact(fields[key])}" for key in (*known, *others)) + "}"


def _annotations(notes: Mapping[str, str]) -> str:
    return dumps(dict(sorted(notes.items())))


def _parsed(raw: Mapping[str, str]) -> IndexEntry:
    whole = '{"schemaVersion":2,"mediaType":' + text(media_types.IMAGE_INDEX)
    body = f'{whole},"manifests":[{_object(raw, _ENTRY_FIELDS)}]}}'
    return parse_index(body.encode(), "the new entry").entries[0]
