"""How the command behaves as a process: signals, pipes, defects, terminals."""

from __future__ import annotations

import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_runner import kit, ok, run, start
from fault_proxy import FaultProxy, answer

import kitops_core
from kitops_core.cli import output, settings
from kitops_core.cli.group import kitops

SIZES = {0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1288490189: "1.2 GiB", 325058560: "310 MiB", 1 << 50: "1.0 PiB"}


@pytest.mark.parametrize(("number", "says"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_a_signal_cancels_and_nothing_half_written_stays(
    number: signal.Signals, says: bool, tmp_path: Path, home: Path
) -> None:
    big = tmp_path / "kit" / "model.bin"
    big.parent.mkdir()
    with big.open("wb") as file:
        file.truncate(64 << 30)  # sparse: reading it takes longer than any test waits
    with start("pack", big.parent, "-t", "big:1") as process:
        store = home / "kitops" / "storage"
        wait_for(lambda: any(path.stat().st_size for path in scratch(store)))
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out == ""
    assert err.endswith("cancelled\n")
    assert ("stopping" in err) is says
    assert scratch(store) == []
    assert ok("list", "--json").json == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_ends_waiting_for_a_silent_registry(number: signal.Signals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with start("pull", f"{address}/ml/m:1") as process:
            connection, _ = silent.accept()
            with connection:
                connection.recv(1)
                process.send_signal(number)
                _, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert err.endswith("cancelled\n")


@pytest.mark.parametrize("command", [["pull"], ["list"], ["tag", "--remote"], ["unpack"], ["push"]])
def test_a_signal_ends_waiting_for_a_registry_that_asks_to_wait_which_is_said(
    faults: FaultProxy, tmp_path: Path, command: list[str]
) -> None:
    faults.every = answer(429, Retry_After="200")
    name = f"{faults.address}/ml/m"
    if command == ["push"]:
        (tmp_path / "model.bin").write_bytes(b"weights")
        ok("pack", tmp_path, "-t", f"{name}:1")
    more = [name] if command == ["list"] else [f"{name}:1", *(["2"] if "tag" in command else [])]
    with start(*command, *more) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == f"{faults.address} answers 429; trying again in 200 s\n"
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert err.endswith("cancelled\n")


def scratch(store: Path) -> list[Path]:
    return [path for path in (store / ".kitops-core" / "ingest").glob("*") if path.is_file()]


def wait_for(condition: object) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if callable(condition) and condition():
            return
        time.sleep(0.01)
    pytest.fail("what the test waits for did not happen")


@pytest.mark.parametrize("args", [("list",), ("--help",), ("version", "--json"), ("list", "--json")])
def test_a_reader_that_leaves_is_no_error(args: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with start(*args, stdout=writing) as process:
        os.close(writing)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (141, "")


def test_a_defect_is_short_unless_debugging(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("a defect")

    monkeypatch.setattr("kitops_core.kits.list_kits.list_kits", broken)
    ran = kit("list")
    assert ran.code == 1
    assert ran.err == (
        "error: unexpected KeyError: 'a defect'\n"
        "hint: this is a defect of kitops; set KITOPS_DEBUG=1 to see where it happened\n"
    )
    monkeypatch.setenv("KITOPS_DEBUG", "1")
    assert "Traceback (most recent call last)" in kit("list").err


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("x")
    ran = kit("init", tmp_path, "-o", tmp_path / "no" / "Kitfile")
    assert ran.code == 1
    assert ran.err == f"error: '{tmp_path}/no/Kitfile': No such file or directory\n"


def test_ctrl_c_outside_of_a_transfer_is_code_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("kitops_core.kits.list_kits.list_kits", interrupted)
    ran = kit("list")
    assert ran.code == 130
    assert ran.err.strip() == "cancelled"


def test_a_terminal_gets_bars_and_a_pipe_gets_the_answer(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(bytes(1000))
    leader, follower = pty.openpty()
    with start("pack", tmp_path, "-t", "m:1", stderr=follower, env={**os.environ, "TERM": "xterm"}) as process:
        os.close(follower)
        out, _ = process.communicate(timeout=30)
    shown = read_all(leader)
    assert process.returncode == 0
    assert re.fullmatch(r"packed  m:1  sha256:[0-9a-f]{64}  1 layer, [\d.]+ KiB\n", out)
    assert "\x1b[" in shown
    assert "  model.bin  " not in shown


def read_all(descriptor: int) -> str:
    data = b""
    try:
        while chunk := os.read(descriptor, 65536):
            data += chunk
    except OSError:
        pass  # Linux ends a terminal nobody holds any more with an error
    finally:
        os.close(descriptor)
    return data.decode()


@pytest.mark.parametrize(("progress", "expected"), [([], "False False"), (["--progress", "fancy"], "True False")])
def test_rich_is_imported_only_for_bars(tmp_path: Path, progress: list[str], expected: str) -> None:
    (tmp_path / "model.bin").write_bytes(bytes(1000))
    script = (
        "import sys, atexit\n"
        "atexit.register(lambda: print('rich' in sys.modules, 'urllib3' in sys.modules))\n"
        "from kitops_core.cli import main\n"
        f"sys.argv = ['kitops', 'pack', {str(tmp_path)!r}, '-t', 'm:1', *{progress!r}]\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == expected


@pytest.mark.parametrize(("size", "text"), SIZES.items())
def test_sizes_are_for_people(size: int, text: str) -> None:
    assert output.size_text(size) == text


@pytest.mark.parametrize(
    ("args", "network"),
    [
        ([], {}),
        (["--plain-http"], {"plain_http": True}),
        (["--plain-http=false"], {"plain_http": False}),
        (["--tls-verify=false"], {"tls_verify": False}),
        (["--tls-verify=true"], {"tls_verify": True}),
        (["--no-tls-verify"], {"tls_verify": False}),
        (["--proxy", "http://proxy.example:3128"], {"proxy": "http://proxy.example:3128"}),
    ],
)
def test_network_options_are_handed_on_only_where_given(
    args: list[str], network: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, object]] = []
    made = settings.Settings.client

    def client(self: settings.Settings, **how: object) -> kitops_core.Client:
        seen.append(dict(self.network))
        self.network.clear()  # the certificates are none
        return made(self, **how)

    monkeypatch.setattr(settings.Settings, "client", client)
    ok("list", *args)
    assert seen == [network]


def test_certificates_come_from_options_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, object]] = []
    made = settings.Settings.client

    def client(self: settings.Settings, **how: object) -> kitops_core.Client:
        seen.append(dict(self.network))
        self.network.clear()  # the certificates are none
        return made(self, **how)

    monkeypatch.setattr(settings.Settings, "client", client)
    for name in ("ca", "cert", "key"):
        (tmp_path / name).write_text("")
    monkeypatch.setenv("KITOPS_CLIENT_CERT", str(tmp_path / "cert"))
    monkeypatch.setenv("KITOPS_CLIENT_KEY", str(tmp_path / "key"))
    ok("list", "--tls-cert", tmp_path / "ca")
    assert seen == [{"ca_file": tmp_path / "ca", "client_cert": tmp_path / "cert", "tls_key": tmp_path / "key"}]
    assert kit("list", "--tls-cert", tmp_path / "missing").code == 2


def test_the_command_can_be_run_without_ending_the_process() -> None:
    with pytest.raises(SystemExit) as ended:
        kitops(["version"], prog_name="kitops")
    assert ended.value.code == 0
    assert kitops(["version"], prog_name="kitops", standalone_mode=False) is None


def test_as_a_process_an_error_ends_with_its_code() -> None:
    ran = run("info", "nothing:1")
    assert ran.code == 4
    assert ran.out == ""
    assert ran.err.startswith("error: 'nothing:1' is not in the local store\nhint: ")
