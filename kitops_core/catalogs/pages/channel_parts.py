"""A policy's channels as a table, and what waits before them and why."""

from __future__ import annotations

from kitops_core.catalogs.board import Board, ChannelView
from kitops_core.catalogs.pages.frame import day, digest_link
from kitops_core.catalogs.site import Site
from kitops_core.lineages.markup import Child, Markup, element, join
from kitops_core.lineages.sections import badge, table
from kitops_core.promotion.gate_result import GateResult
from kitops_core.wording import count_text

_HEADER = ("Channel", "Has", "Since", "By", "Record", "State")


def board_parts(site: Site, board: Board, up: str) -> Markup:
    """The channels of one policy, and below them what waits."""
    if board.problem:
        return element("p", badge("cannot be read", "bad"), " ", board.problem)
    rows = [_row(site, view, up) for view in board.channels]
    waiting = [waits(site, view, up) for view in board.channels if view.state.waiting]
    return join(table(_HEADER, rows), *waiting)


def board_inputs(board: Board) -> object:
    """All that :func:`board_parts` shows, but for the versions' own facts."""
    return [board.kit, board.problem, [[*view_inputs(view), view.problem, view.not_asked] for view in board.channels]]


def view_inputs(view: ChannelView) -> list[object]:
    """What a channel has and what waits before it."""
    return [view.state.to_dict(), str(view.target), [gate.to_dict() for gate in view.gates]]


def waits(site: Site, view: ChannelView, up: str, heading: str = "h3") -> Markup:
    """What waits before a channel, and what each gate says of it."""
    state = view.state
    near = next((one.target.name for one in _upstreams(site, view)), view.target.name)
    what = element(heading, digest_link(site, up, state.waiting, near), f" waits for {state.name}, in {state.upstream}")
    return element("div", what, element("p", _verdict(view)), _gates(view), class_="waits")


def _upstreams(site: Site, view: ChannelView) -> list[ChannelView]:
    boards = [board for board in site.boards if view in board.channels]
    return [one for board in boards for one in board.channels if one.state.name == view.state.upstream]


def _row(site: Site, view: ChannelView, up: str) -> list[Child]:
    state, record = view.state, view.state.record
    return [
        join(state.name, element("span", str(view.target), class_="where")),
        digest_link(site, up, state.digest, view.target.name),
        day(record.time) if record else "",
        record.actor if record else "" if state.upstream else element("span", "kits are pushed here", class_="quiet"),
        _signed(view),
        _state(view),
    ]


def _signed(view: ChannelView) -> Child:
    record = view.state.record
    if record is None:
        return ""
    return badge(f"signed by {_file(record.signed_by)}", "good") if record.signed_by else badge("not checked", "warn")


def _file(name: str) -> str:
    return name.rpartition("/")[2]


def _state(view: ChannelView) -> Child:
    state = view.state
    found = []
    if state.drift:
        found.append(badge("drift: something else moved the tag", "bad"))
    elif state.unrecorded:
        found.append(badge("no record says how it came there", "bad"))
    if state.waiting:
        found.append(badge(*_waits_badge(view)))
    elif state.upstream and state.digest:
        found.append(badge("as its upstream", "good"))
    return join(*found)


def _waits_badge(view: ChannelView) -> tuple[str, str]:
    if view.problem:
        return "one waits: gates cannot be asked", "bad"
    if view.refused:
        return f"one waits: {_refuse(view)}", "warn"
    return "one waits, and may enter", "plain"


def _refuse(view: ChannelView) -> str:
    refused = len(view.refused)
    return f"{refused} of {count_text(len(view.gates), 'gate')} refuse{'s' if refused == 1 else ''}"


def _verdict(view: ChannelView) -> str:
    if view.problem:
        return f"The gates cannot be asked: {view.problem}"
    if view.refused:
        return f"{_refuse(view)}."
    unless = ", unless a command refuses" if view.not_asked else ""
    return f"Every gate that was asked lets it in: it may be promoted{unless}."


def _gates(view: ChannelView) -> Markup:
    asked = [_gate(gate) for gate in view.gates]
    left = [
        element("li", element("b", "·"), f"{name} ", element("span", "(a command, not run here)"), class_="plain")
        for name in view.not_asked
    ]
    return element("ul", *asked, *left, class_="gates")


def _gate(gate: GateResult) -> Markup:
    sign, mood, said = ("✓", "good", "passed") if gate.passed else ("✕", "bad", "refused")
    detail = element("span", f": {gate.detail}", class_="quiet") if gate.detail else None
    return element("li", element("b", sign, title=said), gate.name, detail, class_=mood)


def channel_badges(site: Site, found: list[tuple[Board, ChannelView]]) -> Child:
    """The channels that have a version, each by its name."""
    return join(*(badge(view.state.name, "bad" if view.state.drift else "good") for _, view in found))
