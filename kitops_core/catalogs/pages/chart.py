"""Sizes over time, as bars."""

from __future__ import annotations

from kitops_core.catalogs.kits import Kit, Version
from kitops_core.catalogs.site import version_page
from kitops_core.lineages.markup import Markup, element
from kitops_core.wording import size_text

_MOST = 100
_WIDE, _STEPS, _HEIGHT, _TOP, _LEFT = 900, (20, 56), 120, 18, 8


def size_chart(kit: Kit, up: str) -> Markup:
    """The sizes of a kit's versions, the newest rightmost; each bar leads to its version."""
    versions = [*kit.versions[:_MOST]][::-1]
    most = max(version.size for version in versions) or 1
    step = min(max(_WIDE // len(versions), _STEPS[0]), _STEPS[1])
    width = max(2 * _LEFT + step * len(versions), 160)
    least = min(version.size for version in versions)
    says = f"Sizes of {len(versions)} versions, from {size_text(least)} to {size_text(most)}"
    return element(
        "svg",
        element("title", says),
        element("text", f"{size_text(most)} at most", x=_LEFT, y=11),
        *(
            _bar(kit, version, version.size / most, _LEFT + index * step, step, up)
            for index, version in enumerate(versions)
        ),
        element("path", d=f"M0 {_TOP + _HEIGHT + 0.5}H{width}", class_="base"),
        viewBox=f"0 0 {width} {_TOP + _HEIGHT + 2}",
        width=width,
        height=_TOP + _HEIGHT + 2,
        role="group",
        aria_label=says,
        class_="chart",
    )


def _bar(kit: Kit, version: Version, share: float, x: int, step: int, up: str) -> Markup:
    height = max(2.0, share * _HEIGHT)
    said = f"{version.title}: {size_text(version.size)}"
    return element(
        "a",
        element("title", said),
        element(
            "rect",
            x=x,
            y=f"{_TOP + _HEIGHT - height:.1f}",
            width=step * 7 // 10,
            height=f"{height:.1f}",
            rx=3,
        ),
        href=up + version_page(kit.name, version.digest),
        aria_label=said,
    )
