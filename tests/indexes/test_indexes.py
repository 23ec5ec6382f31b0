"""Indexes in the local store and in registries: made, read, chosen from, copied and removed."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
from clients import client
from local_kits import encoded
from signing_tools import new_key
from variants import LABELS, copy_kit_as_others_do, make_index, pack_variant, variants_of

import kitops_core as kitops
from kitops_core import ConflictError, InvalidInputError, NotFoundError, Registries, Variant, WrongKindError
from kitops_core.events import Event
from kitops_core.oci.manifest import sha256_digest
from kitops_core.oci.own_tags import kept_tag
from kitops_core.storage.registry import RegistryRepository


@pytest.fixture
def name(either_registry: str) -> str:
    """A repository that no other test uses, in a registry without the referrers API and with it."""
    return f"{either_registry}/test/{uuid.uuid4().hex[:12]}"


class TestInTheLocalStore:
    def test_the_same_kits_give_the_same_index_in_whatever_order(self, tmp_path: Path) -> None:
        first = make_index(tmp_path, "llm")
        again = kitops.index_kits("llm:again", variants_of("llm")[::-1])
        assert (again.digest, again.changed) == (first.digest, True)
        assert not kitops.index_kits("llm:again", variants_of("llm")).changed
        assert [variant.labels for variant in first.variants or ()] == [LABELS[one] for one in ("f16", "q4_0", "q8_0")]

    def test_it_lies_where_the_reference_keeps_its_indexes(self, tmp_path: Path, home: Path) -> None:
        record = make_index(tmp_path, "llm")
        directory = home / "kitops" / "storage"
        files = encoded("localhost/llm")
        entry = {
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "digest": record.digest,
            "size": len(kitops.index_bytes("llm:all")),
        }
        assert json.loads((directory / "indexes" / f"{files}-tags.json").read_text()) == {"all": entry}
        assert json.loads((directory / "indexes" / f"{files}-index.json").read_text())["manifests"] == [entry]
        assert "all" not in json.loads((directory / f"{files}-tags.json").read_text())
        assert entry in json.loads((directory / "index.json").read_text())["manifests"]

    def test_a_kit_and_an_index_can_share_a_name(self, tmp_path: Path) -> None:
        kit = pack_variant(tmp_path, "llm", "q4_0")
        kitops.tag("llm:q4_0", ["all"])
        index = kitops.index_kits("llm:all", [Variant("llm:q4_0", {"q": "q4_0"})])
        assert kitops.resolve("llm:all") == kit.digest
        assert kitops.index("llm:all").digest == index.digest
        with kitops.open("llm:all?q=q4_0") as chosen:
            assert chosen.digest == kit.digest
        assert kitops.remove("llm:all") == kit.digest
        assert kitops.resolve("llm:all") == index.digest
        kitops.index_delete("llm:all")
        assert kitops.resolve("llm:q4_0") == kit.digest

    def test_it_is_read_and_changed_by_name(self, tmp_path: Path) -> None:
        for one in LABELS:
            pack_variant(tmp_path, "llm", one)
        kitops.index_kits("llm:all")
        kitops.index_add("llm:all", "llm:q4_0", labels=["vram=6GB", "params:=7.0e9"], annotations={"tested": "yes"})
        kitops.index_add("llm:all", "llm:q4_0", labels={"vram": None, "gpu": ["a", "b"]})
        found = kitops.index("llm:all").variants or ()
        assert [(one.labels, one.annotations) for one in found] == [
            ({"params": 7e9, "gpu": ["a", "b"]}, {"tested": "yes"})
        ]
        assert b'"params":7.0e9' in kitops.index_bytes("llm:all")
        assert kitops.index_remove("llm:all", "llm:q4_0").variants == ()

    def test_a_kit_that_is_gone_is_taken_out_by_its_digest_or_the_tag_it_had(self, tmp_path: Path) -> None:
        make_index(tmp_path, "llm")
        kitops.remove("llm:q8_0")
        assert len(kitops.index_remove("llm:all", "llm:q8_0").variants or ()) == 2
        digest = kitops.resolve("llm:q4_0")
        assert len(kitops.index_remove("llm:all", f"llm@{digest}").variants or ()) == 1
        with pytest.raises(NotFoundError, match="does not have"):
            kitops.index_remove("llm:all", f"llm@{digest}")

    def test_what_an_index_needs_stays_when_it_is_removed_and_collected(self, tmp_path: Path) -> None:
        record = make_index(tmp_path, "llm")
        for one in LABELS:
            kitops.remove(f"llm:{one}")
        kitops.gc(grace_seconds=0)
        with kitops.open("llm:all?quantization=q8_0") as kit:
            assert kit.read("q8_0.gguf")
        assert [one.reference for one in kitops.list_kits(indexes=True)] == ["llm:all"]
        kitops.index_delete("llm:all")
        assert len(kitops.gc(grace_seconds=0).removed) > len(record.variants or ())

    def test_a_deleted_index_leaves_its_kits(self, tmp_path: Path) -> None:
        make_index(tmp_path, "llm")
        kitops.tag("llm:all?quantization=q4_0", ["chosen"])
        digest = kitops.index_delete("llm:all")
        kitops.gc(grace_seconds=0)
        assert {one.tag for one in kitops.list_kits(indexes=True)} == {*LABELS, "chosen"}
        with pytest.raises(NotFoundError):
            kitops.index(f"llm@{digest}")

    def test_a_tag_goes_alone_while_others_name_the_index(self, tmp_path: Path) -> None:
        make_index(tmp_path, "llm")
        kitops.tag("llm:all", ["also"])
        kitops.index_delete("llm:all")
        assert kitops.index("llm:also").variants
        assert kitops.index_delete_all() == []
        assert len(kitops.index_delete_all(tagged=True)) == 1

    @pytest.mark.parametrize("kit", ["other:q4_0", "r.example/llm:q4_0"])
    def test_a_kit_of_another_repository_is_refused(self, kit: str) -> None:
        kitops.index_kits("llm:all")
        with pytest.raises(InvalidInputError, match="is not in localhost/llm"):
            kitops.index_add("llm:all", kit)

    def test_a_kit_that_is_pinned_keeps_the_tag_that_it_was_packed_under(self, tmp_path: Path) -> None:
        kits = {one: pack_variant(tmp_path, "llm", one).digest for one in LABELS}
        pinned = [Variant(f"llm:{one}@{digest}", LABELS[one]) for one, digest in kits.items()]
        assert kitops.index_kits("llm:all", pinned).digest == kitops.index_kits("llm:tags", variants_of("llm")).digest
        (bare,) = kitops.index_kits("llm:one", [Variant(f"llm@{kits['f16']}")]).variants or ()
        assert bare.tag == ""

    def test_a_kit_that_is_given_twice_is_refused(self, tmp_path: Path) -> None:
        pack_variant(tmp_path, "llm", "q4_0")
        kitops.tag("llm:q4_0", ["again"])
        with pytest.raises(InvalidInputError, match="llm:q4_0 and llm:again are one kit"):
            kitops.index_kits("llm:all", [Variant("llm:q4_0", {"a": 1}), Variant("llm:again", {"a": 2})])

    def test_a_tag_that_moved_on_still_names_the_kit_that_was_added_by_it(self, tmp_path: Path) -> None:
        first = make_index(tmp_path, "llm")
        (tmp_path / "q4_0.gguf").write_bytes(b"retrained")
        kitops.pack(kitops.Contents(model=tmp_path / "q4_0.gguf", name="llm"), "llm:q4_0")
        events: list[Event] = []
        client(on_event=events.append).index_add("llm:all", "llm:q4_0", labels={"quantization": "q4_0"})
        had = next(one.digest for one in first.variants or () if one.tag == "q4_0")
        (warning,) = [event.detail for event in events if event.phase == "warning"]
        assert warning == f"had {had} as llm:q4_0 already, and keeps it: `kitops index remove` takes it out"
        left = kitops.index_remove("llm:all", "llm:q4_0").variants or ()  # what the tag has now
        assert [one.digest for one in left if one.tag == "q4_0"] == [had]
        assert len(kitops.index_remove("llm:all", "llm:q4_0").variants or ()) == 2  # what was added by it

    def test_kits_with_the_same_labels_are_told_apart_by_their_digests(self, tmp_path: Path) -> None:
        kits = [pack_variant(tmp_path, "llm", one).digest for one in ("q4_0", "q8_0")]
        kitops.index_kits("llm:all", [Variant(f"llm@{digest}", {"a": 1}) for digest in kits])
        with pytest.raises(InvalidInputError, match="2 kits in llm:all have a=1") as raised:
            kitops.open("llm:all?a=1")
        assert "they have the same labels" in raised.value.hint
        assert all(digest in raised.value.message for digest in kits)

    def test_what_is_not_there_or_of_the_wrong_kind_is_said(self, tmp_path: Path) -> None:
        make_index(tmp_path, "llm")
        with pytest.raises(NotFoundError, match="the index llm:none is not in the local store"):
            kitops.index_add("llm:none", "llm:q4_0")
        with pytest.raises(NotFoundError, match="llm:q5 is not in the local store"):
            kitops.index_add("llm:all", "llm:q5")
        with pytest.raises(InvalidInputError, match="must name the index by a tag"):
            kitops.index_kits(f"llm@{kitops.resolve('llm:all')}")
        chosen = "llm:x?quantization=q4_0"
        for write in (
            lambda: kitops.copy("llm:q4_0", chosen, into="store"),
            lambda: kitops.tag("llm:q4_0", [chosen]),
            lambda: kitops.remove(chosen),
            lambda: kitops.pack(tmp_path, chosen),
            lambda: kitops.index_kits(chosen),
            lambda: kitops.list_kits(chosen),
        ):
            with pytest.raises(InvalidInputError, match="chooses a kit of an index"):
                write()
        with pytest.raises(WrongKindError, match="is an index, and the other is one kit"):
            kitops.diff("llm:all", "llm:q4_0")

    def test_an_index_that_the_reference_wrote_is_read(self, tmp_path: Path, home: Path) -> None:
        """By hand, as its source says: entries unsorted, without a type, with white space of another writer."""
        kit = pack_variant(tmp_path, "llm", "q4_0")
        raw = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.index.v1+json",
                "artifactType": "application/vnd.kitops.modelkit.index.v1+json",
                "manifests": [
                    {
                        "mediaType": "application/vnd.oci.image.manifest.v1+json",
                        "digest": kit.digest,
                        "size": 588,
                        "modelMetadata": {"quantization": "q4_0"},
                    }
                ],
            },
            indent=1,
        ).encode()
        store = home / "kitops" / "storage"
        digest = sha256_digest(raw)
        (store / "blobs" / "sha256" / digest[7:]).write_bytes(raw)
        entry = {"mediaType": "application/vnd.oci.image.index.v1+json", "digest": digest, "size": len(raw)}
        (store / "indexes").mkdir()
        name = encoded("localhost/llm")
        (store / "indexes" / f"{name}-index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
        (store / "indexes" / f"{name}-tags.json").write_text(json.dumps({"all": entry}))
        assert kitops.index_bytes("llm:all") == raw
        assert kitops.resolve("llm:all?quantization=q4_0") == kit.digest
        kitops.gc(grace_seconds=0)
        assert kitops.index("llm:all").digest == digest


class TestInARegistry:
    def test_it_is_made_where_its_kits_are(self, tmp_path: Path, name: str) -> None:
        record = make_index(tmp_path, name, push=True)
        assert kitops.list_kits() == []
        found = kitops.list_kits(name, indexes=True)
        assert {one.tag: one.digest for one in found}["all"] == record.digest
        assert len(kitops.list_kits(name)) == 3

    def test_pushed_whole_it_takes_its_kits_along_and_what_they_share_once(self, tmp_path: Path, name: str) -> None:
        record = make_index(tmp_path, name)
        pushed = kitops.push(f"{name}:all")
        assert pushed.digest == record.digest
        layers = {layer.digest: layer for one in LABELS for layer in kitops.open(f"{name}:{one}").manifest.blobs}
        assert pushed.sent == sum(layer.size for layer in layers.values())
        again = kitops.push(f"{name}:all")
        assert (again.sent, again.changed) == (0, False)
        assert kitops.index_bytes(f"{name}:all", where="registry") == kitops.index_bytes(f"{name}:all")

    def test_a_push_sends_only_what_differs(self, tmp_path: Path, name: str) -> None:
        make_index(tmp_path, name)
        kitops.push(f"{name}:all")
        (tmp_path / "q4_0.gguf").write_bytes(b"retrained")
        kit = kitops.pack(kitops.Contents(model=tmp_path / "q4_0.gguf", name="llm"), f"{name}:q4_0")
        kitops.index_kits(f"{name}:all", variants_of(name))
        assert kitops.push(f"{name}:all").sent == kit.size

    def test_kits_that_another_client_pushed_get_a_tag_that_keeps_them(self, tmp_path: Path, name: str) -> None:
        kits = [pack_variant(tmp_path, name, one, push=True).digest for one in LABELS]
        registry, _, path = name.partition("/")
        ours, other = (RegistryRepository(registry, one) for one in (path, f"{path}-other"))
        for digest in kits:
            copy_kit_as_others_do(ours, other, digest)
        kitops.index_kits(f"{other.name}:all", [Variant(f"{other.name}@{digest}") for digest in kits], push=True)
        assert {*map(kept_tag, kits)} < {*other.own_tags()}
        ours.close()
        other.close()

    def test_a_push_does_not_need_the_kits_that_are_there_already(self, tmp_path: Path, name: str) -> None:
        for one in LABELS:
            pack_variant(tmp_path, name, one, push=one != "f16")
        kitops.index_kits(f"{name}:all")
        for one in LABELS:
            where = "store" if one == "f16" else "registry"
            kitops.index_add(f"{name}:all", f"{name}:{one}", where=where)  # type: ignore[arg-type]
        assert kitops.push(f"{name}:all").digest == kitops.resolve(f"{name}:all", where="registry")
        with kitops.open(f"{name}:f16", where="store") as kit, pytest.raises(NotFoundError) as raised:
            kitops.push(f"{name}:all", f"{name}-elsewhere:all")
        assert raised.value.message.partition(": ")[0].endswith("that are not in the local store")
        assert kit.digest not in raised.value.message.partition(": ")[2]

    def test_pushed_alone_it_names_the_kits_that_are_missing(self, tmp_path: Path, name: str) -> None:
        make_index(tmp_path, name)
        kitops.push(f"{name}:f16")
        with pytest.raises(NotFoundError, match=r"not have every kit that the index names: q4_0 .*; q8_0 ") as raised:
            kitops.index_push(f"{name}:all")
        assert "push those kits first" in raised.value.hint
        kitops.push(f"{name}:q4_0")
        kitops.push(f"{name}:q8_0")
        assert kitops.index_push(f"{name}:all").changed

    def test_pulled_alone_it_keeps_its_bytes_and_leaves_the_kits(self, tmp_path: Path, name: str) -> None:
        make_index(tmp_path, name, push=True)
        raw = kitops.index_bytes(f"{name}:all")
        kitops.index_pull(f"{name}:all")
        assert kitops.index_bytes(f"{name}:all", where="store") == raw
        assert kitops.list_kits() == []
        with kitops.open(f"{name}:all?quantization=q4_0") as kit:
            assert kit.remote

    def test_a_pull_takes_the_kit_that_is_chosen_under_the_tag_of_the_index(self, tmp_path: Path, name: str) -> None:
        make_index(tmp_path, name, push=True)
        with pytest.raises(InvalidInputError, match="is an index of 3 kits"):
            kitops.pull(f"{name}:all")
        record = kitops.pull(f"{name}:all?quantization=q8_0")
        assert (record.reference, record.tag) == (f"{name}:all", "all")
        assert kitops.resolve(f"{name}:all", where="store") == record.digest
        unpacked = kitops.unpack(f"{name}:all?vram<=6GB", tmp_path / "out", where="registry")
        assert (tmp_path / "out" / "q4_0.gguf").is_file()
        assert unpacked.reference.startswith(f"{name}:all@sha256:")

    def test_it_is_copied_whole_with_what_is_attached(self, tmp_path: Path, name: str, registry: str) -> None:
        make_index(tmp_path, name, push=True)
        key = new_key("release")
        signer = client(signer=key)
        signer.sign(f"{name}:all")
        signer.sign(f"{name}:q4_0")
        target = f"{registry}/test/{uuid.uuid4().hex[:12]}"
        record = kitops.copy(f"{name}:all", f"{target}:all", referrers=True)
        assert record.digest == kitops.resolve(f"{name}:all")
        assert len(kitops.referrers(f"{target}:all").referrers) == 1
        assert len(kitops.referrers(f"{target}:all?quantization=q4_0").referrers) == 1
        layout = f"oci:{tmp_path / 'layout'}"
        assert kitops.copy(f"{name}:all", f"{layout}:all").digest == record.digest
        assert kitops.resolve(f"{layout}:all?quantization=f16") == kitops.resolve(f"{name}:f16")

    def test_a_signature_on_the_index_holds_for_a_kit_that_is_chosen_of_it(self, tmp_path: Path, name: str) -> None:
        make_index(tmp_path, name, push=True)
        key = new_key("release")
        client(signer=key).sign(f"{name}:all")
        verified = kitops.verify(f"{name}:all?quantization=q4_0", keys=[key.public])
        assert verified.digest == kitops.resolve(f"{name}:q4_0")
        assert kitops.verify(f"{name}:all", keys=[key.public]).digest == kitops.resolve(f"{name}:all")
        with pytest.raises(kitops.VerificationError):
            kitops.verify(f"{name}:q4_0", keys=[key.public])
        kitops.unpack(
            f"{name}:all?quantization=q4_0", tmp_path / "out", verify=kitops.VerificationPolicy(keys=(key.public,))
        )

    def test_who_has_a_signer_signs_the_index_that_is_made_and_signs_it_once(self, tmp_path: Path, name: str) -> None:
        for one in LABELS:
            pack_variant(tmp_path, name, one, push=True)
        key = new_key("release")
        for _ in range(2):
            client(signer=key).index_kits(f"{name}:all", variants_of(name), push=True)
        assert kitops.verify(f"{name}:all?quantization=q4_0", keys=[key.public]).digest
        assert len(kitops.referrers(f"{name}:all").referrers) == 1

    def test_a_kit_that_an_index_needs_is_not_removed_there(self, tmp_path: Path, name: str) -> None:
        make_index(tmp_path, name, push=True)
        with pytest.raises(ConflictError, match=f"is a kit of the index {name}:all"):
            kitops.remove(f"{name}:q4_0", force=True, where="registry")
        kitops.remove(f"{name}:all", force=True, where="registry")
        with pytest.raises(NotFoundError):
            kitops.index(f"{name}:all")

    def test_a_kit_that_is_missing_is_named(self, tmp_path: Path, name: str) -> None:
        make_index(tmp_path, name)
        kitops.index_kits(f"{name}:all", variants_of(name))
        kitops.push(f"{name}:all")
        other = client(store=tmp_path / "other", registries=Registries())
        other.index_pull(f"{name}:all")
        with pytest.raises(NotFoundError, match=r"names the kit q4_0 .*, and it is not there"):
            other.open(f"{name}:all?quantization=q4_0", where="store")

    def test_lineage_bom_and_diff_know_it(self, tmp_path: Path, name: str) -> None:
        make_index(tmp_path, name, push=True)
        lineage = kitops.lineage(f"{name}:all")
        assert len(lineage.nodes) == 4
        assert kitops.bom(f"{name}:all?quantization=q4_0") == kitops.bom(f"{name}:q4_0")
        (tmp_path / "q4_0.gguf").write_bytes(b"retrained")
        kitops.pack(kitops.Contents(model=tmp_path / "q4_0.gguf", name="llm"), f"{name}:q4_1", push=True)
        changed = [Variant(f"{name}:q4_1", LABELS["q4_0"]), Variant(f"{name}:q8_0", {"quantization": "q8"})]
        kitops.index_kits(f"{name}:next", changed, push=True)
        found = kitops.diff(f"{name}:all", f"{name}:next")
        assert [(one.change, one.variant) for one in found.variants] == [
            ("changed", "quantization=q4_0, vram=6GB"),
            ("labelled", "quantization=q8"),
            ("removed", "quantization=f16, vram=24GB"),
        ]

    def test_a_rule_for_what_is_one_kit_is_a_warning(self, tmp_path: Path, name: str) -> None:
        kit = pack_variant(tmp_path, name, "q4_0", push=True)
        events: list[Event] = []
        assert client(on_event=events.append).resolve(f"{name}:q4_0?a=b") == kit.digest
        assert [event.detail for event in events if event.phase == "warning"] == [
            f"{name}:q4_0 is one kit and no index, so that the label a=b chooses nothing"
        ]
