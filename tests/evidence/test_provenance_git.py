"""What git says of a directory, asked of a real repository."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from kitops_core.evidence.git import GitState, git_state
from kitops_core.evidence.slsa import Provenance, with_git
from kitops_core.record import Source


def git(directory: Path, *arguments: str) -> str:
    names = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", "-C", str(directory), *names, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def state_of(directory: Path) -> GitState:
    state = git_state(directory)
    assert state is not None
    return state


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "train.py").write_text("print(1)\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def test_a_clean_tree_has_its_commit(repository: Path) -> None:
    state = git_state(repository)
    assert state is not None
    assert (state.commit, state.dirty, state.repository) == (git(repository, "rev-parse", "HEAD"), False, "")


def test_a_changed_tracked_file_makes_it_dirty_an_untracked_one_does_not(repository: Path) -> None:
    (repository / "model.bin").write_text("weights")
    assert not state_of(repository).dirty
    (repository / "train.py").write_text("print(2)\n")
    assert state_of(repository).dirty


def test_a_directory_inside_the_tree_counts(repository: Path) -> None:
    (repository / "bundle").mkdir()
    assert git_state(repository / "bundle") == git_state(repository)


def test_a_remote_loses_its_token(repository: Path) -> None:
    git(repository, "remote", "add", "fork", "https://ghp_abcdefghijklmnop1234@github.com/me/churn.git")
    assert state_of(repository).repository == "https://github.com/me/churn.git"
    git(repository, "remote", "add", "origin", "https://oauth2:glpat-abc@gitlab.example/ml/churn.git")
    assert state_of(repository).repository == "https://gitlab.example/ml/churn.git"


def test_no_repository_or_no_commit_or_no_git_is_no_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Path
) -> None:
    outside = tmp_path.parent / "outside"
    outside.mkdir(exist_ok=True)
    assert git_state(outside) is None
    empty = tmp_path / "empty"
    empty.mkdir()
    git(empty, "init", "-q")
    assert git_state(empty) is None
    monkeypatch.setenv("PATH", "")
    assert git_state(repository) is None


def test_the_repository_of_a_hook_does_not_stand_in_for_the_directory(
    repository: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.setenv("GIT_DIR", str(repository / ".git"))
    assert git_state(elsewhere) is None


def test_asking_runs_no_program_that_the_repository_names(repository: Path) -> None:
    watcher = repository / "watch.sh"
    watcher.write_text("#!/bin/sh\ntouch ran\n")
    watcher.chmod(0o755)
    git(repository, "config", "core.fsmonitor", str(watcher))
    assert git_state(repository) is not None
    assert not (repository / "ran").exists()


def test_what_the_run_says_goes_before_what_git_says(repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    found = with_git(Provenance(), repository, Source())
    assert (found.commit, found.dirty) == (commit, False)
    other = with_git(Provenance(commit="b" * 40, repository="https://git.example/x"), repository, Source())
    assert (other.commit, other.repository, other.dirty) == ("b" * 40, "https://git.example/x", None)
    ran = with_git(Provenance(), repository, Source(git_sha="c" * 40))
    assert (ran.commit, ran.repository) == ("c" * 40, "")
