"""The built site in a real browser, read from the disk as a downloaded copy is."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from browser import Page, browser_page

from publishing.site import BUILD

SITE = BUILD / "site"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (SITE / "index.html").exists(), reason="the site is not built: `make docs` builds it"),
]
WIDER = """[...document.querySelectorAll("article *")].filter(shown => {
    if (shown.getBoundingClientRect().right <= innerWidth + 1) return false;
    for (let up = shown.parentElement; up; up = up.parentElement)
        if (getComputedStyle(up).overflowX != "visible") return false;
    return true;
}).map(shown => shown.textContent.slice(0, 40))"""
TEXT = "[...document.querySelectorAll('*')].map(e => e.shadowRoot?.textContent ?? '').join(' ')"


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with browser_page() as shown:
        yield shown


def until(page: Page, script: str) -> None:
    """Wait until an expression is true in the page."""
    end = time.monotonic() + 20
    while not page.run(script):
        assert time.monotonic() < end, script
        time.sleep(0.05)


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", ["index", "airflow", "cli", "promotion-yaml", "performance", "reference/client"])
def test_a_page_fits_its_window_and_fetches_nothing_from_elsewhere(name: str, width: int, page: Page) -> None:
    page.open(SITE / f"{name}.html", width=width)
    assert page.run(f"JSON.stringify({WIDER})") == "[]"
    assert page.run("document.documentElement.scrollWidth <= innerWidth")
    assert [url for url in page.requested if not url.startswith(("file:", "data:"))] == []
    assert page.complaints == []


def test_a_page_is_dark_where_the_reader_wants_it_dark(page: Page) -> None:
    for scheme, dark in (("dark", True), ("light", False)):
        page.open(SITE / "index.html", scheme=scheme)
        background = page.run("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]")
        assert (background < 100) == dark


def test_search_finds_a_verb_in_a_copy_on_a_disk(page: Page) -> None:
    page.open(SITE / "concepts.html")
    until(page, "!!document.querySelector('.md-search__button')")
    page.run("document.querySelector('.md-search__button').click()")
    until(page, "document.activeElement?.shadowRoot != null")
    page.send("Input.insertText", text="rollback")
    until(page, f"/\\d+ results?/.test({TEXT})")
    assert "kitops rollback" in page.run(TEXT)
