"""What is known from the last build, in one file beside the pages: contents by digest, and what was written from what.

A manifest, a Kitfile and a statement never change under their digest, so what was read once is not asked for again.
Everything here can be made anew: a file that cannot be read is thrown away.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from kitops_core.errors import ConflictError, StoreError

CACHE_NAME = ".kitops-catalog"
MAX_CONTENT_BYTES = 1024 * 1024
"""The largest blob that is kept: Kitfiles and statements are a few KiB."""

_FORM = 1
_WRITE_ROWS, _WRITE_BYTES = 2000, 8 * 1024 * 1024
_TABLES = """
CREATE TABLE IF NOT EXISTS content (digest TEXT PRIMARY KEY, media_type TEXT, data BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tag (repository TEXT, tag TEXT, digest TEXT, PRIMARY KEY (repository, tag)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fact (key TEXT PRIMARY KEY, data TEXT, contents TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS page (path TEXT PRIMARY KEY, key TEXT) WITHOUT ROWID;
"""


class Cache:
    """The file, held by one process at a time; safe to use from several threads.

    Args:
        folder: The folder of the pages.

    Attributes:
        fresh: Whether nothing was known.

    Raises:
        ConflictError: Another process builds there.
        StoreError: It cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / CACHE_NAME
        self._lock = threading.RLock()
        self._local = threading.local()
        self._used: set[str] = set()
        self._keys: set[str] = set()
        self._unwritten: dict[str, tuple[str, bytes]] = {}
        self._facts: dict[str, tuple[str, str]] = {}
        self._size = 0
        self.fresh = not self._path.exists()
        try:
            self._db = self._open()
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise ConflictError(
                    f"another process builds the catalogue in {folder}", hint="wait for it, or name another folder"
                ) from None
            raise StoreError(f"'{self._path}' cannot be written: {error}") from None
        except sqlite3.DatabaseError:  # it is damaged, or no such file at all
            self._path.unlink(missing_ok=True)
            self.fresh = True
            self._db = self._open()
        self._stored = {digest for (digest,) in self._db.execute("SELECT digest FROM content")}

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, check_same_thread=False, timeout=0)
        try:
            db.execute("PRAGMA locking_mode=EXCLUSIVE")
            db.execute("PRAGMA synchronous=NORMAL")
            if db.execute("PRAGMA user_version").fetchone()[0] != _FORM:
                for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                    db.execute(f'DROP TABLE "{name}"')
                db.execute(f"PRAGMA user_version={_FORM}")
            db.executescript(_TABLES)
            db.execute("BEGIN IMMEDIATE")
        except BaseException:
            db.close()
            raise
        return db

    # --- contents ----------------------------------------------------------------------------------------------

    def content(self, digest: str) -> tuple[str, bytes] | None:
        """Media type and bytes of a manifest or blob, whose digest is checked again; ``None`` where it is not here."""
        with self._lock:
            row = self._unwritten.get(digest)
            if row is None and digest in self._stored:
                row = self._db.execute("SELECT media_type, data FROM content WHERE digest = ?", (digest,)).fetchone()
        if row is None or digest != _digest_of(digest, row[1]):
            return None
        self._use(digest)
        return row[0], row[1]

    def keep(self, digest: str, media_type: str, data: bytes) -> None:
        """Keep the bytes of a digest, which were checked."""
        with self._lock:
            self._unwritten[digest] = media_type, data
            self._size += len(data)
            if len(self._unwritten) >= _WRITE_ROWS or self._size >= _WRITE_BYTES:
                self._write()
        self._use(digest)

    def _write(self) -> None:
        """Write what was kept: one at a time takes five times as long, and a build that is stopped goes on here."""
        rows = [(digest, *kept) for digest, kept in self._unwritten.items()]
        self._db.executemany("INSERT OR REPLACE INTO content VALUES (?, ?, ?)", rows)
        facts = [(key, *kept) for key, kept in self._facts.items()]
        self._db.executemany("INSERT OR REPLACE INTO fact VALUES (?, ?, ?)", facts)
        self._db.commit()
        self._stored.update(self._unwritten)
        self._unwritten.clear()
        self._facts.clear()
        self._size = 0

    def _use(self, digest: str) -> None:
        self._used.add(digest)
        noted = getattr(self._local, "noted", None)
        if noted is not None:
            noted.add(digest)

    @contextmanager
    def noting(self) -> Iterator[set[str]]:
        """The digests of the contents that this thread uses in the block."""
        noted: set[str] = set()
        self._local.noted = noted
        try:
            yield noted
        finally:
            self._local.noted = None

    # --- tags --------------------------------------------------------------------------------------------------

    def tags(self, repository: str) -> dict[str, str]:
        """What the tags of a repository were at the last build."""
        with self._lock:
            rows = self._db.execute("SELECT tag, digest FROM tag WHERE repository = ?", (repository,)).fetchall()
        return dict(rows)

    def keep_tags(self, repository: str, tags: Mapping[str, str]) -> None:
        """Note what the tags of a repository are."""
        with self._lock:
            self._db.execute("DELETE FROM tag WHERE repository = ?", (repository,))
            rows = [(repository, *pair) for pair in tags.items()]
            self._db.executemany("INSERT INTO tag VALUES (?, ?, ?)", rows)

    # --- facts -------------------------------------------------------------------------------------------------

    def fact(self, key: str) -> Any:
        """What was worked out from the inputs that ``key`` names, ``None`` where it was not."""
        with self._lock:
            row = self._facts.get(key)
            if row is None:
                row = self._db.execute("SELECT data, contents FROM fact WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        self._keys.add(key)
        self._used.update(json.loads(row[1]))
        return json.loads(row[0])

    def keep_fact(self, key: str, data: Any, contents: set[str]) -> None:
        """Keep what was worked out, with the digests of the contents that it was worked out from."""
        text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
        with self._lock:
            self._facts[key] = text, json.dumps(sorted(contents))
        self._keys.add(key)

    # --- pages -------------------------------------------------------------------------------------------------

    def pages(self) -> dict[str, str]:
        """The pages that were written, with the key of what each was made from."""
        with self._lock:
            return dict(self._db.execute("SELECT path, key FROM page").fetchall())

    def keep_pages(self, pages: Mapping[str, str]) -> None:
        """Note the pages that there are."""
        with self._lock:
            self._db.execute("DELETE FROM page")
            self._db.executemany("INSERT INTO page VALUES (?, ?)", pages.items())

    def forget_unused(self) -> None:
        """Let go of what this build did not need: it is of kits that are gone."""
        with self._lock:
            self._write()
            for table, column, used in (("content", "digest", self._used), ("fact", "key", self._keys)):
                known = [name for (name,) in self._db.execute(f"SELECT {column} FROM {table}")]  # noqa: S608
                gone = [(name,) for name in known if name not in used]
                self._db.executemany(f"DELETE FROM {table} WHERE {column} = ?", gone)  # noqa: S608

    def close(self) -> None:
        """Write what was noted and let go of the file."""
        with self._lock:
            self._write()
            self._db.close()

    def __enter__(self) -> Cache:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def key_of(*inputs: object) -> str:
    """A key for what is worked out from inputs that can be written as JSON."""
    text = json.dumps(inputs, separators=(",", ":"), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _digest_of(digest: str, data: bytes) -> str:
    algorithm = digest.partition(":")[0]
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"
