"""Events on their way, by OpenLineage's client and configuration; and that no receiver can hold up or fail a pack."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_runner import modules_after, ok, run
from lineage_receiver import Receiver, lineage_receiver

import kitops_core as kitops
from kitops_core import Client, Contents

pytest.importorskip("openlineage.client", reason="needs the extra openlineage")
from kitops_core.openlineage import sending

STATES = ["START", "COMPLETE"]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with lineage_receiver() as served:
        yield served


@pytest.fixture
def model(tmp_path: Path) -> Path:
    directory = tmp_path / "kit"
    directory.mkdir()
    (directory / "model.bin").write_text("weights")
    (directory / "Kitfile").write_text("manifestVersion: 1.0.0\npackage: {name: churn}\nmodel: {path: model.bin}\n")
    return directory


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience is short, so that tests of what is too slow are not."""
    monkeypatch.setattr(sending, "PATIENCE", 0.2)


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def told(warnings: list[str]) -> Iterator[Client]:
    def on_event(event: kitops.Event) -> None:
        if event.phase == "warning":
            warnings.append(event.detail)

    with Client(on_event=on_event) as client:
        yield client


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


class TestTransports:
    def test_by_http_with_the_names_that_all_its_clients_have(
        self, receiver: Receiver, model: Path, told: Client, warnings: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OPENLINEAGE_URL", receiver.url)
        monkeypatch.setenv("OPENLINEAGE_API_KEY", "for-this-test")
        made = told.pack(model, "churn:1")
        told.close()
        assert receiver.told() == [("START", "pack.churn"), ("COMPLETE", "pack.churn")]
        assert (receiver.paths, receiver.keys) == (["/api/v1/lineage"] * 2, ["Bearer for-this-test"] * 2)
        assert receiver.events[1]["outputs"][0]["facets"]["version"]["datasetVersion"] == made.digest
        assert len({event["run"]["runId"] for event in receiver.events}) == 1
        assert warnings == []

    def test_into_a_file_that_a_file_names(self, model: Path, tmp_path: Path, home: Path) -> None:
        (home / ".openlineage").mkdir()
        transport = {"type": "file", "log_file_path": str(tmp_path / "events.json"), "append": True}
        (home / ".openlineage/openlineage.yml").write_text(json.dumps({"transport": transport}))
        ok("pack", model, "-t", "churn:1")
        assert [event["eventType"] for event in lines(tmp_path / "events.json")] == STATES

    def test_what_an_asynchronous_transport_has_left_is_sent_before_the_end(
        self, receiver: Receiver, model: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OPENLINEAGE__TRANSPORT__TYPE", "async_http")
        monkeypatch.setenv("OPENLINEAGE__TRANSPORT__URL", receiver.url)
        assert run("pack", model, "-t", "churn:1").code == 0
        assert [event["eventType"] for event in receiver.events] == STATES

    def test_what_clients_that_nobody_closed_have_left_is_sent_before_the_end(
        self, receiver: Receiver, model: Path
    ) -> None:
        script = f"from kitops_core import Client\nclient = Client()\nclient.pack({str(model)!r}, 'churn:1')\n"
        environment = {**os.environ, "OPENLINEAGE_URL": receiver.url}
        subprocess.run([sys.executable, "-c", script], check=True, env=environment, timeout=60)
        assert [event["eventType"] for event in receiver.events] == STATES

    def test_a_child_that_was_forked_sends_its_own(self, receiver: Receiver, model: Path) -> None:
        script = (
            "import os\nfrom kitops_core import Client\nclient = Client()\n"
            f"client.pack({str(model)!r}, 'churn:1')\nchild = os.fork()\n"
            f"client.pack({str(model)!r}, 'churn:child' if child == 0 else 'churn:2')\nclient.close()\n"
            "os._exit(0) if child == 0 else os.waitpid(child, 0)\n"
        )
        environment = {**os.environ, "OPENLINEAGE_URL": receiver.url}
        subprocess.run([sys.executable, "-c", script], check=True, env=environment, timeout=60)
        states = [event["eventType"] for event in receiver.events]
        assert sorted(states) == sorted(STATES * 3)
        assert len({event["run"]["runId"] for event in receiver.events}) == 3

    def test_the_environment_is_as_it_was(
        self, receiver: Receiver, model: Path, told: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OPENLINEAGE_URL", receiver.url)
        monkeypatch.setenv("OPENLINEAGE_API_KEY", "for-this-test")
        before = dict(os.environ)
        told.pack(model, "churn:1")
        told.close()
        assert dict(os.environ) == before

    def test_a_client_that_was_closed_sends_again(
        self, receiver: Receiver, model: Path, told: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OPENLINEAGE_URL", receiver.url)
        for _ in range(2):
            told.pack(model, "churn:1")
            told.close()
        assert [event["eventType"] for event in receiver.events] == STATES * 2


class TestReceiversThatFail:
    @pytest.mark.usefixtures("hurried")
    def test_one_that_is_down_is_warned_of(
        self, model: Path, told: Client, warnings: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OPENLINEAGE_URL", "http://127.0.0.1:9")
        assert told.pack(model, "churn:1").digest
        told.close()
        assert warnings == ["OpenLineage's receiver may not know of this: it takes too long to answer"]

    @pytest.mark.usefixtures("hurried")
    def test_one_that_never_answers_is_warned_of(
        self, receiver: Receiver, model: Path, told: Client, warnings: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        receiver.silent.set()
        monkeypatch.setenv("OPENLINEAGE_URL", receiver.url)
        assert told.pack(model, "churn:1").digest
        told.close()
        assert len(warnings) == 1

    def test_one_that_refuses_is_warned_of_without_the_secrets_of_its_address(
        self, receiver: Receiver, model: Path, told: Client, warnings: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        receiver.status = 422
        monkeypatch.setenv("OPENLINEAGE_URL", receiver.url.replace("//", "//ada:hunter2@"))
        assert told.pack(model, "churn:1").digest
        told.close()
        (warning,) = warnings
        assert "422" in warning
        assert "hunter2" not in warning

    def test_a_command_ends_as_it_would_without(self, receiver: Receiver, model: Path) -> None:
        receiver.status = 422
        ran = run("inspect", "churn:1", env={**os.environ, "OPENLINEAGE_URL": receiver.url})
        assert ran.code != 0  # there is no kit yet, and nothing was made
        ran = run("pack", model, "-t", "churn:1", "--json", env={**os.environ, "OPENLINEAGE_URL": receiver.url})
        assert (ran.code, ran.json["repository"]) == (0, "churn")
        assert [line for line in ran.err.splitlines() if "OpenLineage" in line and "422" in line]


class TestConfigurations:
    @pytest.mark.parametrize("text", ["facets: {}\n", "{broken: [\n", ""])
    def test_one_that_names_no_transport_is_warned_of(
        self, text: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "openlineage.yml").write_text(text)
        ran = run("pack", model, "-t", "churn:1", cwd=tmp_path)
        assert ran.code == 0
        assert "names no transport" in ran.err
        assert "Traceback" not in ran.err

    def test_one_that_is_wrong_is_warned_of(
        self, model: Path, told: Client, warnings: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OPENLINEAGE__TRANSPORT__TYPE", "carrier-pigeon")
        assert told.pack(model, "churn:1").digest
        told.close()
        assert len(warnings) == 1

    def test_a_console_is_a_log_and_never_in_between_an_answer(self, model: Path) -> None:
        ran = run(
            "pack", model, "-t", "churn:1", "--json", env={**os.environ, "OPENLINEAGE__TRANSPORT__TYPE": "console"}
        )
        assert ran.json["repository"] == "churn"

    def test_disabled_is_disabled(self, receiver: Receiver, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPENLINEAGE_URL", receiver.url)
        monkeypatch.setenv("OPENLINEAGE_DISABLED", "true")
        ok("pack", model, "-t", "churn:1")
        assert receiver.events == []

    def test_no_checkout_around_the_directory_is_told_with_its_token(
        self, receiver: Receiver, model: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The client would take the address of the checkout that it works in as it stands there."""
        git = ["git", "-C", str(model)]
        subprocess.run([*git, "init", "-q"], check=True)
        url = "https://ada:hunter2@git.example.com/ml.git"
        subprocess.run([*git, "remote", "add", "origin", url], check=True)
        monkeypatch.chdir(model)
        monkeypatch.setenv("OPENLINEAGE_URL", receiver.url)
        ok("pack", ".", "-t", "churn:1")
        assert len(receiver.events) == 2
        assert "hunter2" not in json.dumps(receiver.events)

    def test_who_listens_in_this_process_is_told_instead(
        self, receiver: Receiver, model: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OPENLINEAGE_URL", receiver.url)
        heard: list[kitops.Operation] = []
        with Client(on_lineage=heard.append) as client:
            client.pack(Contents(model=model / "model.bin", name="churn"), "churn:1")
        assert ([one.state for one in heard], receiver.events) == (STATES, [])


class TestWithoutIt:
    def test_nothing_is_imported_where_it_is_not_configured(self, model: Path) -> None:
        loaded = modules_after("pack", model, "-t", "churn:1")
        assert not {name for name in loaded if name.partition(".")[0] in ("openlineage", "requests", "attr", "httpx2")}
        ours = {name for name in loaded if name.startswith("kitops_core.openlineage")}
        assert ours == {"kitops_core.openlineage", "kitops_core.openlineage.telling"}

    def test_a_configuration_without_the_extra_is_passed_over(self, model: Path) -> None:
        script = (
            "import sys\nsys.modules['openlineage'] = None\n"  # as where it is not installed
            "import kitops_core\n"
            f"print(kitops_core.pack({str(model)!r}, 'churn:1').digest)\n"
        )
        environment = {**os.environ, "OPENLINEAGE_URL": "http://127.0.0.1:9"}
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, env=environment, timeout=60
        )
        assert (done.returncode, done.stderr, done.stdout[:7]) == (0, "", "sha256:")
