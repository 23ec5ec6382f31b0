"""What the commands do that sign, attest, attach and verify, in a real registry and in the local store."""

from __future__ import annotations

import json
import os
import pty
import re
import stat
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from cli_runner import kit, ok
from clients import client
from fault_proxy import FaultProxy
from signing_tools import KEY, OTHER_KEY, write_keys

import kitops_core as kitops
from kitops_core import PublicKey, SigningKey, VerificationPolicy

pytestmark = pytest.mark.slow  # opening an encrypted key takes a while, by design


@pytest.fixture(autouse=True)
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory with ``release`` and ``other`` key pairs, which is the current one."""
    monkeypatch.chdir(tmp_path)
    write_keys(tmp_path, KEY, "release")
    write_keys(tmp_path, OTHER_KEY, "other")
    return tmp_path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "my-model"
    root.mkdir()
    (root / "Kitfile").write_text("manifestVersion: 1.0.0\nmodel: {path: model.bin}\n")
    (root / "model.bin").write_bytes(bytes(5000))
    return root


@pytest.fixture(params=["local store", "registry"])
def name(request: pytest.FixtureRequest, project: Path) -> str:
    """A kit in the local store, or one in the registry only."""
    if request.param == "local store":
        ok("pack", project, "-t", "my-model:1.0")
        return "my-model:1.0"
    name = f"{request.getfixturevalue('registry')}/signing/{uuid.uuid4().hex}:1.0"
    ok("pack", project, "-t", name, "--push")
    return name


def digest_of(name: str) -> str:
    return str(ok("inspect", name).json["digest"])


def test_a_key_pair_is_written_once_and_the_private_key_is_for_its_owner_only(
    keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COSIGN_PASSWORD", "golden")
    assert ok("generate-key-pair").out == "wrote  cosign.key\nwrote  cosign.pub\n"
    assert stat.S_IMODE((keys / "cosign.key").stat().st_mode) == 0o600
    assert SigningKey.load(keys / "cosign.key").public == PublicKey.load(keys / "cosign.pub")
    ran = kit("generate-key-pair", "--output-key-prefix", "release")
    assert ran.code == 8
    assert "release.key and release.pub would be replaced" in ran.err


def test_sign_then_verify(name: str) -> None:
    digest = digest_of(name)
    signed = ok("sign", name, "--sign-key", "release.key")
    assert re.fullmatch(rf"signed  {digest}  signature  sha256:\w+\n", signed.out)
    verified = ok("verify", name, "--key", "other.pub", "--key", "release.pub")
    assert verified.out == f"verified  {digest}  by release.pub\n"
    assert digest_of(name) == digest
    answer = ok("verify", name, "--key", "release.pub", "--json").json
    assert (answer["digest"], answer["signers"]) == (digest, ["release.pub"])
    assert answer["evidence"] == [signed.out.split()[-1]]


def test_a_kit_in_a_layout_directory_is_signed_there(project: Path, tmp_path: Path) -> None:
    digest = ok("pack", project, "-t", "oci:kits:1", "--json").json["digest"]
    ok("sign", "oci:kits:1", "--sign-key", "release.key")
    verified = ok("verify", "oci:kits:1", "--key", "release.pub")
    assert verified.out == f"verified  {digest}  by release.pub\n"
    assert "from the layout" in verified.err


def test_what_is_not_verified_is_code_6_and_says_why(name: str) -> None:
    unsigned = kit("verify", name, "--key", "release.pub")
    assert unsigned.code == 6
    assert "is not verified: no signature is attached" in unsigned.err
    ok("sign", name, "--sign-key", "other.key")
    assert "not by release.pub" in kit("verify", name, "--key", "release.pub").err
    assert "2 signers needed" in kit("verify", name, "--key", "other.pub", "--key", "release.pub", "--needed", "2").err


def test_attest_then_verify_by_type(name: str, keys: Path) -> None:
    (keys / "result.json").write_text(json.dumps({"result": "PASSED", "configuration": []}))
    ok("attest", name, "--type", "test-result", "--predicate", "result.json", "--sign-key", "release.key")
    assert ok("verify", name, "--type", "test-result", "--key", "release.pub").out.startswith("verified  ")
    assert kit("verify", name, "--key", "release.pub").code == 6
    assert kit("verify", name, "--type", "vsa", "--key", "release.pub").code == 6
    (keys / "result.json").write_text(json.dumps({"result": "FAILED"}))
    ok("attest", name, "--type", "test-result", "--predicate", "result.json", "--sign-key", "release.key")
    failed = kit("verify", name, "--type", "test-result", "--key", "release.pub")
    assert failed.code == 6
    assert "does not say PASSED" in failed.err


def test_referrers_are_a_tree_with_who_signed(name: str, keys: Path) -> None:
    (keys / "CARD.md").write_text("# Card\n")
    (keys / "made.json").write_text("{}")
    card = ok("attach", name, "CARD.md", "--artifact-type", "text/markdown", "-a", "lang=en", "--json").json["digest"]
    assert card == ok("attach", name, "CARD.md", "--artifact-type", "text/markdown", "-a", "lang=en").out.split()[-1]
    signature = ok("sign", name, "--sign-key", "release.key").out.split()[-1]
    ok("attest", name, "--type", "slsaprovenance1", "--predicate", "made.json")
    repository = name.rpartition(":")[0]
    below = ok("sign", f"{repository}@{card}", "--sign-key", "other.key").out.split()[-1]
    ran = ok("referrers", name)
    head, *lines = ran.out.splitlines()
    assert head.endswith(f"@{digest_of(name)}")
    hint = PublicKey.load("release.pub").hint
    assert any(re.match(rf"[├└]─ signature +{signature}   signed by {re.escape(hint)}   ", line) for line in lines)
    assert any(re.match(r"[├└]─ slsaprovenance1 +sha256:\w+   unsigned ", line) for line in lines)
    assert re.match(rf"├─ text/markdown +{card}   CARD.md +7 B", lines[0])
    assert re.match(rf"│  └─ signature +{below}   signed by ", lines[1])
    found = ok("referrers", name, "--json").json
    assert {row["predicate_type"] for row in found["referrers"]} == {
        "", "https://sigstore.dev/cosign/sign/v1", "https://slsa.dev/provenance/v1"
    }  # fmt: skip
    assert next(row for row in found["referrers"] if row["digest"] == card)["referrers"][0]["digest"] == below


def test_tag_lists_show_no_referrers(name: str) -> None:
    ok("sign", name, "--sign-key", "release.key")
    repository = name.rpartition(":")[0]
    listed = ok("list", "--json").json if "/" not in name else ok("list", repository, "--json").json
    assert [row["tag"] for row in listed] == ["1.0"]
    assert "sha256-" not in ok("list", *([repository] if "/" in name else [])).out


class TestUnpackWithVerify:
    def test_unpacks_what_is_signed(self, name: str, tmp_path: Path) -> None:
        ok("sign", name, "--sign-key", "release.key")
        ok("unpack", name, "-d", tmp_path / "out", "--verify", "other.pub", "--verify", "release.pub")
        assert (tmp_path / "out" / "model.bin").stat().st_size == 5000

    def test_unpacks_what_was_packed_with_a_key(self, name: str, project: Path, tmp_path: Path) -> None:
        (project / "model.bin").write_bytes(b"another model")
        ok("pack", project, "-t", name, "--sign-key", "release.key", *(["--push"] if "/" in name else []))
        ok("unpack", name, "-d", tmp_path / "out", "--verify", "release.pub")
        assert (tmp_path / "out" / "model.bin").read_bytes() == b"another model"

    def test_leaves_the_target_as_it_was_where_it_is_not(self, name: str, tmp_path: Path) -> None:
        ok("sign", name, "--sign-key", "other.key")
        ran = kit("unpack", name, "-d", tmp_path / "out", "--verify", "release.pub")
        assert ran.code == 6
        assert not (tmp_path / "out").exists()

    def test_a_signature_of_the_kit_that_had_the_tag_before_is_worth_nothing(
        self, name: str, project: Path, tmp_path: Path
    ) -> None:
        ok("sign", name, "--sign-key", "release.key")
        (project / "model.bin").write_bytes(b"another model")
        ok("pack", project, "-t", name, *(["--push"] if "/" in name else []))
        assert kit("unpack", name, "-d", tmp_path / "out", "--verify", "release.pub").code == 6

    def test_asks_the_registry_for_the_tag_once(self, project: Path, faults: FaultProxy, tmp_path: Path) -> None:
        name = f"{faults.address}/signing/{uuid.uuid4().hex}:1.0"
        ok("pack", project, "-t", name, "--push")
        ok("sign", name, "--sign-key", "release.key")
        faults.seen.clear()
        ok("unpack", name, "-d", tmp_path / "out", "--verify", "release.pub")
        assert sum("/manifests/1.0" in seen.path for seen in faults.seen) == 1

    def test_the_model_of_a_kit_named_by_tag_must_be_signed_too(self, project: Path, tmp_path: Path) -> None:
        base = ok("pack", project, "-t", "base:1", "--json").json["digest"]
        for number, model in enumerate(("base:1", f"base@{base}")):
            child = tmp_path / f"child{number}"
            child.mkdir()
            (child / "Kitfile").write_text(f"manifestVersion: 1.0.0\nmodel: {{path: '{model}'}}\n")
            ok("pack", child, "-t", f"child:{number}")
            ok("sign", f"child:{number}", "--sign-key", "release.key")
        verify = ("--verify", "release.pub")
        ok("unpack", "child:1", "-d", tmp_path / "pinned", *verify)
        assert kit("unpack", "child:0", "-d", tmp_path / "out", *verify).code == 6
        assert not (tmp_path / "out").exists()
        ok("sign", "base:1", "--sign-key", "release.key")
        ok("unpack", "child:0", "-d", tmp_path / "out", *verify)


def test_a_kit_pulled_without_its_signature_says_where_to_look(project: Path, registry: str) -> None:
    name = f"{registry}/signing/{uuid.uuid4().hex}:1.0"
    ok("pack", project, "-t", name, "--push")
    ok("sign", name, "--sign-key", "release.key")
    ok("pull", name)
    ran = kit("verify", name, "--key", "release.pub", "--local")
    assert ran.code == 6
    assert "--remote) looks at what is attached in the registry" in ran.err
    assert "from the registry" in ok("verify", name, "--key", "release.pub").err


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["sign", "m:1"], 2, "Missing option '--sign-key'"),
        (["sign", "m:1", "--sign-key", "nowhere.key"], 3, "'nowhere.key' cannot be read"),
        (["sign", "m:1", "--sign-key", "release.pub"], 3, "release.pub is a public key"),
        (["sign", "m:1", "--sign-key", "release.key"], 4, "'m:1' is not in the local store"),
        (["verify", "m:1"], 2, "Give --key, or --certificate-identity"),
        (["verify", "m:1", "--key", "release.key"], 3, "release.key is a private key"),
        (["verify", "m:1", "--key", "release.pub", "--type", "nonsense"], 3, "'nonsense' is not a predicate type"),
        (["verify", "m:1", "--key", "release.pub", "--certificate-identity", "a@b.c"], 3, "give either, not both"),
        (["verify", "m:1", "--certificate-identity", "a@b.c"], 3, "needs the identity, its issuer and a trust root"),
        (["attest", "m:1", "--type", "vsa", "--predicate", "nowhere.json"], 3, "'nowhere.json' cannot be read"),
        (["attest", "m:1", "--type", "vsa", "--predicate", "release.pub"], 3, "a predicate is a JSON object"),
        (["attach", "m:1", "nowhere.md", "--artifact-type", "text/markdown"], 3, "'nowhere.md' cannot be read"),
        (["attach", "m:1", "release.pub", "--artifact-type", "card"], 3, "'card' is not a media type"),
        (["attach", "m:1", "release.pub", "--artifact-type", "a/b", "-a", "x"], 2, "An annotation is KEY=VALUE"),
        (["referrers", "m:1"], 4, "'m:1' is not in the local store"),
        (["generate-key-pair", "--output-key-prefix", "no/such/dir"], 1, "cannot write 'no/such/dir.key'"),
    ],
)
def test_mistakes_are_named(args: list[str], code: int, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COSIGN_PASSWORD", "golden")
    ran = kit(*args)
    assert ran.code == code, ran.err
    assert says in ran.out + ran.err
    assert "Traceback" not in ran.err


class TestThePassword:
    @pytest.fixture(autouse=True)
    def sealed(self, project: Path, keys: Path) -> None:
        (keys / "sealed.key").write_bytes(kitops.generate_key_pair(b"golden")[0])
        ok("pack", project, "-t", "m:1")

    def test_is_not_asked_for_where_there_is_no_terminal(self) -> None:
        ran = kit("sign", "m:1", "--sign-key", "sealed.key")
        assert ran.code == 3
        assert "sealed.key is encrypted, and no password was given" in ran.err
        assert "COSIGN_PASSWORD" in ran.err
        assert kit("generate-key-pair", "--output-key-prefix", "new").code == 2

    def test_is_asked_for_on_a_terminal(self) -> None:
        master, slave = pty.openpty()
        command = [sys.executable, "-m", "kitops_core.cli", "sign", "m:1", "--sign-key", "sealed.key"]
        with subprocess.Popen(
            command, stdin=slave, stdout=subprocess.PIPE, stderr=slave, start_new_session=True
        ) as run:
            os.close(slave)
            asked = b""
            while b"Password of the key: " not in asked:
                asked += os.read(master, 1000)
            os.write(master, b"golden\n")
            out = run.communicate()[0]
        os.close(master)
        assert out.startswith(b"signed  ")

    def test_that_is_wrong_is_not_repeated(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("COSIGN_PASSWORD", "not-the-password")
        ran = kit("sign", "m:1", "--sign-key", "sealed.key")
        assert ran.code == 3
        assert "the password is wrong" in ran.err
        assert "not-the-password" not in ran.out + ran.err


def test_the_key_of_a_client_certificate_has_a_name_of_its_own(project: Path) -> None:
    ok("pack", project, "-t", "m:1")
    ok("sign", "m:1", "--sign-key", "release.key", "--client-cert", "release.pub", "--client-key", "release.key")
    assert kit("sign", "m:1", "--sign-key", "release.key", "--cert", "release.pub").code == 2
    ok("inspect", "m:1", "--cert", "release.pub", "--key", "release.key")


def test_the_same_from_python(project: Path, tmp_path: Path) -> None:
    digest = kitops.pack(project, "m:1").digest
    key = SigningKey.load("release.key")
    signed = kitops.sign("m:1", key)
    assert signed.predicate_type == "https://sigstore.dev/cosign/sign/v1"
    assert client(signer=key).attest("m:1", {"verificationResult": "PASSED"}, type="vsa").storage == "local store"
    assert kitops.verify("m:1", keys=["release.pub"]).digest == digest
    assert kitops.verify("m:1", keys=[key.public], type="vsa").evidence
    policy = VerificationPolicy(keys=(key.public,))
    assert kitops.unpack("m:1", tmp_path / "out", verify=policy).digest == digest
    assert len(kitops.referrers("m:1").referrers) == 2
