"""A catalogue is read from the registry alone, again only for what changed, and says what could not be read."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from catalogs import Namespace, new_namespace
from cli_runner import kit
from fault_proxy import FaultProxy, answer, fault_proxy
from html_reader import texts
from registry_fixture import free_port

import kitops_core as kitops
from kitops_core.catalogs.cache import CACHE_NAME, Cache
from kitops_core.catalogs.site import kit_page, version_page
from kitops_core.events import Control
from kitops_core.oci.blob import BytesSource
from kitops_core.oci.manifest import build_manifest
from kitops_core.oci.media_types import MODELKIT_ARTIFACT, MODELKIT_CONFIG
from kitops_core.storage.registry import RegistryRepository

POLICY = """\
trust: {keys: [release.pub]}
channels:
  dev: {}
  staging: {from: dev, gates: [metric: {name: accuracy, min: 0.5}]}
  prod: {from: staging, soak: 24h, gates: [signed: {}, command: {run: [no-such-program]}]}
"""


@pytest.fixture
def kits(faults: FaultProxy, tmp_path: Path) -> Namespace:
    return new_namespace(tmp_path / "kits", faults.address)


def asked(faults: FaultProxy) -> Counter[str]:
    """How often each kind of thing was asked for since the last look."""
    kinds: Counter[str] = Counter()
    for seen in faults.seen:
        kind = re.search(r"_catalog|tags/list|referrers|blobs|manifests/sha256:|manifests", seen.path)
        assert kind is not None, seen.path
        kinds[f"{seen.method} {kind[0]}"] += 1
    faults.seen.clear()
    return kinds


def test_a_namespace_shows_its_kits_and_their_versions(kits: Namespace, tmp_path: Path) -> None:
    kits.push("churn", "1.9")
    newest = kits.push("churn", "1.10")
    kits.push("churn-other", "1.0")
    kits.client().tag(f"{kits.name}/churn:1.10", ["latest"], where="registry")
    built = kits.client().catalog([f"{kits.name}/"], tmp_path / "site")
    assert (built.kits, built.versions, built.passed_over, built.problems) == (2, 3, 0, ())
    home = texts(built.index)
    assert f"{kits.name.partition('/')[2]}/churn" in home
    page = texts(tmp_path / "site" / version_page(f"{kits.name}/churn", newest))
    assert {"1.10", "latest", newest, "accuracy", "train_churn"} <= set(page)


def test_a_registry_without_a_path_shows_all_it_has(kits: Namespace, faults: FaultProxy, tmp_path: Path) -> None:
    kits.push("churn", "1.0")
    name = kits.name.partition("/")[2]
    faults.fault("GET", "_catalog", answer(200, f'{{"repositories":["{name}/churn"]}}'.encode()))
    built = kits.client().catalog([faults.address], tmp_path / "site")
    assert (built.kits, built.versions) == (1, 1)


def test_what_is_kept_without_a_tag_is_a_version_too(kits: Namespace, tmp_path: Path) -> None:
    for version in ("1", "2"):
        kits.push("churn", version)
        kits.client().tag(f"{kits.name}/churn:{version}", ["dev"], where="registry")
    with kits.client() as client:
        client.pack(kits.root / "churn", f"{kits.name}/loose:dev", push=True)
        (kits.root / "churn" / "model.bin").write_bytes(b"other")
        client.pack(kits.root / "churn", f"{kits.name}/loose:dev", push=True)
    built = kits.client().catalog([f"{kits.name}/loose"], tmp_path / "site")
    assert built.versions == 2


def test_the_second_build_asks_for_tag_lists_and_what_tags_are_and_writes_nothing_again(
    kits: Namespace, faults: FaultProxy, tmp_path: Path
) -> None:
    for version in ("1", "2", "3"):
        kits.push("churn", version)
    kits.client().sign(f"{kits.name}/churn:1", where="registry")
    asked(faults)
    first = kits.client().catalog([f"{kits.name}/"], tmp_path / "site")
    assert asked(faults)["GET blobs"] > 0
    again = kits.client().catalog([f"{kits.name}/"], tmp_path / "site")
    counts = asked(faults)
    assert set(counts) - {"GET referrers"} == {"GET _catalog", "GET tags/list", "HEAD manifests"}
    assert counts["HEAD manifests"] == 6  # three versions, and the list of what is attached to each
    assert (first.written, again.written <= 1, again.versions) == (first.pages, True, 3)


def test_a_registry_with_the_referrers_api_is_asked_for_what_is_attached(
    referrers_registry: str, tmp_path: Path
) -> None:
    with fault_proxy(referrers_registry) as proxy:
        kits = new_namespace(tmp_path / "kits", proxy.address)
        kits.push("churn", "1")
        kits.client().catalog([f"{kits.name}/churn"], tmp_path / "site")
        asked(proxy)
        again = kits.client().catalog([f"{kits.name}/churn"], tmp_path / "site")
        counts = asked(proxy)
    assert counts == {"GET tags/list": 1, "HEAD manifests": 1, "GET referrers": 1}
    assert again.written <= 1


def test_a_new_version_is_read_alone_and_only_its_pages_are_written(
    kits: Namespace, faults: FaultProxy, tmp_path: Path
) -> None:
    for version in ("1", "2"):
        kits.push("churn", version)
        kits.push("fraud", version)
    site = tmp_path / "site"
    kits.client().catalog([f"{kits.name}/"], site)
    before = {path: path.stat().st_mtime_ns for path in site.rglob("*.html")}
    new = kits.push("churn", "3")
    asked(faults)
    built = kits.client().catalog([f"{kits.name}/"], site)
    assert asked(faults)["GET blobs"] == 4  # the Kitfile, the signature, the provenance, the metrics
    written = {path for path in site.rglob("*.html") if before.get(path) != path.stat().st_mtime_ns}
    names = {kit_page(f"{kits.name}/churn"), version_page(f"{kits.name}/churn", new), "index.html", "lineage.html"}
    assert written == {site / name for name in names}
    assert built.written == len(written)


def test_what_is_attached_later_is_shown(kits: Namespace, tmp_path: Path) -> None:
    digest = kits.push("churn", "1", signed=False)
    site, key = tmp_path / "site", kits.root / "release.pub"
    kits.client().catalog([f"{kits.name}/churn"], site, keys=[key])
    page = site / version_page(f"{kits.name}/churn", digest)
    assert "signed by release.pub" not in texts(page)
    kits.client().sign(f"{kits.name}/churn:1", where="registry")
    kits.client().catalog([f"{kits.name}/churn"], site, keys=[key])
    assert "signed by release.pub" in texts(page)


def test_pages_of_what_is_gone_go_and_so_does_what_was_known_of_it(kits: Namespace, tmp_path: Path) -> None:
    kits.push("churn", "1")
    gone = kits.push("churn", "2", description="to be gone")
    site = tmp_path / "site"
    kits.client().catalog([f"{kits.name}/churn"], site)
    page = site / version_page(f"{kits.name}/churn", gone)
    assert page.exists()
    kits.client().remove(f"{kits.name}/churn@{gone}", where="registry")
    built = kits.client().catalog([f"{kits.name}/churn"], site)
    assert (built.versions, page.exists()) == (1, False)
    assert b"to be gone" not in (site / CACHE_NAME).read_bytes()


def test_images_are_passed_over_and_counted(kits: Namespace, tmp_path: Path) -> None:
    kits.push("churn", "1")
    assert kits.client().image(f"{kits.name}/churn:1", tag="1-image", where="registry").digest
    built = kits.client().catalog([f"{kits.name}/churn"], tmp_path / "site")
    assert (built.versions, built.passed_over) == (1, 1)
    assert "1 tag of other artifacts passed over" in texts(built.index)


# --- channels -----------------------------------------------------------------------------------------------------


def test_channels_say_what_waits_and_why_and_a_command_is_not_run(kits: Namespace, tmp_path: Path) -> None:
    policy = kits.policy("churn", POLICY)
    for version in ("1", "2"):
        kits.push("churn", version)
        kits.client().tag(f"{kits.name}/churn:{version}", ["dev"], where="registry")
        kits.client().promote("dev", "staging", policy=policy, note=f"number {version}")
    built = kits.client().catalog([], tmp_path / "site", policies=[policy])
    assert built.waiting == 1
    page = texts(tmp_path / "site" / "channels.html")
    assert "2 of 3 gates refuse." in page or "1 of 3 gates refuses." in page
    assert any(text.startswith(": 0s so far") or "so far" in text for text in page)
    assert "(a command, not run here)" in page
    history = texts(tmp_path / "site" / kit_page(f"{kits.name}/churn"))
    assert {"number 1", "number 2"} <= set(history)
    assert any(text.startswith("layers: 1 changed") and "package.version 1 → 2" in text for text in history)


def test_drift_is_named(kits: Namespace, tmp_path: Path) -> None:
    policy = kits.policy("churn", POLICY)
    kits.push("churn", "1")
    kits.client().tag(f"{kits.name}/churn:1", ["dev"], where="registry")
    kits.client().promote("dev", "staging", policy=policy)
    kits.push("churn", "2")
    kits.client().tag(f"{kits.name}/churn:2", ["staging"], where="registry")
    kits.client().catalog([], tmp_path / "site", policies=[policy])
    assert "drift: something else moved the tag" in texts(tmp_path / "site" / "channels.html")


def test_a_policy_of_the_local_store_is_refused(kits: Namespace, tmp_path: Path) -> None:
    policy = tmp_path / "promotion.yaml"
    policy.write_text("kit: churn\nchannels: {dev: {}}\n")
    with pytest.raises(kitops.InvalidInputError, match="a catalogue is of registries"):
        kits.client().catalog([], tmp_path / "site", policies=[policy])


def test_without_a_policy_promotions_are_shown_as_what_they_are(kits: Namespace, tmp_path: Path) -> None:
    policy = kits.policy("churn", POLICY)
    kits.push("churn", "1")
    kits.client().tag(f"{kits.name}/churn:1", ["dev"], where="registry")
    kits.client(run=kitops.Source(actor="ada")).promote("dev", "staging", policy=policy)
    kits.client().catalog([f"{kits.name}/churn"], tmp_path / "site")
    page = texts(tmp_path / "site" / kit_page(f"{kits.name}/churn"))
    assert {"Promotions", "ada", "staging", "signed, not checked"} <= set(page)
    assert not (tmp_path / "site" / "channels.html").exists()


def test_a_channel_in_another_repository_is_read_and_shown_on_both_pages(kits: Namespace, tmp_path: Path) -> None:
    policy = kits.policy("churn", f"channels: {{dev: {{}}, prod: {{from: dev, target: {kits.name}/released}}}}\n")
    digest = kits.push("churn", "1")
    kits.client().tag(f"{kits.name}/churn:1", ["dev"], where="registry")
    kits.client().promote("dev", "prod", policy=policy)
    built = kits.client().catalog([f"{kits.name}/churn"], tmp_path / "site", policies=[policy])
    assert (built.kits, built.waiting) == (2, 0)
    for name in ("churn", "released"):
        assert f"{kits.name}/released:prod" in texts(tmp_path / "site" / kit_page(f"{kits.name}/{name}"))
        assert (tmp_path / "site" / version_page(f"{kits.name}/{name}", digest)).is_file()


def test_an_index_is_a_version_with_its_variants(kits: Namespace, tmp_path: Path) -> None:
    for version in ("1", "2"):
        kits.push("churn", version)
    variants = [kitops.Variant(f"{kits.name}/churn:{one}", labels={"size": one}) for one in ("1", "2")]
    with kits.client() as client:
        client.index_kits(f"{kits.name}/churn:all", variants, push=True)
    built = kits.client().catalog([f"{kits.name}/churn"], tmp_path / "site")
    assert (built.versions, built.problems) == (3, ())
    assert any("(index of 2)" in text for text in texts(tmp_path / "site" / kit_page(f"{kits.name}/churn")))


# --- what cannot be read ------------------------------------------------------------------------------------------


def test_a_denied_repository_is_named_and_everything_else_is_shown(
    kits: Namespace, faults: FaultProxy, tmp_path: Path
) -> None:
    kits.push("churn", "1")
    kits.push("secret", "1")
    faults.fault("GET", "/secret/tags/list", answer(403), times=9)
    ran = kit("catalog", f"{kits.name}/", "--output", tmp_path / "site")
    assert ran.code == 5
    assert f"{kits.name}/secret" in ran.err
    home = texts(tmp_path / "site" / "index.html")
    assert f"{kits.name}/secret" in home
    assert "1 problem" in home
    assert f"{kits.name.partition('/')[2]}/churn" in home


def test_a_place_that_does_not_answer_is_named_and_everything_else_is_shown(kits: Namespace, tmp_path: Path) -> None:
    kits.push("churn", "1")
    nobody = f"127.0.0.1:{free_port()}"
    places = [f"{nobody}/ml/", f"{nobody}/ml/one", f"{kits.name}/churn"]
    impatient = kitops.Registries(others=kitops.RegistryOptions(keep_trying=0))
    built = kits.client(registries=impatient).catalog(places, tmp_path / "site")
    assert (built.kits, len(built.problems)) == (1, 2)
    assert all(problem.startswith(f"{nobody}/ml/") and "refused" in problem for problem in built.problems)
    assert f"{nobody}/ml/one" in texts(built.index)


def test_where_nothing_can_be_read_the_last_pages_stay(kits: Namespace, faults: FaultProxy, tmp_path: Path) -> None:
    kits.push("churn", "1")
    site = tmp_path / "site"
    kits.client().catalog([f"{kits.name}/churn"], site)
    before = {path: path.read_bytes() for path in site.rglob("*.html")}
    faults.fault("GET", "tags/list", answer(403), times=9)
    with pytest.raises(kitops.DeniedError, match="nothing could be read"):
        kits.client().catalog([f"{kits.name}/churn"], site)
    assert {path: path.read_bytes() for path in site.rglob("*.html")} == before


def test_a_registry_that_does_not_list_is_named_with_what_to_do(
    kits: Namespace, faults: FaultProxy, tmp_path: Path
) -> None:
    kits.push("churn", "1")
    for status in (401, 404, 405):
        faults.fault("GET", "_catalog", answer(status))
        with pytest.raises(kitops.KitOpsError, match="does not list its repositories") as caught:
            kits.client().catalog([f"{kits.name}/"], tmp_path / "site")
        assert f"{kits.name}/my-model" in caught.value.hint
    assert kits.client().catalog([f"{kits.name}/churn"], tmp_path / "site").versions == 1


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("churn", "names no registry"),
        ("r.example.com/ml/churn:1", "names one kit"),
        ("r.example.com/ML/", "not a ModelKit reference"),
    ],
)
def test_a_place_that_is_none_is_an_error(place: str, says: str, tmp_path: Path) -> None:
    ran = kit("catalog", place, "--output", tmp_path / "site")
    assert (ran.code, says in ran.err) == (3, True)


def test_a_namespace_without_anything_is_not_found(kits: Namespace, tmp_path: Path) -> None:
    with pytest.raises(kitops.NotFoundError, match="no repository or namespace"):
        kits.client().catalog([f"{kits.name}/"], tmp_path / "site")


def test_a_broken_kit_is_a_problem_and_an_unknown_artifact_is_not(kits: Namespace, tmp_path: Path) -> None:
    kits.push("churn", "1")
    registry, _, name = f"{kits.name}/churn".partition("/")
    with closing(RegistryRepository(registry, name)) as storage:
        for tag, kind in (("broken", MODELKIT_CONFIG), ("chart", "application/vnd.cncf.helm.config.v1+json")):
            config = storage.write_blob(BytesSource(b"no Kitfile", kind), Control()).descriptor
            artifact = MODELKIT_ARTIFACT if tag == "broken" else ""
            storage.put_manifest(build_manifest(artifact_type=artifact, config=config, layers=[]), [tag])
    built = kits.client().catalog([f"{kits.name}/churn"], tmp_path / "site")
    assert (built.versions, built.passed_over, len(built.problems)) == (1, 1, 1)
    assert built.problems[0].startswith(f"{kits.name}/churn: ")


# --- the folder ---------------------------------------------------------------------------------------------------


def test_a_folder_with_files_of_others_is_refused(kits: Namespace, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "thesis.tex").write_text("mine")
    with pytest.raises(kitops.ConflictError, match=r"thesis\.tex"):
        kits.client().catalog([f"{kits.name}/churn"], site)
    assert [path.name for path in site.iterdir()] == ["thesis.tex"]


def test_two_builds_at_once_do_not_mix(kits: Namespace, tmp_path: Path) -> None:
    kits.push("churn", "1")
    site = tmp_path / "site"
    site.mkdir()
    with Cache(site), pytest.raises(kitops.ConflictError, match="another process"):
        kits.client().catalog([f"{kits.name}/churn"], site)


def test_a_damaged_cache_is_thrown_away(kits: Namespace, tmp_path: Path) -> None:
    kits.push("churn", "1")
    site = tmp_path / "site"
    kits.client().catalog([f"{kits.name}/churn"], site)
    (site / CACHE_NAME).write_bytes(b"damaged" * 1000)
    assert kits.client().catalog([f"{kits.name}/churn"], site).versions == 1


def test_what_was_altered_in_the_cache_is_not_believed(kits: Namespace, tmp_path: Path) -> None:
    kits.push("churn", "1", description="honest")
    site = tmp_path / "site"
    kits.client().catalog([f"{kits.name}/churn"], site)
    with sqlite3.connect(site / CACHE_NAME) as db:
        db.execute("UPDATE content SET data = CAST(replace(CAST(data AS TEXT), 'honest', 'forged') AS BLOB)")
        db.execute("DELETE FROM fact")
    kits.client().catalog([f"{kits.name}/churn"], site)
    assert "forged" not in (site / kit_page(f"{kits.name}/churn")).read_text()


def test_a_build_that_is_stopped_changes_no_page(
    kits: Namespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kits.push("churn", "1")
    site = tmp_path / "site"
    kits.client().catalog([f"{kits.name}/churn"], site)
    before = {path: path.read_bytes() for path in site.rglob("*.html")}
    kits.push("churn", "2")
    cancel = kitops.Cancel()

    def stop(*_: object) -> None:
        cancel.cancel()

    monkeypatch.setattr("kitops_core.catalogs.pages.kit.size_chart", stop)
    with pytest.raises(kitops.CancelledError):
        kits.client(cancel=cancel).catalog([f"{kits.name}/churn"], site)
    assert {path: path.read_bytes() for path in site.rglob("*.html")} == before
    monkeypatch.undo()
    assert kits.client().catalog([f"{kits.name}/churn"], site).versions == 2
    assert {path.name for path in site.iterdir()} == {
        *("index.html", "lineage.html", "style.css", "kits", CACHE_NAME),
    }
