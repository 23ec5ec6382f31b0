"""Signatures over a kit's files (OpenSSF model signing): made from the kit, checked before anything is unpacked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cli_runner import kit, ok
from signing_tools import KEY, OTHER_KEY, new_key, write_keys

import kitops_core as kitops
from kitops_core import InvalidInputError, VerificationError
from kitops_core.evidence.bundle import BUNDLE


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_keys(tmp_path, KEY, "release")
    write_keys(tmp_path, OTHER_KEY, "other")
    root = tmp_path / "project"
    (root / "src").mkdir(parents=True)
    (root / "Kitfile").write_text("manifestVersion: 1.0.0\nmodel: {path: model.bin}\ncode: [{path: src}]\n")
    (root / "model.bin").write_bytes(b"weights")
    (root / "src" / ".gitignore").write_text("*.pyc\n")
    (root / "src" / "train.py").write_text("print('train')\n")
    ok("pack", root, "-t", "m:1")
    return root


@pytest.mark.parametrize("module", ["model_signing", "OpenSSL"])
def test_without_the_extra_the_error_names_it(project: Path, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in ("model_signing", "OpenSSL")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    ran = kit("sign", "m:1", "--sign-key", "release.key", "--files")
    assert ran.code == 3
    assert "need the 'oms' extra" in ran.err
    assert kit("unpack", "m:1", "-d", "out", "--verify-files", "release.pub").code == 3
    assert not Path("out").exists()


def test_files_and_filters_exclude_each_other(project: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="filter cannot be combined"):
        kitops.unpack("m:1", tmp_path / "out", only=["model"], verify_files=[KEY.public])


class TestWithTheExtra:
    @pytest.fixture(autouse=True)
    def extra(self) -> None:
        pytest.importorskip("model_signing.signing", reason="the oms extra is not installed", exc_type=ImportError)

    def test_signed_files_are_unpacked(self, project: Path) -> None:
        digest = ok("inspect", "m:1").json["digest"]
        signed = ok("sign", "m:1", "--sign-key", "release.key", "--files").out
        assert signed.startswith(f"signed  {digest}  oms  sha256:")
        ok("unpack", "m:1", "-d", "out", "--verify-files", "other.pub", "--verify-files", "release.pub")
        assert Path("out/src/.gitignore").exists()
        assert Path("out/Kitfile").exists()
        assert "oms" in ok("referrers", "m:1").out

    def test_a_signature_of_the_files_is_none_of_the_kit(self, project: Path) -> None:
        ok("sign", "m:1", "--sign-key", "release.key", "--files")
        assert kit("verify", "m:1", "--key", "release.pub").code == 6

    def test_nothing_appears_where_another_key_or_none_signed(self, project: Path) -> None:
        unsigned = kit("unpack", "m:1", "-d", "out", "--verify-files", "release.pub")
        assert unsigned.code == 6
        assert "no signature of the files is attached" in unsigned.err
        ok("sign", "m:1", "--sign-key", "other.key", "--files")
        assert kit("unpack", "m:1", "-d", "out", "--verify-files", "release.pub").code == 6
        assert not Path("out").exists()

    @pytest.mark.parametrize(
        ("path", "says"), [("model.bin", "Hash mismatch for 'model.bin'"), ("src/extra.py", "src/extra.py")]
    )
    def test_a_signature_of_other_files_does_not_hold(self, project: Path, path: str, says: str) -> None:
        signature = ok("sign", "m:1", "--sign-key", "release.key", "--files", "--json").json["digest"]
        bundle = _bundle("m", signature)
        (project / path).write_text("altered")
        ok("pack", project, "-t", "m:2")
        Path("bundle.json").write_bytes(bundle)
        kitops.attach("m:2", "bundle.json", artifact_type=BUNDLE)
        with pytest.raises(VerificationError, match=says):
            kitops.unpack("m:2", "out", verify_files=[KEY.public])
        assert not Path("out").exists()

    @pytest.mark.slow
    def test_the_tool_of_the_format_verifies_our_signature_and_we_its(self, project: Path, tmp_path: Path) -> None:
        write_keys(tmp_path, new_key("third"), "third")
        signed = ok("sign", "m:1", "--sign-key", "release.key", "--files", "--json").json["digest"]
        Path("ours.sig").write_bytes(_bundle("m", signed))
        ok("unpack", "m:1", "-d", "out", "--filter", "model", "--filter", "code")
        tool = [sys.executable, "-W", "ignore", "-m", "model_signing"]
        verify = [*tool, "verify", "key", "--public_key", "release.pub", "--signature", "ours.sig", "out"]
        subprocess.run(verify, check=True, capture_output=True, timeout=120)
        sign = [*tool, "sign", "key", "--private_key", "third.key", "--signature", "theirs.sig", "out"]
        subprocess.run(sign, check=True, capture_output=True, timeout=120)
        ok("attach", "m:1", "theirs.sig", "--artifact-type", BUNDLE)
        ok("unpack", "m:1", "-d", "verified", "--verify-files", "third.pub")


def _bundle(name: str, referrer: str) -> bytes:
    from kitops_core.events import Control
    from kitops_core.storage.local import LocalRepository, LocalStore

    storage = LocalRepository(LocalStore(), f"localhost/{name}")
    with storage.open_blob(storage.manifest(referrer).layers[0], Control()) as reader:
        return reader.read_all(100_000)
