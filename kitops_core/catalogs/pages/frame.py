"""What all pages share: the way around, the foot, and small parts of tables."""

from __future__ import annotations

from datetime import datetime

from kitops_core.catalogs.kits import Kit, Version
from kitops_core.catalogs.site import Site, kit_page, version_page
from kitops_core.lineages.document import document
from kitops_core.lineages.markup import Child, Markup, element, join
from kitops_core.lineages.page import trust
from kitops_core.lineages.sections import badge
from kitops_core.lineages.wording import short
from kitops_core.version import __version__

HOME, CHANNELS, LINEAGE = "index.html", "channels.html", "lineage.html"
_TOP = {HOME: "Kits", CHANNELS: "Channels", LINEAGE: "Lineage"}


def up_from(path: str) -> str:
    """The way from a page to the site's folder: links work from a file and from any server, wherever the site is."""
    return "../" * path.count("/")


def frame(site: Site, path: str, title: str, *content: Child, foot: str = "") -> str:
    """A page as text.

    Args:
        site: What the catalogue shows.
        path: Where the page is.
        title: What the browser calls it.
        content: A ``header``, then what goes into ``main``.
        foot: What is said at the end, before what signatures were checked with.
    """
    up = up_from(path)
    links = [
        element("li", element("a", name, href=up + target, aria_current="page" if target == path else None))
        for target, name in _TOP.items()
        if target != CHANNELS or site.boards
    ]
    head, *rest = content
    body = join(
        element("a", "To the content", href="#content", class_="skip"),
        element("nav", element("ul", *links), aria_label="Catalogue"),
        head,
        element("main", *rest, id="content", tabindex=-1),
        element("footer", f"{foot}Written by kitops catalog {__version__} from the registry alone. ", trust(site.keys)),
    )
    return document(title, body, stylesheet=f"{up}style.css")


def section(name: str, *content: Child, anchor: str | None = None) -> Markup:
    """A part of a page under a heading."""
    return element("section", element("h2", name), *content, aria_label=name, id=anchor)


def kit_link(up: str, kit: str, text: str = "") -> Markup:
    """A link to a kit's page."""
    return element("a", text or kit.partition("/")[2], href=up + kit_page(kit))


def version_link(up: str, kit: Kit, version: Version, text: str = "") -> Markup:
    """A link to a version's page."""
    return element("a", text or version.title, href=up + version_page(kit.name, version.digest))


def digest_link(site: Site, up: str, digest: str, near: str) -> Child:
    """A link to the page of a version, or its digest where the catalogue has no such version."""
    found = site.find(digest, near) if digest else None
    if found is None:
        return element("code", short(digest), title=digest, class_="whole") if digest else "(empty)"
    named = version_link(up, found.kit, found.version)
    return join(named, " ", element("code", short(digest).removeprefix("sha256:"), title=digest, class_="digest"))


def day(time: datetime | None) -> Child:
    """A time to the minute."""
    return element("span", f"{time:%Y-%m-%d %H:%M} UTC", class_="whole") if time is not None else ""


def badges(*texts: tuple[str, str]) -> Markup:
    """A row of badges: text and mood."""
    return element("ul", *(element("li", badge(text, mood)) for text, mood in texts), class_="badges")
