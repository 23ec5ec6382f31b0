"""Credentials that lie in a directory: never packed by accident."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_runner import kit
from layer_files import write_files

import kitops_core as kitops
from kitops_core.errors import SourceError
from kitops_core.sources.generate import generate_kitfile

PRIVATE = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nx\n"
PUBLIC = "-----BEGIN PUBLIC KEY-----\nx\n"
KITFILE = "manifestVersion: 1.0.0\ncode: [{path: src}]\n"
SECRETS = {
    ".env": "A=b",
    ".env.production": "A=b",
    ".netrc": "",
    "id_ed25519": "",
    "release.key": PRIVATE,
    "tls/server.pem": PUBLIC + PRIVATE,
    ".aws/credentials": "",
    ".kube/config": "",
    "kubeconfig": "",
    ".git-credentials": "",
    ".npmrc": "//registry.example.com/:_authToken=x",
    ".pypirc": "[pypi]\npassword = x\n",
    ".docker/config.json": '{"auths": {}}',
}
HARMLESS = {
    ".env.example": "A=",
    "release.pub": PUBLIC,
    "tls/ca.pem": PUBLIC,
    "credentials": "",
    "config": "",
    "config.json": '{"auths": {}}',
    ".npmrc": "fund=false",
    "environment.key": "not PEM",
}


@pytest.mark.parametrize("path", SECRETS)
def test_one_in_a_directory_is_an_error_that_names_it(tmp_path: Path, path: str) -> None:
    write_files(tmp_path, {"Kitfile": KITFILE, "src/a.py": "", f"src/{path}": SECRETS[path]})
    with pytest.raises(SourceError, match="holds credentials") as caught:
        kitops.pack(tmp_path, "code:1")
    assert f"'src/{path}'" in str(caught.value)
    assert kitops.pack(tmp_path, "code:1", how=kitops.Packing(allow_secrets=True)).changed
    (tmp_path / ".kitignore").write_text(f"src/{path}\n")
    assert kitops.pack(tmp_path, "code:1").changed


@pytest.mark.parametrize("path", HARMLESS)
def test_what_only_looks_like_one_is_packed(tmp_path: Path, path: str) -> None:
    write_files(tmp_path, {"Kitfile": KITFILE, f"src/{path}": HARMLESS[path]})
    assert kitops.pack(tmp_path, "code:1").changed


def test_what_the_kitfile_names_itself_is_meant(tmp_path: Path) -> None:
    write_files(tmp_path, {"Kitfile": "manifestVersion: 1.0.0\ncode: [{path: src/.env}]\n", "src/.env": "PORT=80"})
    assert kitops.pack(tmp_path, "code:1").changed


def test_a_generated_kitfile_has_none(tmp_path: Path) -> None:
    write_files(tmp_path, {"train.py": "", ".env": "A=b", "cosign.key": PRIVATE, "cosign.pub": PUBLIC})
    assert sorted(entry.path for entry in generate_kitfile(tmp_path).entries()) == ["cosign.pub", "train.py"]


def test_the_command_names_all_before_anything_is_sent(tmp_path: Path, registry: str) -> None:
    write_files(tmp_path, {"Kitfile": KITFILE, "src/.env": "A=b", "src/id_rsa": ""})
    ran = kit("pack", tmp_path, "-t", f"{registry}/secret/code:1", "--push")
    assert ran.code == 3
    assert "'src/.env' holds credentials" in ran.err
    assert "'src/id_rsa' holds credentials" in ran.err
    assert kit("list", f"{registry}/secret/code").code == 4
    assert kit("pack", tmp_path, "-t", f"{registry}/secret/code:1", "--push", "--allow-secrets").code == 0
