"""ModelKit indexes: read with tolerance, bytes kept, written as the reference CLI writes them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kitops_core.errors import IntegrityError, InvalidInputError, NotFoundError, WrongKindError
from kitops_core.indexes.edit import build_index, edit, edits_of, new_entry
from kitops_core.kitfile.entries import is_modelkit_reference
from kitops_core.oci.choosing import Rule, choose, parse_rules
from kitops_core.oci.kit_index import MAX_VARIANTS, KitIndex, parse_any, parse_index
from kitops_core.oci.manifest import Descriptor, Manifest, build_manifest, parse_manifest
from kitops_core.oci.media_types import MODELKIT_ARTIFACT, MODELKIT_CONFIG
from kitops_core.reference import parse_name, parse_reference

EMPTY = (
    b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json",'
    b'"artifactType":"application/vnd.kitops.modelkit.index.v1+json","manifests":[]}'
)
"""What ``kit index create`` writes."""

DIGEST = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def kit(size: int = 10, artifact_type: str = MODELKIT_ARTIFACT) -> Manifest:
    config = Descriptor(MODELKIT_CONFIG, DIGEST, 2)
    layer = Descriptor("application/vnd.kitops.modelkit.model.v1.tar", "sha256:" + "a" * 64, size)
    return build_manifest(artifact_type=artifact_type, config=config, layers=[layer])


def index_of(*entries: str) -> KitIndex:
    return parse_index(EMPTY.replace(b"[]", f"[{','.join(entries)}]".encode()), "it")


def entry_text(digest: str = DIGEST, labels: str = "", more: str = "") -> str:
    metadata = f',"modelMetadata":{labels}' if labels else ""
    kind = "application/vnd.oci.image.manifest.v1+json"
    return f'{{"mediaType":"{kind}","digest":"{digest}","size":649{more}{metadata}}}'


def digest_of(letter: str) -> str:
    return "sha256:" + letter * 64


class TestWriting:
    def test_an_empty_index_has_the_bytes_of_the_reference(self) -> None:
        assert build_index([]).raw == EMPTY

    def test_an_entry_has_the_bytes_of_the_reference(self) -> None:
        manifest = kit(2048)
        edits = edits_of(
            ["vram=6GB", "quantization=q4_0", 'archs:=["sm_80", "sm_90"]', "params:=7.0e9", "note=a<b & ä"],
            ["org.example.tested=true"],
        )
        entry = (
            f'{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{manifest.digest}",'
            f'"size":{len(manifest.raw)},"annotations":{{"ml.kitops.modelkit.original-tag":"q4_0",'
            '"ml.kitops.modelkit.size":"2048","org.example.tested":"true"},'
            '"artifactType":"application/vnd.kitops.modelkit.manifest.v1+json",'
            '"modelMetadata":{"archs":["sm_80","sm_90"],"note":"a\\u003cb \\u0026 ä","params":7.0e9,'
            '"quantization":"q4_0","vram":"6GB"}}'
        )
        assert build_index([edit(new_entry(manifest, "q4_0"), edits)]).raw == index_of(entry).raw

    def test_a_kit_that_is_named_by_its_digest_has_no_tag_and_an_old_one_gets_its_type(self) -> None:
        entry = build_index([new_entry(kit(artifact_type=""))]).entries[0]
        assert (entry.tag, entry.size, entry.descriptor.artifact_type) == ("", 10, MODELKIT_ARTIFACT)

    def test_the_order_of_adding_does_not_matter(self) -> None:
        entries = [edit(new_entry(kit(size), str(size)), edits_of({"size": size}, ())) for size in (3, 1, 2)]
        assert build_index(entries).raw == build_index(entries[::-1]).raw

    def test_what_is_unknown_survives_a_change(self) -> None:
        before = index_of(entry_text(labels='{ "n" : 1.50 }', more=',"x":{"y":  1.0}'))
        raw = before.raw.replace(b'"manifests"', b'"annotations":{"a":"b"},"later":[1,  2.0],"manifests"')
        changed = build_index(parse_index(raw, "it").entries, parse_index(raw, "it")).raw.decode()
        assert changed.endswith('"annotations":{"a":"b"},"later":[1,2.0]}')
        assert '"modelMetadata":{"n":1.50},"x":{"y":1.0}' in changed

    def test_labels_merge_into_those_an_entry_has(self) -> None:
        first = edit(new_entry(kit(), "a"), edits_of({"keep": [1], "go": "x", "set": 1}, {"note": "old"}))
        again = edit(new_entry(kit()), edits_of({"go": None, "set": True}, ["note-"]), first)
        assert (again.values, again.annotations, again.tag) == ({"keep": [1], "set": True}, {}, "a")
        assert edit(new_entry(kit()), edits_of(["keep-", "set-"], ()), again).labels == {}

    @pytest.mark.parametrize(
        ("labels", "annotations", "says"),
        [
            (["bad"], [], "'bad' is not a change of a label"),
            (["=x"], [], "'=x' is not a change"),
            (["a b=c"], [], "'a b' is not a label's name"),
            (["Example.com/gpu=c"], [], "is not a label's name"),
            (["a=1", "a=2"], [], "the label 'a' is given twice"),
            (["a:=[1"], [], "'a:=[1' is not JSON"),
            (["a:=NaN"], [], "is not JSON"),
            ([], ["a:=1"], "annotations are text"),
            ([], ["ml.kitops.modelkit.size=1"], "cannot be set"),
            ([], ["ml.kitops.modelkit.size-"], "cannot be set"),
            ({"a": float("nan")}, {}, "no JSON value"),
            ({"a": object()}, {}, "no JSON value"),
            ({}, {"a": 1}, "must have a name, and text"),
        ],
    )
    def test_what_cannot_be_written_is_named(self, labels: Any, annotations: Any, says: str) -> None:
        with pytest.raises(InvalidInputError, match=says.replace("[", r"\[")):
            edits_of(labels, annotations)

    def test_a_label_may_have_a_domain(self) -> None:
        assert list(edits_of(["example.com/gpu=a100"], ()).labels) == ["example.com/gpu"]


class TestReading:
    def test_bytes_are_kept_and_labels_stay_the_json_they_are(self) -> None:
        labels = '{ "a" : 7000000000 , "b":{"bytes": 6442450944},"c" : ["x" ,"\\u00e4"], "d":1.0}'
        index = index_of(entry_text(labels=labels))
        assert parse_index(index.raw, "it").digest == index.digest
        assert dict(index.entries[0].labels) == {
            "a": "7000000000",
            "b": '{"bytes": 6442450944}',
            "c": '["x" ,"\\u00e4"]',
            "d": "1.0",
        }
        assert index.entries[0].values["c"] == ["x", "ä"]

    def test_a_plain_oci_index_is_read_and_said_to_be_one(self) -> None:
        found = parse_any(f'{{"schemaVersion":2,"manifests":[{entry_text()}]}}'.encode(), "it")
        assert isinstance(found, KitIndex)
        assert not found.is_modelkit_index
        assert index_of().is_modelkit_index

    @pytest.mark.parametrize(
        ("raw", "says"),
        [
            (b'{"schemaVersion":1,"manifests":[]}', "schemaVersion 1 is not 2"),
            (b'{"schemaVersion":2,"manifests":{}}', "manifests must be a list"),
            (b'{"schemaVersion":2,"manifests":[{}]}', "entry 0: mediaType is missing"),
            (b'{"schemaVersion":2,"manifests":[],"annotations":{"a":1}}', "annotations must map"),
            (b'{"schemaVersion":2,"manifests":[],"artifactType":1}', "artifactType must be a string"),
            (f'{{"schemaVersion":2,"manifests":[{entry_text(labels="[1]")}]}}'.encode(), "must be an object"),
            (b'{"schemaVersion":2,"manifests":[' + b"1," * MAX_VARIANTS + b"1]}", "the limit is"),
            (b'{"schemaVersion":2,"manifests":[}', "not JSON"),
        ],
    )
    def test_what_is_no_index_is_named_with_its_fault(self, raw: bytes, says: str) -> None:
        with pytest.raises(IntegrityError, match=says):
            parse_any(raw, "it")

    def test_where_a_kit_is_wanted_an_index_is_of_the_wrong_kind(self) -> None:
        with pytest.raises(WrongKindError, match="it is an index of several manifests, not one kit") as raised:
            parse_manifest(EMPTY, "it")
        assert raised.value.exit_code == 3

    def test_a_size_that_is_no_number_is_unknown(self) -> None:
        notes = ',"annotations":{"ml.kitops.modelkit.size":"12x","ml.kitops.modelkit.original-tag":"t"}'
        entry = index_of(entry_text(more=notes)).entries[0]
        assert (entry.size, entry.tag, entry.annotations) == (None, "t", {})


class TestChoosing:
    def index(self) -> KitIndex:
        rows = [
            ("a", '{"q":"q4","vram":"6GB","gpu":["t4","a100"],"params":7000000000}', 1),
            ("b", '{"q":"q8","vram":"12GB","gpu":"a100","params":7000000000}', 2),
            ("c", '{"q":"f16","vram":"24GB","gpu":"h100","params":13000000000,"ok":true}', 3),
        ]
        notes = ',"annotations":{"ml.kitops.modelkit.size":"%d","ml.kitops.modelkit.original-tag":"%s"}'
        return index_of(*(entry_text(digest_of(tag), labels, notes % (size, tag)) for tag, labels, size in rows))

    def chosen(self, *rules: str, machine: tuple[Rule, ...] = ()) -> str:
        return choose(self.index(), rules, "r.example/m:all", lambda: machine).tag

    @pytest.mark.parametrize(
        ("rules", "tag"),
        [
            (["q=q4"], "a"),
            (["q=q8", "gpu=a100"], "b"),
            (["params=13000000000"], "c"),
            (["ok=true"], "c"),
            (['gpu=["t4","a100"]'], "a"),
            (["gpu=t4"], "a"),
            (["vram<=8GB"], "a"),
            (["vram<=12GB"], "b"),
            (["vram <= 100GB"], "c"),
            (["vram>=13GB"], "c"),
            (["gpu in (a100, t4)"], "b"),
            (["vram<=24GB", "gpu in (a100)"], "b"),
            (["params<=7e9"], "b"),
        ],
    )
    def test_rules_leave_one_and_of_several_that_fit_the_largest(self, rules: list[str], tag: str) -> None:
        assert self.chosen(*rules) == tag

    def test_auto_is_what_the_machine_has_where_a_kit_says_what_it_needs(self) -> None:
        has = Rule("vram", "<=", (str(16 * 1024**3),), optional=True)
        absent = Rule("memory", "<=", ("1",), optional=True)
        assert self.chosen("auto", machine=(has, absent)) == "b"
        assert self.chosen("auto", "q=q4", machine=(has,)) == "a"

    def test_where_none_fits_the_error_lists_what_there_is(self) -> None:
        with pytest.raises(NotFoundError, match=r"all has q=q5\. There are:\n  r\.example/m:a  \(gpu="):
            self.chosen("q=q5")

    def test_where_several_are_equal_the_error_asks_for_more(self) -> None:
        with pytest.raises(InvalidInputError, match="have params=7000000000") as raised:
            self.chosen("params=7000000000")
        assert raised.value.hint == "add labels until one is left"

    def test_without_a_rule_the_error_says_how_to_choose(self) -> None:
        with pytest.raises(InvalidInputError, match=r"is an index of 3 kits:\n  r\.example/m:a") as raised:
            self.chosen()
        assert raised.value.hint == "say which with --label (-l): -l q=q4"

    def test_an_empty_index_has_nothing_to_choose(self) -> None:
        with pytest.raises(NotFoundError, match="an index without any kit"):
            choose(index_of(), ["q=q4"], "it", list)

    def test_an_index_within_an_index_is_refused(self) -> None:
        nested = entry_text().replace("image.manifest", "image.index")
        with pytest.raises(IntegrityError, match="and not a kit") as raised:
            choose(index_of(nested), ["q=q4"], "it", list)
        assert "index of indexes" in raised.value.hint

    @pytest.mark.parametrize("text", ["q", "q<5", "<=5", "vram<=much", "q in ()", "q in (a,)", "q in a", " =x"])
    def test_a_rule_that_is_none_is_named(self, text: str) -> None:
        with pytest.raises(InvalidInputError, match="does not say which variant"):
            parse_rules([text])

    def test_one_label_cannot_be_two_things(self) -> None:
        with pytest.raises(InvalidInputError, match="q is asked for twice: q=a and q=b"):
            parse_rules(["q=a", "q=b"])


class TestReferences:
    @pytest.mark.parametrize(
        ("text", "select"),
        [
            ("r.example/m:all?q=q4", ("q=q4",)),
            ("r.example/m:all?vram<=24GB&gpu in (a,b)", ("vram<=24GB", "gpu in (a,b)")),
            ("m?auto", ("auto",)),
            ("oci:/tmp/x:all?q=q4", ("q=q4",)),
            ("r.example/m:all?q=a%26b", ("q=a&b",)),
            ("oci:/tmp/what?:all", ()),
        ],
    )
    def test_a_reference_says_after_a_question_mark_which_kit(self, text: str, select: tuple[str, ...]) -> None:
        reference = parse_reference(text)
        assert reference.select == select
        assert parse_reference(str(reference)) == reference

    @pytest.mark.parametrize("text", ["r.example/m:all?", "r.example/m?a=b&", "?a=b"])
    def test_one_that_does_not_say_it_is_refused(self, text: str) -> None:
        with pytest.raises(InvalidInputError):
            parse_reference(text)

    def test_what_is_written_chooses_nothing(self) -> None:
        with pytest.raises(InvalidInputError, match="only what is read can be chosen") as raised:
            parse_name("r.example/m:all?q=q4")
        assert raised.value.hint == "write r.example/m:all"
        assert not is_modelkit_reference("r.example/m:all?q=q4")

    def test_tags_and_digests_of_it_choose_nothing(self) -> None:
        reference = parse_reference("r.example/m:all?q=q4")
        assert not reference.with_tag("x").select
        assert not reference.with_digest(DIGEST).select
        assert str(reference.whole) == "r.example/m:all"

    def test_its_digest_is_of_the_bytes(self) -> None:
        assert json.loads(build_index([]).raw)["manifests"] == []
