"""The pages as people see them: in a real browser, from a file and from a server, light and dark, wide and narrow."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from browser import Page, browser_page
from catalogs import new_namespace
from clients import close_clients
from html_reader import Reader
from lineages import HOSTILE
from page_checks import CONTRASTS, STICKING_OUT

from kitops_core.catalogs.site import kit_page, version_page
from kitops_core.wording import printable

POLICY = """\
trust: {keys: [release.pub]}
channels:
  dev: {}
  staging: {from: dev}
  prod: {from: staging, soak: 24h, gates: [signed: {}], approvals: {keys: [release.pub]}}
"""
PAGES = ("home", "channels", "lineage", "kit", "version", "hostile kit", "hostile version")


@pytest.fixture(scope="module")
def site(registry: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A catalogue of three kits, one of them made from another, and one whose every text tries to get out."""
    root = tmp_path_factory.mktemp("catalogue")
    kits = new_namespace(root / "kits", registry)
    base = kits.push("tabular-base", "7", description="A base for models of tables.")
    policy = kits.policy("churn", POLICY)
    for version in ("1.0", "2.0"):
        digest = kits.push("churn", version, size=2000, parents=(f"{kits.name}/tabular-base@{base}",))
        kits.client().tag(f"{kits.name}/churn:{version}", ["dev"], where="registry")
        kits.client().promote("dev", "staging", policy=policy, note=HOSTILE)
    said = {"kit_name": HOSTILE, "prompt": HOSTILE, "metric": HOSTILE, "description": HOSTILE, "license": HOSTILE}
    hostile = kits.push("hostile", "1", signed=False, **said)
    kits.push("hostile", "2", signed=False, description=HOSTILE + HOSTILE, parents=("s3://lake/<b>x</b>.csv",))
    folder = root / "site"
    kits.client().catalog([f"{kits.name}/"], folder, policies=[policy])
    close_clients()
    return {
        "folder": folder,
        "home": folder / "index.html",
        "channels": folder / "channels.html",
        "lineage": folder / "lineage.html",
        "kit": folder / kit_page(f"{kits.name}/churn"),
        "version": folder / version_page(f"{kits.name}/churn", digest),
        "hostile kit": folder / kit_page(f"{kits.name}/hostile"),
        "hostile version": folder / version_page(f"{kits.name}/hostile", hostile),
    }


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    with browser_page() as page:
        yield page


def test_every_link_leads_to_a_page_and_to_a_place_on_it(site: dict[str, Path]) -> None:
    seen = 0
    for path in site["folder"].rglob("*.html"):
        for tag, attributes in Reader(path.read_text()).elements:
            target = urlsplit(attributes.get("href") or "")
            if tag not in ("a", "link") or target.scheme in ("http", "https"):
                continue
            assert not target.scheme, target
            there = (path.parent / unquote(target.path)).resolve() if target.path else path
            assert there.is_file(), (path.name, target)
            if target.fragment:
                identities = [each.get("id") for _, each in Reader(there.read_text()).elements]
                assert identities.count(target.fragment) == 1, (path.name, target.fragment)
            seen += 1
    assert seen > 50


def test_no_page_has_a_script_or_anything_to_fetch_but_its_style(site: dict[str, Path]) -> None:
    for path in site["folder"].rglob("*.html"):
        elements = Reader(path.read_text()).elements
        assert not [tag for tag, _ in elements if tag in ("script", "img", "iframe", "object", "style", "form")]
        assert not [name for _, each in elements for name in each if name.startswith("on") or name == "style"]
        assert [each["rel"] for tag, each in elements if tag == "link"] == ["stylesheet"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["home", "channels", "kit", "version"])
def test_every_text_stands_out(browser: Page, site: dict[str, Path], name: str, scheme: str) -> None:
    browser.open(site[name], scheme=scheme)
    contrasts = browser.run(CONTRASTS)
    assert len(contrasts) > 20
    assert [(text, round(ratio, 2)) for text, ratio in contrasts if ratio < 4.5] == []


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("name", PAGES)
def test_nothing_sticks_out(browser: Page, site: dict[str, Path], name: str, width: int) -> None:
    browser.open(site[name], width=width)
    assert browser.run(STICKING_OUT) == [False, []]


@pytest.mark.parametrize("name", PAGES)
def test_from_a_file_only_the_style_is_fetched_and_nothing_is_refused(
    browser: Page, site: dict[str, Path], name: str
) -> None:
    browser.open(site[name])
    assert browser.requested == [site[name].as_uri(), (site["folder"] / "style.css").as_uri()]
    assert browser.complaints == []
    assert browser.run("getComputedStyle(document.querySelector('nav')).borderBottomWidth") == "1px"


def test_from_a_server_it_is_the_same(browser: Page, site: dict[str, Path]) -> None:
    serve = functools.partial(_Quiet, directory=str(site["folder"]))
    with ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        root = f"http://127.0.0.1:{server.server_address[1]}/"
        path = site["version"].relative_to(site["folder"]).as_posix()
        browser.visit(root + path)
        assert [url for url in browser.requested if "favicon" not in url] == [root + path, f"{root}style.css"]
        assert browser.run("getComputedStyle(document.querySelector('nav')).borderBottomWidth") == "1px"
        server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize("name", ["home", "kit", "hostile kit", "hostile version"])
def test_hostile_text_is_shown_as_text(browser: Page, site: dict[str, Path], name: str) -> None:
    browser.open(site[name])
    assert browser.run("document.querySelectorAll('img,script,iframe').length") == 0
    assert browser.run("document.title") != "owned"
    assert printable(HOSTILE) in browser.run("document.body.textContent")
    if name == "hostile version":  # its name, description, licence, prompt and metric
        assert browser.run("document.body.textContent").count("<img src=x onerror=alert(1)>") >= 5
        assert "<b>prompt.md" in browser.run("document.body.textContent")
    assert browser.run("[...document.links].filter(a => a.href.startsWith('javascript:')).length") == 0


def test_should_a_script_get_in_the_browser_would_not_run_it(
    browser: Page, site: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "kits" / "one").mkdir(parents=True)
    (tmp_path / "style.css").write_bytes((site["folder"] / "style.css").read_bytes())
    broken = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"></body>"
    path = tmp_path / "kits" / "one" / "broken.html"
    path.write_text(site["kit"].read_text().replace("</body>", broken))
    browser.open(path)
    assert browser.run("document.title") != "owned"
    assert browser.complaints


def test_the_way_through_the_pages_goes_by_the_keyboard_alone(browser: Page, site: dict[str, Path]) -> None:
    browser.open(site["home"])
    browser.press("Tab")
    assert browser.run("document.activeElement.className") == "skip"
    for _ in range(12):
        if browser.run("document.activeElement.textContent").endswith("/churn"):
            break
        browser.press("Tab")
    browser.follow("Enter")
    assert browser.run("location.pathname").endswith("churn/index.html")
    assert browser.run("document.querySelector('h1').textContent").endswith("/churn")


def test_a_card_of_the_graph_leads_to_the_page_of_that_version(browser: Page, site: dict[str, Path]) -> None:
    browser.open(site["version"])
    browser.run("document.querySelector('a.node:not(.root)').focus()")
    browser.follow("Enter")
    assert browser.run("document.querySelector('h1').firstChild.textContent").strip() == "tabular-base"
    assert "churn" in browser.run("document.querySelector('[aria-label=\"What was made from it\"]').textContent")


@pytest.mark.parametrize("name", PAGES)
def test_it_says_what_it_is_to_those_who_do_not_see_it(browser: Page, site: dict[str, Path], name: str) -> None:
    browser.open(site[name])
    assert browser.run("document.documentElement.lang") == "en"
    levels = browser.run("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => Number(h.tagName[1]))")
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise([0, *levels]))
    assert browser.run("[...document.querySelectorAll('th')].every(h => h.scope === 'col')")
    unnamed = "[...document.querySelectorAll('a')].filter(a => !a.textContent.trim() && !a.ariaLabel).length"
    assert browser.run(unnamed) == 0
    assert browser.run("document.querySelectorAll('[id]').length") == browser.run(
        "new Set([...document.querySelectorAll('[id]')].map(e => e.id)).size"
    )


def test_the_pages_name_the_kits_pipelines_and_those_who_signed(browser: Page, site: dict[str, Path]) -> None:
    browser.open(site["lineage"])
    drawn = browser.run("[...document.querySelectorAll('a.node > title')].map(t => t.textContent)")
    assert {"ModelKit, churn 2.0, signed by release.pub", "Pipeline, train_churn"} <= set(drawn)
    browser.open(site["kit"])
    shown = browser.run("document.body.textContent")
    for text in ("signed by release.pub", "airflow train_churn", "waits for prod", "approved by release.pub"):
        assert text in shown
    assert browser.run("document.querySelectorAll('.chart rect').length") == 2
