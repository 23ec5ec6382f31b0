"""The lineage page as people see it: looked at in a real browser, light and dark, wide and narrow."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from browser import Page, browser_page
from lineages import HOSTILE, churn, hostile
from page_checks import CONTRASTS, STICKING_OUT

from kitops_core.lineages.lineage import Lineage
from kitops_core.wording import printable

SCHEMES, WIDTHS = ("light", "dark"), (360, 1280)


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    with browser_page() as page:
        yield page


@pytest.fixture(params=["churn", "hostile"])
def written(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    made: Lineage = {"churn": churn, "hostile": hostile}[request.param]()
    path = tmp_path / "lineage.html"
    path.write_text(made.to_html(), encoding="utf-8")
    return path


def shown(browser: Page, tmp_path: Path, lineage: Lineage, **how: Any) -> Page:
    path = tmp_path / "lineage.html"
    path.write_text(lineage.to_html(), encoding="utf-8")
    browser.open(path, **how)
    return browser


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_text_stands_out_from_what_is_behind_it(browser: Page, tmp_path: Path, scheme: str) -> None:
    page = shown(browser, tmp_path, churn(), scheme=scheme)
    contrasts = page.run(CONTRASTS)
    assert len(contrasts) > 100
    assert [(text, round(ratio, 2)) for text, ratio in contrasts if ratio < 4.5] == []


def test_the_colours_follow_the_scheme(browser: Page, tmp_path: Path) -> None:
    back = "getComputedStyle(document.body).backgroundColor"
    seen = {scheme: shown(browser, tmp_path, churn(), scheme=scheme).run(back) for scheme in SCHEMES}
    assert seen["light"] != seen["dark"]


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_sticks_out(browser: Page, written: Path, width: int) -> None:
    browser.open(written, width=width)
    assert browser.run("innerWidth") == width
    assert browser.run(STICKING_OUT) == [False, []]


def test_nothing_is_asked_of_any_network_and_nothing_is_refused(browser: Page, written: Path) -> None:
    browser.open(written)
    assert browser.requested == [written.as_uri()]
    assert browser.complaints == []


def test_hostile_text_is_shown_as_text(browser: Page, tmp_path: Path) -> None:
    page = shown(browser, tmp_path, hostile())
    assert page.run("document.querySelectorAll('img,script,iframe').length") == 0
    assert page.run("document.title") != "owned"
    assert page.run("document.querySelector('h1').firstChild.textContent").strip() == printable(HOSTILE)
    assert page.run("[...document.links].map(a => a.href).filter(h => h.startsWith('javascript:')).length") == 0


def test_should_a_script_get_in_the_browser_would_not_run_it(browser: Page, tmp_path: Path) -> None:
    path = tmp_path / "broken.html"
    broken = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"></body>"
    path.write_text(churn().to_html().replace("</body>", broken), encoding="utf-8")
    browser.open(path)
    assert browser.run("document.title") == "churn 2.4.0: lineage"
    assert browser.complaints


def test_the_whole_page_can_be_used_with_the_keyboard(browser: Page, tmp_path: Path) -> None:
    page = shown(browser, tmp_path, churn())
    reached = []
    for _ in range(40):
        page.press("Tab")
        reached.append(page.run("document.activeElement.getAttribute('href') || document.activeElement.tagName"))
    nodes = churn().nodes
    assert {"#kit", *(f"#node-{index}" for index in range(1, len(nodes))), "SUMMARY"} <= set(reached)


def test_a_card_leads_to_its_part_of_the_page_and_unfolds_it(browser: Page, tmp_path: Path) -> None:
    page = shown(browser, tmp_path, churn())
    page.run("document.querySelector('a[href=\"#node-1\"]').focus()")
    page.press("Enter")
    assert page.run("location.hash") == "#node-1"
    assert page.run("document.getElementById('node-1').closest('details').open")


def test_on_a_narrow_screen_the_kit_is_seen_first(browser: Page, tmp_path: Path) -> None:
    page = shown(browser, tmp_path, churn(), width=360)
    box = "document.querySelector('.root .card').getBoundingClientRect()"
    assert page.run(f"{box}.left") >= 0
    assert page.run(f"{box}.right") <= 360


def test_no_text_sticks_out_of_its_card(browser: Page, tmp_path: Path) -> None:
    page = shown(browser, tmp_path, churn())
    script = """[...document.querySelectorAll('a.node')].flatMap(a => [...a.querySelectorAll('text')].filter(
      t => t.getBoundingClientRect().right > a.querySelector('.card').getBoundingClientRect().right
    ).map(t => t.textContent))"""
    assert page.run(script) == []


def test_on_paper_it_is_light_and_all_of_it_is_there(browser: Page, tmp_path: Path) -> None:
    page = shown(browser, tmp_path, churn(), scheme="dark", media="print")
    assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.run("document.getElementById('node-1').checkVisibility({contentVisibilityAuto: true})")
    assert page.run("document.getElementById('node-1').getBoundingClientRect().height") > 50


def test_it_says_what_it_is_to_those_who_do_not_see_it(browser: Page, tmp_path: Path) -> None:
    page = shown(browser, tmp_path, churn())
    assert page.run("document.documentElement.lang") == "en"
    tree = page.send("Accessibility.getFullAXTree")["nodes"]
    seen = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in tree if not node["ignored"]]
    assert ("link", "ModelKit, churn 2.4.0, signed by release.pub, ci.pub") in seen
    assert ("link", "ModelKit, encoder, denied") in seen
    levels = page.run("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => Number(h.tagName[1]))")
    assert all(after - before <= 1 for before, after in pairwise([0, *levels]))
