"""Many writers at once, and a kill at any point: no tag is lost, none dangles, and the collector clears the rest."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from local_crash import NAME, SCENARIOS, prepare
from local_kits import StreamSource, blob_digests, digests_of, encoded, put_kit, put_referrer, read_kit

from kitops_core.errors import NotFoundError
from kitops_core.events import Control
from kitops_core.oci.manifest import sha256_digest
from kitops_core.storage.local import LocalRepository, LocalStore, collect_garbage

WRITERS = 24
LONG = {"by-digest", "move", "referrer", "tag-referrer"}


def start_python(script: str, *args: object) -> subprocess.Popen[bytes]:
    path = os.pathsep.join([str(Path(__file__).parents[2] / "support"), str(Path(__file__).parents[3])])
    return subprocess.Popen([sys.executable, "-c", script, *map(str, args)], env={**os.environ, "PYTHONPATH": path})


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("template")
    prepare(home)
    return home


@pytest.mark.slow
class TestManyProcesses:
    def test_24_pack_a_tag_each_of_one_repository(self, tmp_path: Path) -> None:
        script = (
            "import sys, time; from pathlib import Path; from local_kits import put_kit\n"
            "from kitops_core.storage.local import LocalRepository, LocalStore\n"
            "home, number = Path(sys.argv[1]), sys.argv[2]\n"
            "(home / f'ready-{number}').touch()\n"
            "while not (home / 'go').exists(): time.sleep(0.001)\n"
            "repository = LocalRepository(LocalStore(home), 'localhost/kit')\n"
            "put_kit(repository, f'v{number}', model=number.encode() * 10_000)\n"
        )
        processes = [start_python(script, tmp_path, number) for number in range(WRITERS)]
        wait_until(lambda: len(list(tmp_path.glob("ready-*"))) == WRITERS)
        (tmp_path / "go").touch()
        assert [process.wait(60) for process in processes] == [0] * WRITERS
        repository = LocalRepository(LocalStore(tmp_path), NAME)
        assert sorted(repository.tags()) == sorted(f"v{number}" for number in range(WRITERS))
        for number in range(WRITERS):
            assert str(number).encode() * 10_000 in read_kit(repository, f"v{number}").values()
        assert collect_garbage(LocalStore(tmp_path), 0).removed == ()
        check_reference_cli_invariants(LocalStore(tmp_path))

    def test_threads_that_share_one_repository(self, tmp_path: Path) -> None:
        repository = LocalRepository(LocalStore(tmp_path, fsync=False), NAME)
        threads = [
            threading.Thread(target=put_kit, args=(repository, f"v{number}"), kwargs={"model": b"%d" % number})
            for number in range(WRITERS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(list(repository.tags())) == WRITERS
        repository.close()

    def test_collecting_while_others_write_loses_nothing(self, tmp_path: Path) -> None:
        """Every writer deletes its kit and packs one with the same layer, which the collector would love to take."""
        script = (
            "import sys; from pathlib import Path; from local_kits import put_kit\n"
            "from kitops_core.storage.local import LocalRepository, LocalStore\n"
            "store = LocalStore(Path(sys.argv[1]), fsync=False)\n"
            "for round in range(60):\n"
            "    repository = LocalRepository(store, f'localhost/{sys.argv[2]}')\n"
            "    for tag in list(repository.tags()): repository.delete(repository.resolve(tag).digest)\n"
            "    put_kit(repository, f'v{round}', model=b'shared by all')\n"
            "    repository.close()\n"
        )
        store = LocalStore(tmp_path, fsync=False)
        processes = [start_python(script, tmp_path, number) for number in range(3)]
        collected = 0
        while any(process.poll() is None for process in processes):
            collect_garbage(store, 0)
            collected += 1
        assert [process.wait() for process in processes] == [0, 0, 0]
        assert collected > 3
        for number in range(3):
            assert b"shared by all" in read_kit(LocalRepository(store, f"localhost/{number}"), "v59").values()


class TestAKillAtAnyPoint:
    @pytest.mark.parametrize(
        "scenario", [pytest.param(name, marks=[pytest.mark.slow] if name in LONG else []) for name in sorted(SCENARIOS)]
    )
    def test_leaves_whole_kits_only_and_the_collector_clears_the_rest(
        self, template: Path, tmp_path: Path, scenario: str
    ) -> None:
        points = kill_at_every_point(template, scenario, tmp_path)
        before = contents(LocalStore(template))
        after = contents(LocalStore(tmp_path / str(points + 1)))
        # Before Python 3.11 pathlib keeps calls of its own, which the script cannot count: fewer points, the same rule.
        assert points >= (4 if sys.version_info >= (3, 11) else 2)
        for point in range(1, points + 1):
            store = LocalStore(tmp_path / str(point), fsync=False)
            check_reference_cli_invariants(store)
            assert tags_of(store) in (before[0], after[0])
            collect_garbage(store, 0)
            assert contents(store) in (before, after), "as if it had never begun, or had come to its end"
            check_nothing_but_kits(store)
            put_new_kit(store)

    @pytest.mark.slow
    def test_in_a_new_store(self, tmp_path: Path) -> None:
        template = tmp_path / "template"
        template.mkdir()
        points = kill_at_every_point(template, "new", tmp_path)
        assert points > 25
        for point in range(1, points + 1):
            store = LocalStore(tmp_path / str(point), fsync=False)
            assert set(tags_of(store)) in (set(), {"new", "new-too"})
            collect_garbage(store, 0)
            check_nothing_but_kits(store)
            put_new_kit(store)

    @pytest.mark.slow
    def test_at_random_moments_with_several_writers(self, tmp_path: Path) -> None:
        script = (
            "import sys; from pathlib import Path; from local_kits import *\n"
            "from kitops_core.storage.local import LocalRepository, LocalStore\n"
            "home, writer = Path(sys.argv[1]), sys.argv[2]\n"
            "repository = LocalRepository(LocalStore(home, fsync=False), 'localhost/kit')\n"
            "for number in range(10**6):\n"
            "    kit = put_kit(repository, f'{writer}-{number % 5}', model=f'{writer} {number}'.encode() * 5000)\n"
            "    if number % 3 == 0: put_referrer(repository, kit.descriptor, f'{writer} {number}'.encode())\n"
            "    if number % 4 == 0: repository.delete(kit.digest)\n"
        )
        dice = random.Random(20261123)
        store = LocalStore(tmp_path, fsync=False)
        packed = put_kit(LocalRepository(store, NAME), "untouched", model=b"untouched")
        for _ in range(20):
            processes = [start_python(script, tmp_path, writer) for writer in "abc"]
            time.sleep(0.3 + dice.random() * 0.4)
            for process in processes:
                process.send_signal(signal.SIGKILL)
            assert {process.wait(10) for process in processes} == {-signal.SIGKILL}
            check_reference_cli_invariants(store)
            for tag in tags_of(store):
                read_kit(LocalRepository(store, NAME), tag)
        assert len(tags_of(store)) > 5
        collect_garbage(store, 0)
        check_nothing_but_kits(store)
        assert LocalRepository(store, NAME).resolve("untouched").digest == packed.digest

    def test_a_kit_that_another_process_tagged_meanwhile_is_not_dropped(self, tmp_path: Path) -> None:
        """The note of a killed writer names a manifest that somebody else gave a tag since."""
        store = LocalStore(tmp_path, fsync=False)
        repository = LocalRepository(store, NAME)
        digest = put_kit(repository, "1.0").digest
        store.note_pending(NAME, digest)
        put_kit(repository, "2.0", model=b"2")
        assert list(repository.tags()) == ["1.0", "2.0"]
        repository.close()

    @pytest.mark.parametrize("note", [b"", b"{", b"[]", b'{"repository": "x", "digest": "../../x"}'])
    def test_a_broken_note_is_no_obstacle(self, tmp_path: Path, note: bytes) -> None:
        store = LocalStore(tmp_path, fsync=False)
        repository = LocalRepository(store, NAME)
        put_kit(repository, "1.0")
        (store.own / "pending.json").write_bytes(note)
        put_kit(repository, "2.0", model=b"2")
        assert list(repository.tags()) == ["1.0", "2.0"]
        assert not (store.own / "pending.json").exists()
        repository.close()


def kill_at_every_point(template: Path, scenario: str, target: Path) -> int:
    script = Path(__file__).parents[2] / "support" / "local_crash.py"
    path = os.pathsep.join([str(Path(__file__).parents[2] / "support"), str(Path(__file__).parents[3])])
    result = subprocess.run(
        [sys.executable, script, template, scenario, target],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return int(result.stdout)


def tags_of(store: LocalStore) -> dict[str, str]:
    repository = LocalRepository(store, NAME)
    return {tag: repository.resolve(tag).digest for tag in repository.tags()}


def contents(store: LocalStore) -> tuple[dict[str, str], set[str], set[str]]:
    """Tags, kits, and everything that index.json lists."""
    repository = LocalRepository(store, NAME)
    manifests = {d.digest for d in repository.manifests()}
    return tags_of(store), manifests, {entry["digest"] for entry in store.files.read_index()}


def check_reference_cli_invariants(store: LocalStore) -> None:
    """What the reference CLI relies on, at every moment: tags name listed manifests, which index.json lists too."""
    name = encoded(NAME)
    read = [store.root / file for file in (f"{name}-tags.json", f"{name}-index.json", "index.json")]
    tags, manifests, everything = (json.loads(path.read_bytes()) if path.exists() else {} for path in read)
    tagged = {entry["digest"] for entry in tags.values()}
    listed = {entry["digest"] for entry in manifests.get("manifests", [])}
    known = {entry["digest"] for entry in everything.get("manifests", [])}
    assert tagged <= listed <= known <= blob_digests(store.root)


def check_nothing_but_kits(store: LocalStore) -> None:
    """After collecting: every kit can be read, and no other blob or file is there."""
    repository = LocalRepository(store, NAME)
    listed = [entry["digest"] for entry in store.files.read_index()]
    for digest in listed:
        read_kit(repository, digest)
    assert blob_digests(store.root) == digests_of(*map(repository.manifest, listed))
    assert list(store.scratch.iterdir()) == [] if store.scratch.exists() else True
    assert not (store.own / "pending.json").exists()


def put_new_kit(store: LocalStore) -> None:
    repository = LocalRepository(store, NAME)
    put_kit(repository, "afterwards", model=b"life goes on")
    repository.close()
    read_kit(repository, "afterwards")


def wait_until(condition: object, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_referrer_of_an_absent_kit_waits_for_it_until_it_is_collected(tmp_path: Path) -> None:
    """Copying may bring the signature before the kit."""
    store = LocalStore(tmp_path, fsync=False)
    repository = LocalRepository(store, NAME)
    subject = put_kit(LocalRepository(LocalStore(tmp_path / "other", fsync=False), NAME), "1.0")
    signature = put_referrer(repository, subject.descriptor)
    put_kit(repository, "1.0")
    repository.close()
    collect_garbage(store, 0)
    assert [d.digest for d in repository.referrers(subject.digest)] == [signature.digest]


def test_a_killed_writers_blobs_are_cleared(tmp_path: Path) -> None:
    store = LocalStore(tmp_path, fsync=False)
    repository = LocalRepository(store, NAME)
    repository.write_blob(StreamSource(b"half a kit"), Control())
    repository.close()
    assert collect_garbage(store, 0).removed == (sha256_digest(b"half a kit"),)
    with pytest.raises(NotFoundError):
        repository.resolve("latest")


def test_a_new_store_may_be_made_and_collected_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A collector that made the store faster takes our unfinished ``oci-layout`` for rubbish."""
    store, link = LocalStore(tmp_path, fsync=False), os.link

    def beaten(source: Path, target: Path) -> None:
        monkeypatch.setattr(os, "link", link)
        collect_garbage(LocalStore(tmp_path, fsync=False), 0)
        link(source, target)

    monkeypatch.setattr(os, "link", beaten)
    read = put_kit(LocalRepository(store, NAME), "1.0")
    assert LocalRepository(store, NAME).resolve("1.0").digest == read.digest
