"""Building a catalogue: read the registries, work out what is where and why, write the pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kitops_core.catalogs.board import Board, check_policies, homes_of, keys_of, read_board
from kitops_core.catalogs.cache import Cache
from kitops_core.catalogs.kits import Kit
from kitops_core.catalogs.pages.channels import channels_page
from kitops_core.catalogs.pages.home import home_page
from kitops_core.catalogs.pages.kit import Compare, page_of_kit
from kitops_core.catalogs.pages.lineage import lineage_page
from kitops_core.catalogs.pages.style import SHEET
from kitops_core.catalogs.pages.version import page_of_version
from kitops_core.catalogs.places import find_repositories
from kitops_core.catalogs.read import Reader
from kitops_core.catalogs.site import Page, Site
from kitops_core.catalogs.snapshot import SnapshotSession
from kitops_core.catalogs.write import site_folder, write_site
from kitops_core.errors import CancelledError, DeniedError, InvalidInputError, KitOpsError, RegistryError
from kitops_core.events import Control
from kitops_core.kits.diff import KitDiff, compare
from kitops_core.kits.stored_kit import StoredKit, read_kit
from kitops_core.lineages.claims import key_name
from kitops_core.oci.manifest import Manifest
from kitops_core.parallel import run_all
from kitops_core.promotion.policy import PromotionPolicy
from kitops_core.promotion.policy_file import as_policy
from kitops_core.reference import parse_reference
from kitops_core.session import FoundAny, Session
from kitops_core.storage import Storage

if TYPE_CHECKING:
    from kitops_core.signing.keys import PublicKey

_KITS_AT_HAND = 4


@dataclass(frozen=True)
class Catalogue:
    """A catalogue that was built.

    Attributes:
        index: Its first page.
        kits: How many kits it shows.
        versions: How many versions of them.
        waiting: Before how many channels a kit waits.
        passed_over: How many tags are of other artifacts.
        pages: How many pages it has.
        written: How many of them were new, or made from something that changed.
        problems: What could not be read, in sentences that name it; the pages say so, too.
        denied: Whether a registry refused any of that.
    """

    index: Path
    kits: int
    versions: int
    waiting: int
    passed_over: int
    pages: int
    written: int
    problems: tuple[str, ...] = ()
    denied: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return {**vars(self), "index": str(self.index), "problems": list(self.problems)}


def catalog(
    session: Session,
    places: Sequence[str],
    output: str | Path,
    *,
    policies: Sequence[PromotionPolicy | str | Path] = (),
    keys: Sequence[PublicKey | str | Path] = (),
) -> Catalogue:
    """See :meth:`kitops_core.Client.catalog`."""
    from kitops_core.signing.keys import PublicKey

    if not places and not policies:
        raise InvalidInputError(
            "nothing is named that a catalogue could show", hint="name REGISTRY/NAMESPACE/, or a promotion policy"
        )
    places = [places] if isinstance(places, str) else [*places]
    loaded = [as_policy(policy) for policy in policies]
    check_policies(loaded)
    given = [key if isinstance(key, PublicKey) else PublicKey.load(key) for key in keys]
    known = keys_of(loaded, given)
    folder = Path(output)
    with site_folder(folder), Cache(folder) as cache, closing(SnapshotSession(session, cache)) as snapshot:
        named = find_repositories(snapshot, places)
        references = {one.name: one for one in (*named.repositories, *homes_of(loaded))}
        reader = Reader(snapshot, cache, known)
        kits = reader.read([references[name] for name in sorted(references)])
        _check_something_read(kits, named.problems)
        boards = run_all([partial(_board, snapshot, policy) for policy in loaded], snapshot.control)
        site = Site(kits, boards, reader.graph, [key_name(key) for key in known], named.problems)
        titles = tuple(places) or tuple(policy.kit for policy in loaded)
        pages = [*_pages(site, titles, _comparer(snapshot))]
        written = write_site(folder, pages, SHEET, cache, session.control)
        problems = tuple(f"{where}: {what}" for where, what in site.problems)
        if not problems:
            cache.forget_unused()
    return Catalogue(
        index=folder / "index.html",
        kits=sum(bool(kit.versions) for kit in kits),
        versions=sum(len(kit.versions) for kit in kits),
        waiting=site.waiting,
        passed_over=sum(kit.passed_over for kit in kits),
        pages=len(pages),
        written=written,
        problems=problems,
        denied=any(kit.denied for kit in kits) or any(board.denied for board in boards),
    )


def _board(session: SnapshotSession, policy: PromotionPolicy, control: Control) -> Board:
    control.check()
    return read_board(session, policy)


def _pages(site: Site, places: tuple[str, ...], compare: Compare) -> Iterator[Page]:
    now = f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC"
    yield home_page(site, places, now)
    if site.boards:
        yield channels_page(site)
    yield lineage_page(site)
    for kit in site.kits:
        if kit.versions or kit.problems:
            yield page_of_kit(site, kit, compare)
        for index in range(len(kit.versions)):
            yield page_of_version(site, kit, index, compare)


def _comparer(session: SnapshotSession) -> Compare:
    """Compares two digests of a repository by what is known of them, once each."""
    known: dict[tuple[str, str, str], KitDiff | None] = {}

    @lru_cache(maxsize=_KITS_AT_HAND)  # a version is compared with the one before, then the one after with it
    def find(repository: str, digest: str) -> FoundAny:
        return session.find_any(parse_reference(repository).with_digest(digest), "registry")

    kits: dict[str, StoredKit] = {}

    def read(storage: Storage, manifest: Manifest) -> StoredKit:
        if manifest.digest not in kits:
            if len(kits) == _KITS_AT_HAND:
                del kits[next(iter(kits))]
            kits[manifest.digest] = read_kit(storage, manifest)
        return kits[manifest.digest]

    def differ(repository: str, before: str, after: str) -> KitDiff | None:
        key = (repository, before, after)
        if key not in known:
            try:
                known[key] = compare(find(repository, before), find(repository, after), read=read)
            except CancelledError:
                raise
            except KitOpsError:
                known[key] = None
        return known[key]

    return differ


def _check_something_read(kits: Sequence[Kit], places: Sequence[tuple[str, str]]) -> None:
    """See that there is anything to show; a site that was built before stays as it is otherwise.

    Raises:
        DeniedError, RegistryError: Nothing could be read.
    """
    failed = [kit for kit in kits if kit.problems and not kit.versions]
    reasons = [*(problem for _, problem in places), *(kit.problems[0] for kit in failed)]
    if not reasons or len(failed) < len(kits):
        return
    message = f"nothing could be read: {reasons[0]}"
    if any(kit.denied for kit in failed):
        raise DeniedError(message, hint="log in with `kitops login`, or name what may be read")
    raise RegistryError(message, hint="no page was written")
