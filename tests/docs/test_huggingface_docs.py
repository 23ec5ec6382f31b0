"""What docs/huggingface-to-vllm.md shows is what happens, up to the command line of the server."""

from __future__ import annotations

import json
import shlex
import stat
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_runner import run
from hub_server import Hub, hub_server
from readme import snippet

pytest.importorskip("huggingface_hub", reason="the huggingface extra is not installed")
DOC = "docs/huggingface-to-vllm.md"
CONFIG = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "dtype": "bfloat16"}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with the model of the page, and a directory to run in."""
    with hub_server() as served:
        monkeypatch.setenv("HF_ENDPOINT", served.address)
        monkeypatch.setenv("COSIGN_PASSWORD", "of this test only")
        monkeypatch.chdir(tmp_path)
        files = {"config.json": json.dumps(CONFIG).encode(), "tokenizer.json": b"{}"}
        card = b"---\nlicense: apache-2.0\nbase_model: acme/base\n---\n# smol\n"
        served.repo("acme/smol").commit({**files, "model.safetensors": b"w" * 200_000, "README.md": card}, "v1.0")
        yield served


class Page:
    """The snippets, with a registry of this test's own in place of theirs."""

    def __init__(self, registry: str) -> None:
        self.place = f"{registry}/{uuid.uuid4().hex[:8]}"

    def text(self, name: str) -> str:
        return snippet(name, DOC).replace("registry.example.com", self.place)

    def commands(self, name: str) -> list[str]:
        """Run the commands of a snippet; gives what each answered."""
        answers = []
        for line in self.text(name).splitlines():
            command, _, into = line.removeprefix("$ kitops ").partition(" > ")
            done = run(*shlex.split(command))
            assert done.code == 0, f"{line}\n{done.err}"
            if into:
                Path(into).write_text(done.out)
            answers.append(done.out)
        return answers


@pytest.mark.slow
def test_the_page_from_the_hub_to_the_servers_command_line(hub: Hub, registry: str, tmp_path: Path) -> None:
    page = Page(registry)
    commit = hub.repo("acme/smol").branches["v1.0"]
    answers = page.commands("import")
    assert f"from  hf://acme/smol@{commit}" in answers[1]
    assert "licens" in answers[3]
    assert "hf://acme/smol" in answers[4]
    assert commit[:12] in answers[4]

    described, *rest = page.text("edit").splitlines()
    (tmp_path / "Kitfile").write_text(run(*shlex.split(described.removeprefix("$ kitops ").partition(" > ")[0])).out)
    edited = (tmp_path / "Kitfile").read_text().replace("  parameters:\n", "  parameters:\n" + page.text("parameters"))
    (tmp_path / "Kitfile").write_text(edited)
    hub.seen.clear()
    for line in rest:
        done = run(*shlex.split(line.removeprefix("$ kitops ")))
        assert done.code == 0, done
    assert not hub.fetched("model.safetensors")

    (tmp_path / "promotion.yaml").write_text(page.text("policy"))
    assert "prod" in page.commands("promote")[1]
    (arguments,) = page.commands("serve")
    assert arguments == page.text("arguments").replace("/srv/", f"{tmp_path}/")
    served = tmp_path / "models" / "smol"
    assert json.loads((served / "config.json").read_text()) == CONFIG
    assert (served / "model.safetensors").read_bytes() == b"w" * 200_000
    assert command_line(page.text("start"), tmp_path) == ["serve", *shlex.split(arguments), "--port", "8000"]


def command_line(script: str, tmp_path: Path) -> list[str]:
    """What a server that only says how it was called was called with."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, text in {
        "kitops": f'#!/bin/sh\nexec {sys.executable} -m kitops_core.cli "$@"\n',
        "vllm": '#!/bin/sh\nprintf "%s\\n" "$@"\n',  # no vLLM: it needs a GPU
    }.items():
        (tools / name).write_text(text)
        (tools / name).chmod(stat.S_IRWXU)
    done = subprocess.run(
        ["env", f"PATH={tools}:/usr/bin:/bin", "bash", "-c", script], capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()
