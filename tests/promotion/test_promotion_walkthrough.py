"""The walkthrough of docs/promotion.md happens as it says, across two real registries."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from readme import snippet
from registry_fixture import serve_registry

import kitops_core as kitops

DOC = "docs/promotion.md"
KITOPS = str(Path(sys.executable).with_name("kitops"))


class Walk:
    """Runs the snippets of the page one after the other."""

    def __init__(self, directory: Path, hosts: dict[str, str]) -> None:
        self.directory = directory
        self.hosts = hosts

    def text(self, name: str) -> str:
        text = snippet(name, DOC)
        for host, address in self.hosts.items():
            text = text.replace(host, address)
        return text

    def run(self, name: str, *codes: int) -> str:
        """Run the commands of a snippet, which end with these codes; without any, all succeed."""
        lines = [line.partition(" #")[0] for line in self.text(name).splitlines()]
        out = ""
        for line, code in zip(lines, codes or [0] * len(lines), strict=True):
            command = line.replace("$ kitops", f"'{KITOPS}'", 1)
            done = subprocess.run(["sh", "-c", command], cwd=self.directory, capture_output=True, text=True)
            assert done.returncode == code, f"{line}\n{done.stdout}\n{done.stderr}"
            assert "Traceback" not in done.stderr
            out += done.stdout
        return out


@pytest.mark.slow
def test_a_kit_goes_from_dev_through_staging_to_prod_and_back(
    tmp_path: Path, registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, weights in (("churn", "weak"), ("better", "strong"), ("worse", "strange")):
        bundle = tmp_path / name
        bundle.mkdir()
        (bundle / "model.bin").write_text(weights)
        version = {"churn": "0.9.0", "better": "1.0.0", "worse": "1.1.0"}[name]
        (bundle / "Kitfile").write_text(snippet("kitfile", DOC).replace("0.9.0", version))
    monkeypatch.setenv("COSIGN_PASSWORD", "of the tests only")
    monkeypatch.setenv("KITOPS_ACTOR", "ada")
    with serve_registry() as production:
        dev_host = f"{registry}/{os.urandom(4).hex()}"
        walk = Walk(tmp_path, {"registry.example.com": dev_host, "registry.prod.example.com": production.address})
        prod = f"{production.address}/ml/churn"
        walk.run("keys")
        (tmp_path / "promotion.yaml").write_text(walk.text("policy"))
        walk.run("dev")
        plan = walk.run("refused", 0, 9)
        assert plan.count("0.87, prod is empty") == 2
        assert plan.count("refused: 1 of 3 gates") == 2
        walk.run("staging")
        assert "✗ approved by" in walk.run("unapproved", 9)
        promoted = walk.run("prod")
        digest = kitops.history("prod", policy=tmp_path / "promotion.yaml")[0].digest
        assert f"{prod}:prod@{digest}" in promoted
        with kitops.open(f"{prod}:1.0.0", where="registry") as version:
            assert version.digest == digest
        used = walk.run("use")
        assert (tmp_path / "served" / "model.bin").read_text() == "strong"
        assert digest in used
        walk.run("rollback")
        back, bad, first = kitops.history("prod", policy=tmp_path / "promotion.yaml")
        assert [record.action for record in (back, bad, first)] == ["rollback", "promote", "promote"]
        assert (back.digest, back.previous_digest, back.note) == (digest, bad.digest, "predictions drifted")
        assert {record.signed_by.rpartition("/")[2] for record in (back, bad, first)} == {"release.pub"}
        assert {record.actor for record in (back, bad, first)} == {"ada"}
        with kitops.open(f"{prod}:prod", where="registry") as kit:
            assert kit.digest == digest
        monkeypatch.chdir(tmp_path)
        exec(compile(snippet("promotion", DOC), DOC, "exec"), {})
