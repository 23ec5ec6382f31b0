"""The first page: every kit on one line, and what could not be read."""

from __future__ import annotations

from kitops_core.catalogs.kits import Kit
from kitops_core.catalogs.pages.channel_parts import channel_badges, view_inputs
from kitops_core.catalogs.pages.frame import CHANNELS, HOME, badges, day, frame, kit_link, section, version_link
from kitops_core.catalogs.site import Page, Site
from kitops_core.lineages.markup import Child, Markup, element, join
from kitops_core.lineages.sections import badge, table
from kitops_core.wording import count_text, size_text

_HEADER = ("Kit", "Newest", "Signed", "In channels", "Versions", "Size", "Made")


def home_page(site: Site, places: tuple[str, ...], read_at: str) -> Page:
    """The page.

    Args:
        site: What the catalogue shows.
        places: What it was asked to show.
        read_at: When the registries were read.
    """
    inputs = [places, read_at, site.waiting, [_kit_inputs(site, kit) for kit in site.kits]]
    inputs.append(site.problems)
    return Page(HOME, inputs, lambda: _render(site, places, read_at))


def _kit_inputs(site: Site, kit: Kit) -> object:
    newest = kit.newest
    channels = [[view_inputs(view) for _, view in site.channels(kit, one)] for one in kit.versions]
    facts = [newest.fact, newest.tags] if newest else []
    return [kit.name, facts, len(kit.versions), kit.passed_over, kit.problems, channels]


def _render(site: Site, places: tuple[str, ...], read_at: str) -> str:
    title = ", ".join(places) or "ModelKits"
    versions = sum(len(kit.versions) for kit in site.kits)
    passed = sum(kit.passed_over for kit in site.kits)
    problems: list[list[Child]] = [[element("code", where), what] for where, what in site.problems]
    counts = [(count_text(len(_shown(site)), "kit"), "plain"), (count_text(versions, "version"), "plain")]
    if site.waiting:
        counts.append((f"{count_text(site.waiting, 'channel')} with one waiting", "warn"))
    if passed:
        counts.append((f"{count_text(passed, 'tag')} of other artifacts passed over", "plain"))
    if problems:
        counts.append((f"{count_text(len(problems), 'problem')}", "bad"))
    header = element("header", element("p", "ModelKit catalogue", class_="over"), element("h1", title), badges(*counts))
    return frame(
        site,
        HOME,
        f"{title}: ModelKits",
        header,
        section("Could not be read", table(("Where", "What"), problems), anchor="problems") if problems else None,
        _kits(site),
        foot=f"Read at {read_at}. ",
    )


def _shown(site: Site) -> list[Kit]:
    """The kits with at least one version: a repository of images alone is none."""
    return [kit for kit in site.kits if kit.versions]


def _kits(site: Site) -> Markup:
    rows = [_row(site, kit) for kit in _shown(site)]
    if not rows:
        return section("Kits", element("p", "There is no ModelKit in what was read.", class_="quiet"))
    return section("Kits", table(_HEADER, rows))


def _row(site: Site, kit: Kit) -> list[Child]:
    newest = kit.newest
    assert newest is not None  # noqa: S101 - those without are left out
    about = newest.description if len(newest.description) < 140 else newest.description[:139] + "…"
    return [
        join(kit_link("", kit.name), element("span", about, class_="where") if about else None),
        version_link("", kit, newest),
        badge(newest.standing, newest.tone),
        _in_channels(site, kit),
        element("span", str(len(kit.versions)), class_="number"),
        element("span", size_text(newest.size), class_="number"),
        day(newest.time),
    ]


def _in_channels(site: Site, kit: Kit) -> Child:
    found = [pair for version in kit.versions for pair in site.channels(kit, version)]
    waiting = sum(bool(view.state.waiting) for board in site.boards_of(kit) for view in board.channels)
    badged = channel_badges(site, found)
    if not waiting:
        return badged
    return join(badged, element("a", badge(f"{waiting} waiting", "warn"), href=CHANNELS))
