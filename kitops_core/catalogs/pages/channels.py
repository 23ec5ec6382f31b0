"""The page of all channels: a board over every policy."""

from __future__ import annotations

from kitops_core.catalogs.pages.channel_parts import board_inputs, board_parts
from kitops_core.catalogs.pages.frame import CHANNELS, badges, frame, kit_link
from kitops_core.catalogs.site import Page, Site
from kitops_core.lineages.markup import Markup, element
from kitops_core.wording import count_text


def channels_page(site: Site) -> Page:
    """The page; what it shows of a version is its title, which only changes with its facts."""
    inputs = [[board_inputs(board) for board in site.boards], [kit.name for kit in site.kits]]
    return Page(CHANNELS, inputs, lambda: _render(site))


def _render(site: Site) -> str:
    total = sum(len(board.channels) for board in site.boards)
    drift = sum(bool(view.state.drift) for board in site.boards for view in board.channels)
    counts = [(f"{count_text(total, 'channel')} of {count_text(len(site.boards), 'kit')}", "plain")]
    counts.append((f"{site.waiting} with one waiting", "warn" if site.waiting else "good"))
    if drift:
        counts.append((f"{drift} moved by something else", "bad"))
    header = element("header", element("p", "Promotion", class_="over"), element("h1", "Channels"), badges(*counts))
    return frame(site, CHANNELS, "Channels", header, *(_board(site, index) for index in range(len(site.boards))))


def _board(site: Site, index: int) -> Markup:
    board = site.boards[index]
    known = board.kit in site.by_name
    name = kit_link("", board.kit) if known else board.kit.partition("/")[2]
    return element("section", element("h2", name), board_parts(site, board, ""), aria_label=board.kit)
