"""The page of one kit: its channels, its versions, their sizes, and what happened."""

from __future__ import annotations

from collections.abc import Callable

from kitops_core.catalogs.board import Board, ChannelView
from kitops_core.catalogs.kits import Kit, Version
from kitops_core.catalogs.pages.changes import changes
from kitops_core.catalogs.pages.channel_parts import board_inputs, board_parts, channel_badges
from kitops_core.catalogs.pages.chart import size_chart
from kitops_core.catalogs.pages.frame import badges, day, digest_link, frame, section, up_from, version_link
from kitops_core.catalogs.site import Page, Site, kit_page
from kitops_core.kits.diff import KitDiff
from kitops_core.lineages.markup import Child, Markup, element, join
from kitops_core.lineages.page import scroll
from kitops_core.lineages.sections import badge, short_code, table, when
from kitops_core.promotion.records import PromotionRecord
from kitops_core.wording import count_text, size_text

Compare = Callable[[str, str, str], "KitDiff | None"]
"""What differs between two digests of a repository, where both can still be read."""

_VERSIONS = ("Version", "Made", "In channels", "Signed", "Metrics", "Made by", "Size", "Digest")
_HISTORY = ("When", "Moved", "By", "Record", "What changed")
_MOVES = ("When", "Action", "Channel", "Version", "By", "Statement")
_METRICS = 4


def page_of_kit(site: Site, kit: Kit, compare: Compare) -> Page:
    """The page."""
    boards = [*site.boards_of(kit)]
    inputs = [
        kit.name,
        [[version.fact, version.tags] for version in kit.versions],
        kit.problems,
        kit.passed_over,
        [board_inputs(board) for board in boards],
        [[record.to_dict() for view in board.channels for record in view.history] for board in boards],
        len(site.boards) > 0,
    ]
    return Page(kit_page(kit.name), inputs, lambda: _render(site, kit, boards, compare))


def _render(site: Site, kit: Kit, boards: list[Board], compare: Compare) -> str:
    path = kit_page(kit.name)
    up = up_from(path)
    return frame(
        site,
        path,
        kit.reference.repository,
        _header(kit),
        section("Could not be read", *(element("p", problem) for problem in kit.problems)) if kit.problems else None,
        *(section("Channels", board_parts(site, board, up)) for board in boards),
        _sizes(kit, up),
        section("Versions", table(_VERSIONS, [_row(site, kit, version, up) for version in kit.versions])),
        *(_history(site, view, up, compare) for board in boards for view in board.channels if view.history),
        None if boards else _moves(site, kit, up),
    )


def _header(kit: Kit) -> Markup:
    newest = kit.newest
    counts = [(count_text(len(kit.versions), "version"), "plain")]
    if newest is not None:
        counts.insert(0, (newest.standing, newest.tone))
        counts += [(newest.license, "plain")] if newest.license else []
    if kit.passed_over:
        counts.append((f"{count_text(kit.passed_over, 'tag')} of other artifacts passed over", "plain"))
    return element(
        "header",
        element("p", "ModelKit", class_="over"),
        element("h1", kit.reference.repository),
        element("p", newest.description) if newest and newest.description else None,
        element("p", element("code", kit.name), class_="quiet"),
        badges(*counts),
    )


def _sizes(kit: Kit, up: str) -> Markup | None:
    if len(kit.versions) < 2:
        return None
    return section("Sizes, oldest to newest", scroll(size_chart(kit, up), "Sizes over time"))


def _row(site: Site, kit: Kit, version: Version, up: str) -> list[Child]:
    others = [tag for tag in version.tags if tag != version.title]
    more = f" (index of {version.variants})" if version.variants else ""
    return [
        join(
            version_link(up, kit, version), more, element("span", ", ".join(others), class_="where") if others else None
        ),
        day(version.time),
        channel_badges(site, site.channels(kit, version)),
        badge(version.standing, version.tone),
        _metrics(version),
        join(*(element("p", " ".join(pair).strip()) for pair in version.pipelines)),
        element("span", size_text(version.size), class_="number"),
        short_code(version.digest),
    ]


def _metrics(version: Version) -> Child:
    shown = [
        element("p", f"{name} {value}", title=standing)
        for name, (value, standing) in [*version.metrics.items()][:_METRICS]
    ]
    left = len(version.metrics) - _METRICS
    return join(*shown, element("p", f"and {left} more", class_="quiet") if left > 0 else None)


def _history(site: Site, view: ChannelView, up: str, compare: Compare) -> Markup:
    rows = [row for record in view.history for row in _record(site, view, record, up, compare)]
    return section(f"History of {view.state.name}", table(_HISTORY, rows))


def _record(site: Site, view: ChannelView, record: PromotionRecord, up: str, compare: Compare) -> list[list[Child]]:
    near = view.target.name
    before, after = (digest_link(site, up, one, near) for one in (record.previous_digest, record.digest))
    overwritten = badge("overwritten", "warn") if record.overwritten else None
    signed = record.signed_by.rpartition("/")[2]
    row: list[Child] = [
        day(record.time),
        join(element("span", record.action, class_="quiet"), " ", before, " → ", after, " ", overwritten),
        join(record.actor, element("span", record.note, class_="where") if record.note else None),
        badge(f"signed by {signed}", "good") if signed else badge("not checked", "warn"),
        _difference(compare(near, record.previous_digest, record.digest)) if record.previous_digest else "",
    ]
    if not record.gap:
        return [row]
    return [row, ["", join(badge("gap", "bad"), " ", short_code(record.before)), "", "", record.gap]]


def _difference(diff: KitDiff | None) -> Child:
    if diff is None:
        return element("span", "cannot be compared: one of them is gone, or of another kind", class_="quiet")
    if diff.same:
        return element("span", "nothing", class_="quiet")
    return element("details", element("summary", diff.summary()), element("div", changes(diff), class_="inside"))


def _moves(site: Site, kit: Kit, up: str) -> Markup | None:
    """Without a policy nobody says which statements count: they are shown as what they are."""
    moves = [(version, move) for version in kit.versions for move in version.moves]
    if not moves:
        return None
    moves.sort(key=lambda pair: pair[1].time, reverse=True)
    rows: list[list[Child]] = [
        [
            when(move.time),
            move.action,
            join(move.channel, element("span", move.to, class_="where")),
            version_link(up, kit, version),
            move.actor,
            badge(move.standing, "good" if move.signed else "warn"),
        ]
        for version, move in moves
    ]
    said = "As statements on the versions say it. With the promotion policy (--policy) it is known which of them count."
    return section("Promotions", element("p", said, class_="quiet"), table(_MOVES, rows))
